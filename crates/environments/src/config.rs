//! Section `environments` of the settings.

use domain::{Name, Span};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How environments are made.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The interpreter of jobs and deployments that ask for none; found on `PATH` when empty.
    pub python: String,
    /// Interpreters and virtual environments that definitions may name, as `research=PATH`.
    pub interpreters: Vec<String>,
    /// `uv` itself; found on `PATH` or installed when empty.
    pub uv: String,
    /// The index packages come from; the installer's own when empty.
    pub index: String,
    /// Where downloaded packages are kept; in the data directory when empty.
    pub cache: String,
    /// Time of one step of making an environment.
    pub build_timeout: Span,
    /// Requirements of an environment at most.
    pub max_requirements: usize,
}

impl Config {
    /// The named interpreters.
    pub(crate) fn named(&self) -> Result<BTreeMap<Name, PathBuf>, domain::Fault> {
        let pairs = self.interpreters.iter().map(|pair| {
            let wrong =
                || domain::Fault::invalid(format!("environments.interpreters: '{pair}': write NAME=PATH"));
            let (name, path) = pair.split_once('=').ok_or_else(wrong)?;
            let path = PathBuf::from(path);
            if !path.is_absolute() {
                return Err(domain::Fault::invalid(format!(
                    "environments.interpreters: '{pair}': the path begins with /"
                )));
            }
            Ok((Name::new(name)?, path))
        });
        pairs.collect()
    }
}
