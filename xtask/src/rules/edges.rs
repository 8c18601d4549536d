//! Which crate may use which, after the table in ARCHITECTURE.md; and that versions stand in the root manifest only.

use super::Breach;
use super::tree::File;
use toml::{Table, Value};

/// Each crate and what of ours it may use. Development dependencies are free.
const EDGES: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("onnx", &[]),
    ("automl", &["onnx"]),
    ("engines", &["onnx"]),
    ("definitions", &["domain"]),
    ("environments", &["domain", "store", "definitions"]),
    ("store", &["domain"]),
    ("outbound", &["domain"]),
    ("web", &["domain"]),
    ("data", &["domain", "store", "outbound"]),
    ("telemetry", &["domain", "store", "outbound"]),
    ("registry", &["domain", "store", "onnx", "engines", "definitions"]),
    ("runs", &["domain", "store", "data", "automl", "registry", "definitions", "environments"]),
    ("endpoint", &["domain", "store", "registry", "onnx", "engines", "definitions", "environments"]),
    ("gateway", &["domain", "store", "outbound", "telemetry", "endpoint", "web"]),
    ("pipelines", &["domain", "store", "outbound"]),
    ("query", &["domain", "store", "data", "endpoint", "onnx", "telemetry"]),
    ("api", SURFACE),
    ("studio", SURFACE),
    ("testkit", &["domain", "store"]),
    ("portcullis", EVERYTHING),
    ("xtask", &[]),
    ("fuzz", &["data", "definitions", "domain", "endpoint", "gateway", "onnx", "web"]),
];
const SURFACE: &[&str] = &[
    "domain",
    "web",
    "definitions",
    "environments",
    "data",
    "automl",
    "onnx",
    "engines",
    "runs",
    "registry",
    "endpoint",
    "gateway",
    "telemetry",
    "pipelines",
];
const EVERYTHING: &[&str] = &[
    "domain",
    "definitions",
    "environments",
    "onnx",
    "engines",
    "automl",
    "store",
    "outbound",
    "web",
    "data",
    "telemetry",
    "registry",
    "runs",
    "endpoint",
    "gateway",
    "pipelines",
    "query",
    "api",
    "studio",
];

/// Crates of others that have one home, by the beginning of their names.
const HOMES: &[(&str, &[&str])] = &[
    ("axum", &["web", "api", "gateway", "studio"]),
    ("utoipa-axum", &["web", "api", "gateway", "studio"]),
    ("sqlx", &["store"]),
    ("apalis", &["store"]),
    ("datafusion", &["query"]),
    ("ballista", &["query"]),
    ("hessboost", &["automl"]),
    ("libsvm-rs", &["automl"]),
    ("ort", &["engines"]),
    ("cedar-policy", &["gateway"]),
    ("linux-keyutils", &["store"]),
    ("reqwest", &["outbound", "portcullis"]),
];

/// Breaches in one manifest.
pub fn check(file: &File) -> Vec<Breach> {
    let Ok(manifest) = file.text.parse::<Table>() else {
        return vec![Breach::new(&file.name, 0, "is not TOML")];
    };
    let Some(folder) = file.name.strip_suffix("/Cargo.toml") else {
        return Vec::new();
    };
    let name = folder.rsplit('/').next().unwrap_or(folder);
    let mut texts = Vec::new();
    for section in sections(&manifest) {
        for (dependency, value) in section.table {
            if value.get("workspace") != Some(&Value::Boolean(true)) {
                texts.push(format!(
                    "{dependency} is not pinned in the root manifest: write {dependency}.workspace = true"
                ));
            }
            if section.is_development {
                continue;
            }
            texts.extend(forbidden(name, dependency));
        }
    }
    texts.into_iter().map(|text| Breach::new(&file.name, 0, text)).collect()
}

fn forbidden(name: &str, dependency: &str) -> Option<String> {
    if EDGES.iter().any(|(ours, _)| *ours == dependency) {
        let Some((_, may)) = EDGES.iter().find(|(ours, _)| *ours == name) else {
            return Some(format!(
                "{name} stands in no line of the dependency table: add it here and to ARCHITECTURE.md"
            ));
        };
        return (!may.contains(&dependency)).then(|| format!("{name} may not use {dependency}"));
    }
    let home = HOMES.iter().find(|(foreign, _)| dependency.starts_with(foreign));
    let (_, homes) = home.filter(|(_, homes)| !homes.contains(&name))?;
    Some(format!("{dependency} may only be used by {}", homes.join(", ")))
}

struct Section<'a> {
    table: &'a Table,
    is_development: bool,
}

/// Every table of dependencies, also those of a target.
fn sections(manifest: &Table) -> Vec<Section<'_>> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let tables = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table).chain([manifest]);
    let kinds = [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)];
    let mut sections = Vec::new();
    for table in tables {
        for (kind, is_development) in kinds {
            if let Some(table) = table.get(kind).and_then(Value::as_table) {
                sections.push(Section { table, is_development });
            }
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(crate_name: &str, manifest: &str) -> Vec<String> {
        let file = File { name: format!("crates/{crate_name}/Cargo.toml"), text: manifest.to_owned() };
        check(&file).into_iter().map(|b| b.text).collect()
    }

    #[test]
    fn an_edge_outside_the_table_is_caught() {
        assert!(texts("runs", "[dependencies]\nstore.workspace = true").is_empty());
        assert_eq!(texts("api", "[dependencies]\nstore.workspace = true"), ["api may not use store"]);
        assert_eq!(
            texts("onnx", "[build-dependencies]\ndomain.workspace = true"),
            ["onnx may not use domain"]
        );
        assert_eq!(
            texts("web", "[target.x.dependencies]\nstore.workspace = true"),
            ["web may not use store"]
        );
        assert!(
            texts("cellar", "[dependencies]\nstore.workspace = true")[0]
                .contains("no line of the dependency table")
        );
    }

    #[test]
    fn testkit_is_for_tests_only() {
        assert!(
            texts("runs", "[dev-dependencies]\ntestkit.workspace = true\napi.workspace = true").is_empty()
        );
        assert_eq!(
            texts("portcullis", "[dependencies]\ntestkit.workspace = true"),
            ["portcullis may not use testkit"]
        );
    }

    #[test]
    fn crates_of_others_stay_at_home() {
        let caught = |name, dependency: &str| {
            texts(name, &format!("[dependencies]\n{dependency}.workspace = true")).len()
        };
        assert_eq!(
            [caught("endpoint", "axum"), caught("runs", "sqlx"), caught("data", "datafusion-expr")],
            [1, 1, 1]
        );
        assert_eq!(
            [caught("api", "axum"), caught("store", "apalis-sqlite"), caught("outbound", "reqwest")],
            [0, 0, 0]
        );
    }

    #[test]
    fn a_version_in_a_member_is_caught() {
        assert_eq!(texts("onnx", "[dependencies]\nprost = \"0.14\"").len(), 1);
        assert_eq!(texts("onnx", "[dev-dependencies]\nprost = { version = \"0.14\" }").len(), 1);
        assert!(
            texts("onnx", "[dependencies]\nprost = { workspace = true, features = [\"std\"] }").is_empty()
        );
    }
}
