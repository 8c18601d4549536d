//! `model report`: everything known of a version as one HTML page.

use crate::cli::data::reference;
use crate::client::segment;
use crate::session::Session;
use crate::show::{number, size, time};
use automl::{Plot, escape};
use domain::{Fault, Job, ModelVersion};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Columns whose importance is listed at most: the first are the most important.
const COLUMNS: usize = 100;

/// Writes the page of a version: lineage, signature, metrics, importance, plots, an example request.
pub async fn report(session: &Session, model: &str, out: Option<PathBuf>) -> Result<(), Fault> {
    let (name, version) = reference(model);
    let route = format!("/api/v1/models/{name}/versions/{version}");
    let found: ModelVersion = session.client.get(&route).await?;
    let lineage: Value = session.client.get(&format!("{route}/lineage")).await?;
    let run = match &found.run {
        Some(run) => Some(session.client.get::<Job>(&format!("/api/v1/jobs/{run}")).await?),
        None => None,
    };
    let plots = match &run {
        Some(job) if job.result["files"]["plots.json"].is_object() => {
            let route = format!("/api/v1/jobs/{}/files/{}", job.id, segment("plots.json"));
            serde_json::from_slice(&session.client.bytes(&route).await?)
                .map_err(|e| Fault::internal(format!("the plots of run {}: {e}", job.id)))?
        }
        _ => Vec::new(),
    };
    let page = Page { version: &found, run: run.as_ref(), lineage: &lineage, plots: &plots }.write();
    let out =
        out.unwrap_or_else(|| PathBuf::from(format!("{}-{}.html", found.model.segment(), found.version)));
    crate::files::write(&out, page.as_bytes())?;
    session.out.value(&json!({ "file": out, "bytes": page.len() }), |_| {
        format!("wrote {} ({})", out.display(), size(page.len() as u64))
    });
    Ok(())
}

/// What the page is made of.
struct Page<'a> {
    version: &'a ModelVersion,
    run: Option<&'a Job>,
    lineage: &'a Value,
    plots: &'a [Plot],
}

impl Page<'_> {
    fn write(&self) -> String {
        let v = self.version;
        let title = format!("{}:{}", v.model, v.version);
        let mut body = format!(
            "<h1>{}</h1><p class=\"dim\">{} · {} · registered {} · sha256 {}</p><p>{}</p>",
            escape(&title),
            escape(&v.signature.output.name),
            size(v.bytes),
            time(v.created),
            v.digest.hex(),
            escape(&v.description),
        );
        body += &section("Lineage", &["", ""], self.came());
        body += &section(
            "Metrics",
            &["metric", "value"],
            v.metrics.iter().map(|(k, v)| vec![k.clone(), number(*v)]),
        );
        body += &section(
            "Inputs",
            &["column", "type", "", "example", "seen"],
            v.signature.inputs.iter().map(|f| {
                let need = if f.required { "required" } else { "optional" };
                let seen: Vec<&str> = f.categories.iter().take(12).map(String::as_str).collect();
                vec![
                    f.name.clone(),
                    f.kind.to_string(),
                    need.to_owned(),
                    f.example.to_string(),
                    seen.join(", "),
                ]
            }),
        );
        let columns = self.run.and_then(|job| job.result["importance"].as_array());
        body += &section(
            "Importance of the columns: what the metric loses when one is shuffled",
            &["column", "mean", "from (95 %)", "to"],
            columns.into_iter().flatten().take(COLUMNS).map(|c| {
                let text = |name: &str| c[name].as_f64().map(number).unwrap_or_default();
                vec![
                    c["column"].as_str().unwrap_or_default().to_owned(),
                    text("mean"),
                    text("low"),
                    text("high"),
                ]
            }),
        );
        self.ending(&mut body);
        automl::page(&title, &body)
    }

    /// The example request and the plots.
    fn ending(&self, body: &mut String) {
        *body += "<h2>Example request</h2><p>POST to the endpoint's <code>/score</code>; with <code>?explain=true</code> each prediction comes with what every column added.</p>";
        let _ = write!(body, "<pre>{}</pre>", escape(&self.example()));
        if !self.plots.is_empty() {
            *body += "<h2>Plots</h2><div class=\"plots\">";
            for plot in self.plots {
                let _ = write!(
                    body,
                    "<figure>{}<figcaption class=\"dim\">{}</figcaption></figure>",
                    automl::svg(plot),
                    escape(&plot.description)
                );
            }
            *body += "</div>";
        }
    }

    /// Where the version comes from and where it runs.
    fn came(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
        if let Some(from) = &self.version.lineage {
            row("data", format!("{}:{} (sha256 {})", from.data, from.data_version, from.data_digest.hex()));
        }
        if let Some(job) = self.run {
            row("run", job.id.to_string());
            row("specification", job.spec.to_string());
            row("work", job.result["work"].to_string());
            row("made by", job.result["made_by"].to_string());
        }
        for deployment in self.lineage["deployments"].as_array().into_iter().flatten() {
            row(
                "deployment",
                format!("{}/{}", text(&deployment["endpoint"]), text(&deployment["deployment"])),
            );
        }
        rows
    }

    /// A body with one row.
    fn example(&self) -> String {
        let inputs = self.version.signature.inputs.iter();
        let row: Map<String, Value> = inputs.map(|f| (f.name.clone(), json!(f.example))).collect();
        serde_json::to_string_pretty(&json!({ "data": [row] })).unwrap_or_default()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A heading with a table; nothing when there is no row.
fn section(title: &str, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut rows = rows.into_iter().peekable();
    if rows.peek().is_none() {
        return String::new();
    }
    let mut out = format!("<h2>{}</h2><div class=\"wide\"><table><tr>", escape(title));
    head.iter().for_each(|h| _ = write!(out, "<th>{}</th>", escape(h)));
    out += "</tr>";
    for row in rows {
        out += "<tr>";
        row.iter().for_each(|cell| _ = write!(out, "<td>{}</td>", escape(cell)));
        out += "</tr>";
    }
    out += "</table></div>";
    out
}
