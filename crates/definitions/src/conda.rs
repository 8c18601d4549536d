//! Conda environment files.

use crate::error::{Place, Result, Wrong};
use crate::fields::{Field, Value, quiet, shown, used};
use crate::kinds::Kind;
use crate::read::Definition;
use crate::requirements::{Requirement, line_of, normal};
use serde::{Deserialize, Serialize};

/// Dependencies of a file at most.
const MOST: usize = 2_000;

/// A conda environment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Conda {
    /// Its name.
    pub name: Option<String>,
    /// Where conda would look; recorded, not asked.
    pub channels: Vec<String>,
    /// The interpreter's version as written behind `python`, without operator when it is one equals sign: `3.7.9`, `>=3.8`.
    pub python: Option<String>,
    /// Packages besides python and pip.
    pub packages: Vec<CondaPackage>,
    /// The pip part.
    pub pip: Vec<Requirement>,
}

/// A package of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CondaPackage {
    /// The name, lower case.
    pub name: String,
    /// The version in conda's words: `1.2`, `1.2.*`, `>=1,<2`; nothing for any.
    pub version: Option<String>,
    /// Where it stands.
    pub place: Place,
}

const CONDA: &[Field] = &[
    used("name"),
    used("channels"),
    used("dependencies"),
    quiet("prefix"),
    quiet("platforms"),
    quiet("variables"),
];
const PIP: &[Field] = &[used("pip")];

impl Definition for Conda {
    const KINDS: &'static [Kind] = &[Kind::Conda];

    fn from_root(value: &Value<'_>) -> Result<Self> {
        let fields = value.open("a conda environment file", CONDA)?;
        let mut conda = Self {
            name: fields.opt("name", Value::label)?,
            channels: fields.or_default("channels", Value::texts)?,
            ..Self::default()
        };
        let Some(dependencies) = fields.get("dependencies") else { return Ok(conda) };
        let items = dependencies.list()?;
        if items.len() > MOST {
            return Err(dependencies.wrong(format!("there are more than {MOST} dependencies")));
        }
        for item in items.iter().filter(|item| !item.is_null()) {
            if item.is_map() {
                let pip = item.open("a mapping among dependencies", PIP)?;
                pip.opt("pip", |v| read_pip(v, &mut conda.pip))?;
                continue;
            }
            let package = package(item)?;
            match package.name.as_str() {
                "python" => conda.python = package.version,
                "pip" => {}
                _ => conda.packages.push(package),
            }
        }
        Ok(conda)
    }
}

fn read_pip(value: &Value<'_>, into: &mut Vec<Requirement>) -> Result<()> {
    let items = value.list()?;
    if items.len() > MOST {
        return Err(value.wrong(format!("there are more than {MOST} requirements")));
    }
    for item in items.iter().filter(|item| !item.is_null()) {
        let text = item.text()?;
        let read = line_of(&text, item.place()).map_err(|wrong: Wrong| item.wrong(wrong.said))?;
        into.extend(read);
    }
    Ok(())
}

/// `name`, `name=1.2`, `name=1.2=build`, `name>=1`, `channel::name`, `name 1.2`.
fn package(value: &Value<'_>) -> Result<CondaPackage> {
    let text = value.text()?;
    let wrong =
        || value.wrong(format!("'{}' is no dependency: write NAME, NAME=VERSION or 'pip:'", shown(&text)));
    let spec = text.rsplit("::").next().unwrap_or_default().trim();
    let end = spec
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .unwrap_or(spec.len());
    let (name, rest) = spec.split_at(end);
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') || name.len() > 200 {
        return Err(wrong());
    }
    let rest = rest.trim();
    // Behind one equals sign comes the version, behind a second one the build, which no index has.
    let version = match rest.strip_prefix("==").or_else(|| rest.strip_prefix('=')) {
        Some(exact) => exact.split('=').next().unwrap_or_default().trim(),
        None if rest.starts_with('[') => return Err(wrong()),
        None => rest,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || ".*<>=!~,|+_- ".contains(c);
    if !version.chars().all(plain) || version.len() > 200 || (version.is_empty() && !rest.is_empty()) {
        return Err(wrong());
    }
    let version = version.replace(' ', "");
    let name = if name.starts_with('_') { name.to_ascii_lowercase() } else { normal(name) };
    Ok(CondaPackage { name, version: (!version.is_empty()).then_some(version), place: value.place() })
}
