//! What an MLflow client names as the source of a model version.

use crate::artifacts::Place;
use crate::error::{Error, Result};
use crate::paths;
use domain::{ModelName, is_model_id};
use percent_encoding::percent_decode_str;

/// The scheme of our artifacts.
pub const ARTIFACTS: &str = "mlflow-artifacts:/";
/// How often a text is decoded at most to look what it could mean.
const DECODED_MAX: usize = 16;
/// A source is shown up to so many characters in an error.
const SHOWN: usize = 300;

/// A source that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `models:/m-…`: a logged model.
    Logged(String),
    /// `models:/NAME/VERSION` or `models:/NAME@ALIAS`: another version.
    Version(ModelName, String),
    /// `runs:/RUN/PATH`.
    Run(String, String),
    /// `mlflow-artifacts:/PATH`.
    Artifacts(String),
    /// Elsewhere; nothing of it is here.
    Remote,
}

/// What the client writes as the source of a prompt.
const PROMPT: &str = "prompt-template";
/// The tag that marks one.
const IS_PROMPT: &str = "mlflow.prompt.is_prompt";

impl Source {
    /// The same for a version with tags: a prompt of MLflow's client has no files, and its source is only a word.
    pub fn of(text: &str, tags: &domain::Tags) -> Result<Self> {
        if text == PROMPT && tags.get(IS_PROMPT).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(Self::Remote);
        }
        Self::read(text)
    }

    /// Reads a source. With `run` or `model` the caller names where it lies; neither helps a path of this machine.
    pub fn read(text: &str) -> Result<Self> {
        let Some((scheme, rest)) = text.split_once(':') else { return Err(local(text)) };
        match scheme.to_ascii_lowercase().as_str() {
            "models" => models(text, rest),
            "runs" => {
                let path = within(text, rest)?;
                let (run, path) = path.split_once('/').ok_or_else(|| relative(text))?;
                Ok(Self::Run(run.to_owned(), path.to_owned()))
            }
            "mlflow-artifacts" => {
                let path = within(text, rest)?;
                Ok(match Place::of(&path) {
                    Place::Version(name, version, inner) if inner.is_empty() => {
                        Self::Version(name, version.to_string())
                    }
                    _ => Self::Artifacts(path),
                })
            }
            // One letter is a drive.
            "file" | "" => Err(local(text)),
            scheme if scheme.len() == 1 || !scheme.bytes().all(is_scheme) => Err(local(text)),
            _ => {
                normalised(text, rest)?;
                Ok(Self::Remote)
            }
        }
    }
}

fn is_scheme(c: u8) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.')
}

fn models(text: &str, rest: &str) -> Result<Source> {
    let path = within(text, rest)?;
    if is_model_id(&path) {
        return Ok(Source::Logged(path));
    }
    let named = path.split_once('/').or_else(|| path.rsplit_once('@'));
    let (name, version) =
        named.filter(|(_, v)| !v.is_empty() && !v.contains('/')).ok_or_else(|| relative(text))?;
    Ok(Source::Version(ModelName::new(name).map_err(|_| relative(text))?, version.to_owned()))
}

/// The path of a URI of ours: one slash, or three for an empty authority, then plain parts.
fn within(text: &str, rest: &str) -> Result<String> {
    normalised(text, rest)?;
    let path = rest.strip_prefix("///").or_else(|| rest.strip_prefix('/')).ok_or_else(|| relative(text))?;
    paths::check(path).map_err(|_| relative(text))
}

/// Refuses relative parts, queries and fragments, however they are encoded.
fn normalised(text: &str, rest: &str) -> Result<()> {
    let mut now = rest.to_owned();
    for _ in 0..DECODED_MAX {
        let odd = now.chars().any(|c| c.is_control() || c == '\\');
        if odd || now.split(['/', '?', '#']).any(|part| part == ".." || part == ".") {
            return Err(relative(text));
        }
        let Ok(decoded) = percent_decode_str(&now).decode_utf8() else { return Err(relative(text)) };
        if decoded == now {
            return if now.contains(['?', '#']) { Err(relative(text)) } else { Ok(()) };
        }
        now = decoded.into_owned();
    }
    Err(relative(text))
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

fn relative(text: &str) -> Error {
    Error::Source(format!(
        "Invalid model version source: '{}'. If supplying a source as an http, https, local file path, ftp, objectstore, or \
         mlflow-artifacts uri, an absolute path must be provided without relative path references present. Please provide an \
         absolute path.",
        shown(text)
    ))
}

fn local(text: &str) -> Error {
    Error::Source(format!(
        "Invalid model version source: '{}'. To use a local path as a model version source, the run_id request parameter has to be \
         specified and the local path has to be contained within the artifact directory of the run specified by the run_id.",
        shown(text)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read() {
        let id = "m-0123456789abcdef0123456789abcdef";
        assert_eq!(Source::read(&format!("models:/{id}")).unwrap(), Source::Logged(id.to_owned()));
        let credit = ModelName::new("credit model").unwrap();
        for (text, version) in [("models:/credit model/3", "3"), ("models:/credit model@best", "best")] {
            assert_eq!(
                Source::read(text).unwrap(),
                Source::Version(credit.clone(), version.to_owned()),
                "{text}"
            );
        }
        assert_eq!(
            Source::read("runs:/abc/model/sub").unwrap(),
            Source::Run("abc".into(), "model/sub".into())
        );
        let artifacts = Source::Artifacts("1/abc/artifacts/model".to_owned());
        for text in ["mlflow-artifacts:/1/abc/artifacts/model", "mlflow-artifacts:///1/abc/artifacts/model/"]
        {
            assert_eq!(Source::read(text).unwrap(), artifacts, "{text}");
        }
        for text in ["s3://bucket/model", "https://host.example/models/1", "wasbs://c@a/x", "dbfs:/models"] {
            assert_eq!(Source::read(text).unwrap(), Source::Remote, "{text}");
        }
    }

    #[test]
    fn paths_of_this_machine_and_ways_out_are_refused() {
        for text in ["/etc/passwd", "file:///etc", "file:/etc", "C:/models", "./model", "", "../x", ":x"] {
            let told = Source::read(text).unwrap_err().to_string();
            assert!(told.contains("To use a local path as a model version source"), "{text}: {told}");
        }
        for text in [
            "mlflow-artifacts:/../x",
            "mlflow-artifacts:/1/%2e%2e/x",
            "mlflow-artifacts:/1/..%2f..%2fx",
            "mlflow-artifacts:/1/%252e%252e/x",
            "mlflow-artifacts://host/1/x",
            "mlflow-artifacts:/1/x?a=../b",
            "mlflow-artifacts:/1/x#a",
            "mlflow-artifacts:/1/x%00",
            "mlflow-artifacts:x",
            "runs:/abc",
            "runs:/abc/../x",
            "models:/",
            "models:/a/b/c",
            "models:/a",
            "models:/a/",
            "s3://b/../c",
            "s3://b/%2e%2e/c",
            "http://h/x?../y",
            "http://h/x#f",
            "http://h/..\\x",
        ] {
            let told = Source::read(text).unwrap_err().to_string();
            assert!(told.contains("without relative path references"), "{text}: {told}");
        }
    }
}
