//! Where an asset is: a registered name, a path of the user's machine, a URL, an output of a job.

use crate::error::Result;
use crate::fields::Value;
use domain::{Fault, Name};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A reference as it stands in `path`, `model`, `environment`, `training_data` …
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Reference {
    /// `azureml:NAME:VERSION`, `azureml:NAME@latest`: registered in this workspace.
    Registered {
        /// The asset's name.
        name: Name,
        /// Its version or label; the newest when absent.
        version: Selector,
    },
    /// `azureml://registries/R/…`: registered elsewhere, with the name it has there.
    Registry {
        /// The registry's name.
        registry: String,
        /// The asset's name.
        name: String,
        /// Its version or label.
        version: Selector,
    },
    /// `azureml://datastores/D/paths/P`
    Datastore {
        /// The datastore's name.
        datastore: String,
        /// The path in it.
        path: String,
    },
    /// `azureml://jobs/J/outputs/O/paths/P` or `runs:/RUN/P`.
    Output {
        /// The job's (run's) id.
        job: String,
        /// The output; `artifacts` is what the run logged.
        output: String,
        /// The path in it, empty for the whole.
        path: String,
    },
    /// An http or https URL.
    Url(String),
    /// A file or folder of whoever wrote the file, relative to it.
    Local(String),
}

/// Which version is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selector {
    /// The newest.
    Latest,
    /// A version, as it is called there.
    Version(String),
    /// A label or alias other than `latest`.
    Label(String),
}

impl Selector {
    fn label(text: &str) -> Self {
        if text.eq_ignore_ascii_case("latest") { Self::Latest } else { Self::Label(text.to_owned()) }
    }
}

const CLOUD: &[&str] = &["wasbs://", "wasb://", "abfss://", "abfs://", "adl://", "s3://", "gs://", "hdfs://"];

impl FromStr for Reference {
    type Err = Fault;

    fn from_str(text: &str) -> std::result::Result<Self, Fault> {
        let text = text.trim();
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(Fault::invalid("a path is empty or has control characters"));
        }
        if let Some(rest) = text.strip_prefix("azureml://") {
            return azureml(text, rest);
        }
        if let Some(rest) = text.strip_prefix("azureml:") {
            return registered(text, rest);
        }
        if let Some(rest) = text.strip_prefix("runs:/") {
            let (job, path) = rest.trim_start_matches('/').split_once('/').unwrap_or((rest, ""));
            return Ok(Self::Output {
                job: job.to_owned(),
                output: "artifacts".to_owned(),
                path: path.to_owned(),
            });
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(Self::Url(text.to_owned()));
        }
        if let Some(url) = blob(text) {
            return Ok(Self::Url(url));
        }
        if CLOUD.iter().any(|scheme| text.starts_with(scheme)) {
            let scheme = text.split("://").next().unwrap_or_default();
            return Err(Fault::invalid(format!(
                "paths of {scheme}:// are not read: download it and give the local path, or an https URL"
            )));
        }
        let local = text.strip_prefix("file://").or_else(|| text.strip_prefix("file:")).unwrap_or(text);
        if local.is_empty() {
            return Err(Fault::invalid("a path is empty"));
        }
        Ok(Self::Local(local.to_owned()))
    }
}

/// `wasbs://CONTAINER@ACCOUNT.blob.core.windows.net/PATH` as the https URL of the same blob.
fn blob(text: &str) -> Option<String> {
    let (container, rest) = text.strip_prefix("wasbs://")?.split_once('@')?;
    let (host, path) = rest.split_once('/')?;
    let account = host.strip_suffix(".blob.core.windows.net")?;
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'$')
    };
    (plain(account) && plain(container) && !path.is_empty())
        .then(|| format!("https://{host}/{container}/{path}"))
}

fn registered(text: &str, rest: &str) -> std::result::Result<Reference, Fault> {
    let (name, version) = match (rest.split_once('@'), rest.split_once(':')) {
        (Some((name, label)), _) => (name, Selector::label(label)),
        (None, Some((name, version))) => (name, Selector::Version(version.to_owned())),
        (None, None) => (rest, Selector::Latest),
    };
    let empty = matches!(&version, Selector::Version(text) | Selector::Label(text) if text.is_empty());
    if empty {
        return Err(Fault::invalid(format!(
            "'{}' names no version: write azureml:NAME:VERSION or azureml:NAME@latest",
            crate::fields::shown(text)
        )));
    }
    Ok(Reference::Registered { name: Name::new(name)?, version })
}

fn azureml(text: &str, rest: &str) -> std::result::Result<Reference, Fault> {
    // Why workspaces are skipped: the long form names the one workspace there is.
    let rest = rest.find("/datastores/").map_or(rest, |at| &rest[at + 1..]);
    let parts: Vec<&str> = rest.split('/').collect();
    match parts.as_slice() {
        ["registries", registry, _, name, "versions", version] => Ok(Reference::Registry {
            registry: (*registry).to_owned(),
            name: (*name).to_owned(),
            version: Selector::Version((*version).to_owned()),
        }),
        ["registries", registry, _, name, "labels", label] => Ok(Reference::Registry {
            registry: (*registry).to_owned(),
            name: (*name).to_owned(),
            version: Selector::label(label),
        }),
        ["datastores", datastore, "paths", path @ ..] => {
            Ok(Reference::Datastore { datastore: (*datastore).to_owned(), path: path.join("/") })
        }
        ["jobs", job, "outputs", output, "paths", path @ ..] => Ok(Reference::Output {
            job: (*job).to_owned(),
            output: (*output).to_owned(),
            path: path.join("/"),
        }),
        ["jobs", job, "outputs", output] => Ok(Reference::Output {
            job: (*job).to_owned(),
            output: (*output).to_owned(),
            path: String::new(),
        }),
        _ => Err(Fault::invalid(format!(
            "'{}' is no address that is known: write azureml:NAME:VERSION, azureml://datastores/D/paths/P or \
             azureml://jobs/J/outputs/O/paths/P",
            crate::fields::shown(text)
        ))),
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered { name, version } => match version {
                Selector::Latest => write!(f, "azureml:{name}@latest"),
                Selector::Version(version) => write!(f, "azureml:{name}:{version}"),
                Selector::Label(label) => write!(f, "azureml:{name}@{label}"),
            },
            Self::Registry { registry, name, version } => match version {
                Selector::Latest => write!(f, "azureml://registries/{registry}/assets/{name}/labels/latest"),
                Selector::Version(v) => {
                    write!(f, "azureml://registries/{registry}/assets/{name}/versions/{v}")
                }
                Selector::Label(l) => write!(f, "azureml://registries/{registry}/assets/{name}/labels/{l}"),
            },
            Self::Datastore { datastore, path } => write!(f, "azureml://datastores/{datastore}/paths/{path}"),
            Self::Output { job, output, path } if path.is_empty() => {
                write!(f, "azureml://jobs/{job}/outputs/{output}")
            }
            Self::Output { job, output, path } => {
                write!(f, "azureml://jobs/{job}/outputs/{output}/paths/{path}")
            }
            Self::Url(url) => f.write_str(url),
            // Why the prefix: a local path may begin like one of the others.
            Self::Local(path) => write!(f, "file:{path}"),
        }
    }
}

impl TryFrom<String> for Reference {
    type Error = Fault;
    fn try_from(text: String) -> std::result::Result<Self, Fault> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

/// Reads a reference.
pub(crate) fn reference(value: &Value<'_>) -> Result<Reference> {
    value.text()?.parse().map_err(|fault: Fault| value.wrong(fault.message))
}

/// Reads a path of the user's machine.
pub(crate) fn local(value: &Value<'_>) -> Result<String> {
    match reference(value)? {
        Reference::Local(path) => Ok(path),
        other => Err(value.wrong(format!("'{other}' is no path of a file or folder beside this one"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_read_over_https() {
        let url = "wasbs://samples@acme.blob.core.windows.net/flowers/iris.csv".parse::<Reference>().unwrap();
        assert_eq!(
            url,
            Reference::Url("https://acme.blob.core.windows.net/samples/flowers/iris.csv".to_owned())
        );
        for other in ["wasbs://c@a/p", "wasbs://c@a.example/p", "wasbs://a.blob.core.windows.net/c/p"] {
            assert!(other.parse::<Reference>().is_err(), "{other}");
        }
    }

    #[test]
    fn references_are_told_apart_and_survive_their_text() {
        let cases = [
            "azureml:credit:3",
            "azureml:credit@latest",
            "azureml:credit@champion",
            "azureml://datastores/workspaceblobstore/paths/a/b.csv",
            "azureml://jobs/j1/outputs/artifacts/paths/model",
            "azureml://registries/azureml/assets/sklearn-1.5/labels/latest",
            "https://example.com/a.csv?x=1",
            "file:./data",
            "file:azureml.csv",
        ];
        for text in cases {
            let read: Reference = text.parse().unwrap();
            assert_eq!(read.to_string(), text);
            let json = serde_json::to_string(&read).unwrap();
            assert_eq!(serde_json::from_str::<Reference>(&json).unwrap(), read);
        }
        let long = "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/d/paths/p/q.csv";
        assert_eq!(
            long.parse::<Reference>().unwrap(),
            Reference::Datastore { datastore: "d".to_owned(), path: "p/q.csv".to_owned() }
        );
        assert!(matches!("runs:/abc/model".parse().unwrap(), Reference::Output { .. }));
        for bad in
            ["", "azureml:", "azureml:x:", "azureml:a b", "azureml://nonsense", "wasbs://c@a/p", "file:"]
        {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
    }
}
