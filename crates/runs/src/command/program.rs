//! The launcher's order for a job: command line, variables, limits, what it may reach.

use super::ask::SubmitCommand;
use super::door::Passage;
use super::folder::{Places, Values, shown};
use super::interpreter::{programs, read_by};
use crate::config::Config;
use crate::error::{Error, Result};
use definitions::{Expression, resolve};
use domain::{Fault, Job};
use environments::Ready;
use environments::launcher::{Budget, Files, Limits, Network, Order, Relay};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What every program finds.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Variables of the server that say nothing of it.
const INHERITED: [&str; 4] = ["LANG", "LC_ALL", "LC_CTYPE", "TZ"];

/// What an order is made from.
pub struct Made<'a> {
    pub job: &'a Job,
    pub ask: &'a SubmitCommand,
    pub places: &'a Places,
    pub values: &'a Values,
    pub ready: &'a Ready,
    pub passage: &'a Passage,
}

impl Made<'_> {
    /// The order. Blocking.
    pub fn order(&self, config: &Config) -> Result<Order> {
        let command = self.resolved(&self.ask.command, quoted)?;
        let mut read = self.places.readable();
        read.extend(self.values.read.iter().cloned());
        read.extend(read_by(&self.ready.python)?);
        read.push(self.ready.python_path.clone());
        read.extend(config.command.read_paths.iter().cloned());
        read.extend(self.passage.certificate.clone());
        let write = self.places.writable();
        let budgets = vec![Budget { folders: write.clone(), bytes: config.command.folder_bytes }];
        let network = if config.command.network {
            Network::Open
        } else {
            Network::Relayed(vec![Relay {
                port: self.passage.address.port(),
                to: reached(self.passage.address),
            }])
        };
        Ok(Order {
            argv: vec!["/bin/sh".to_owned(), "-c".to_owned(), command],
            cwd: self.places.work(),
            env: self.variables(config)?,
            limits: self.limits(config),
            files: Some(Files { read, budgets, write, ..Files::default() }),
            network,
            grace: config.cancel_grace,
            report: Some(self.places.report()),
        })
    }

    fn limits(&self, config: &Config) -> Limits {
        let least = |a: u64, b: u64| if a == 0 || (b > 0 && b < a) { b } else { a };
        Limits {
            memory_bytes: least(config.memory_bytes, self.ask.memory_bytes.unwrap_or(0)),
            address_space_bytes: 0,
            cpu_seconds: config.command.cpu_seconds,
            file_bytes: config.file_bytes,
            open_files: config.command.open_files,
            processes: config.command.processes,
            nice: config.nice,
        }
    }

    /// The whole environment: the user's own variables come last and win, but for the way into the server.
    fn variables(&self, config: &Config) -> Result<BTreeMap<String, String>> {
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        let mut set = |name: &str, value: String| _ = all.insert(name.to_owned(), value);
        for name in INHERITED {
            if let Ok(value) = std::env::var(name) {
                set(name, value);
            }
        }
        let programs = programs(&self.ready.python, &self.places.programs())?;
        let first: Vec<String> = programs.iter().map(|folder| shown(folder)).collect();
        set("PATH", format!("{}:{PATH}", first.join(":")));
        let temporary = shown(&self.places.temporary());
        set("HOME", temporary.clone());
        set("TMPDIR", temporary);
        set("PYTHONPATH", shown(&self.ready.python_path));
        set("PYTHONUNBUFFERED", "1".to_owned());
        set("PYTHONDONTWRITEBYTECODE", "1".to_owned());
        set("OMP_NUM_THREADS", threads(config).to_string());
        for (name, value) in &self.values.inputs {
            set(&format!("AZURE_ML_INPUT_{name}"), value.clone());
            set(&format!("AZUREML_DATAREFERENCE_{name}"), value.clone());
            if let Some(variable) = self.ask.inputs.get(name).and_then(|input| input.variable.as_ref()) {
                set(variable, value.clone());
            }
        }
        for (name, value) in &self.values.outputs {
            set(&format!("AZURE_ML_OUTPUT_{name}"), value.clone());
        }
        for (name, value) in &self.ask.environment_variables {
            set(name, self.resolved(value, str::to_owned)?);
        }
        self.tracking(config, &mut set);
        Ok(all)
    }

    fn tracking(&self, config: &Config, set: &mut impl FnMut(&str, String)) {
        let Passage { scheme, address, certificate, token } = self.passage;
        let host = if config.command.network { reached(*address).ip() } else { Ipv4Addr::LOCALHOST.into() };
        let url = format!("{scheme}://{}", SocketAddr::new(host, address.port()));
        set("MLFLOW_TRACKING_URI", url.clone());
        set("MLFLOW_REGISTRY_URI", url.clone());
        set("MLFLOW_TRACKING_TOKEN", token.clone());
        set("MLFLOW_RUN_ID", self.job.id.to_string());
        set("MLFLOW_EXPERIMENT_NAME", self.job.experiment.to_string());
        if let Some(file) = certificate {
            set("MLFLOW_TRACKING_SERVER_CERT_PATH", shown(file));
        }
        set("AZUREML_RUN_ID", self.job.id.to_string());
        set("AZUREML_EXPERIMENT_NAME", self.job.experiment.to_string());
        set("AZUREML_ARM_PROJECT_NAME", self.job.experiment.to_string());
        set("AZUREML_ARM_WORKSPACE_NAME", "portcullis".to_owned());
        set("AZUREML_ARM_SUBSCRIPTION", "00000000-0000-0000-0000-000000000000".to_owned());
        set("AZUREML_ARM_RESOURCEGROUP", "portcullis".to_owned());
        set("AZUREML_RUN_TOKEN", token.clone());
        set("AZUREML_SERVICE_ENDPOINT", url);
    }

    fn resolved(&self, text: &str, path: impl Fn(&str) -> String) -> Result<String> {
        let lost = |name: &str| Fault::invalid(format!("'{name}' is no input or output of this job"));
        resolve(text, |expression| match expression {
            Expression::Input(name) => {
                let value = self.values.inputs.get(name).ok_or_else(|| lost(name))?;
                let literal = matches!(
                    self.ask.inputs.get(name).map(|input| &input.from),
                    Some(super::ask::InputSource::Value(_))
                );
                Ok(if literal { value.clone() } else { path(value) })
            }
            Expression::Output(name) => Ok(path(self.values.outputs.get(name).ok_or_else(|| lost(name))?)),
            Expression::Name => Ok(self.job.id.to_string()),
            other => Err(Fault::invalid(format!("{other:?} has no meaning in a command job"))),
        })
        .map_err(|fault| Error::Submission(fault.message))
    }
}

fn threads(config: &Config) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if config.threads > 0 { config.threads } else { cores }
}

/// A server that listens everywhere is reached on the loopback.
fn reached(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if ip.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
        _ => address,
    }
}

/// A path as the shell reads it as one word.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+@:,%".contains(c);
    if path.chars().all(plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_the_shell() {
        assert_eq!(quoted("/data/a.csv"), "/data/a.csv");
        assert_eq!(quoted("/my data/it's"), r"'/my data/it'\''s'");
    }
}
