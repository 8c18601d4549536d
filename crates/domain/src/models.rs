//! Registered models, their versions, and logged models.

use crate::clock::Timestamp;
use crate::error::Fault;
use crate::ids::{Digest, Name, RunId, Version};
use crate::jobs::{Lineage, Metrics};
use crate::schema::Signature;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The longest a [`ModelName`] may be, in bytes.
pub const MODEL_NAME_MAX: usize = 256;

/// The name of a registered model: what a [`Name`] may be, and besides any text without `/`, `\`, `:`, `%` and control characters that is
/// neither `.` nor `..`; at most [`MODEL_NAME_MAX`] bytes, no space at its ends.
///
/// It is one segment of a URL once it is percent-encoded, and never a path of more than one part. As a folder of its own it is written
/// as [`ModelName::segment`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
pub struct ModelName(String);

impl ModelName {
    /// Checks and wraps a name.
    pub fn new(text: impl Into<String>) -> Result<Self, Fault> {
        let text = text.into();
        if is_model_name(&text) {
            return Ok(Self(text));
        }
        let shown: String = text.chars().filter(|c| !hidden(*c)).take(60).collect();
        Err(Fault::invalid(format!(
            "'{shown}' is not a model's name: write text without '/', '\\', ':', '%' and control characters, no space at its \
             ends, at most {MODEL_NAME_MAX} bytes"
        )))
    }

    /// The text of the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as one segment of plain characters: itself when it is a [`Name`], else `~` and the hexadecimal digits of its bytes.
    pub fn segment(&self) -> String {
        if Name::new(self.0.as_str()).is_ok() {
            return self.0.clone();
        }
        self.0.bytes().fold(String::from("~"), |mut text, byte| {
            text.push_str(&format!("{byte:02x}"));
            text
        })
    }

    /// Reads what [`ModelName::segment`] wrote.
    pub fn from_segment(text: &str) -> Option<Self> {
        let Some(digits) = text.strip_prefix('~') else {
            return Name::new(text).ok().map(Self::from);
        };
        if !digits.len().is_multiple_of(2) || !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
            return None;
        }
        let pairs = (0..digits.len()).step_by(2);
        let bytes: Option<Vec<u8>> =
            pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect();
        let name = Self::new(String::from_utf8(bytes?).ok()?).ok()?;
        // One text a name: what is a plain name is written plainly.
        (name.segment() == text).then_some(name)
    }
}

fn is_model_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MODEL_NAME_MAX
        && text != "."
        && text != ".."
        && text.trim() == text
        && !text.chars().any(|c| matches!(c, '/' | '\\' | ':' | '%') || hidden(c))
}

/// Control characters, and those that turn the direction of the text around them.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for ModelName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ModelName {
    type Error = Fault;
    fn try_from(text: String) -> Result<Self, Fault> {
        Self::new(text)
    }
}

impl FromStr for ModelName {
    type Err = Fault;
    fn from_str(text: &str) -> Result<Self, Fault> {
        Self::new(text)
    }
}

impl From<Name> for ModelName {
    fn from(name: Name) -> Self {
        Self(name.into())
    }
}

impl From<&Name> for ModelName {
    fn from(name: &Name) -> Self {
        Self(name.as_str().to_owned())
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> Self {
        name.0
    }
}

impl PartialEq<Name> for ModelName {
    fn eq(&self, other: &Name) -> bool {
        self.0 == other.as_str()
    }
}

/// What a model version holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// One ONNX file.
    #[default]
    Onnx,
    /// A folder with an `MLmodel` file.
    Mlflow,
    /// Any other folder.
    Custom,
}

impl ModelKind {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Onnx => "onnx",
            Self::Mlflow => "mlflow",
            Self::Custom => "custom",
        }
    }
}

impl fmt::Display for ModelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a version has come, in the words of MLflow's registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Stage {
    /// Nothing said.
    #[default]
    None,
    /// Being tried.
    Staging,
    /// In use.
    Production,
    /// No longer in use.
    Archived,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::None, Self::Staging, Self::Production, Self::Archived];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Staging => "Staging",
            Self::Production => "Production",
            Self::Archived => "Archived",
        }
    }

    /// Reads the word, in any case of its letters.
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str().eq_ignore_ascii_case(text))
    }

    /// Whether it says nothing.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Tags or properties: key → value.
pub type Tags = BTreeMap<String, String>;

/// A registered model: a name over numbered versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Model {
    /// Its name.
    pub name: ModelName,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Tags.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    pub tags: Tags,
    /// Movable labels → version.
    #[serde(default)]
    pub aliases: BTreeMap<String, Version>,
    /// The newest version; none while there is no version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<Version>,
    /// When the name was first registered.
    pub created: Timestamp,
    /// When the model or one of its versions was last changed.
    #[serde(default = "epoch")]
    pub updated: Timestamp,
}

/// One immutable content of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ModelVersion {
    /// The model's name.
    pub model: ModelName,
    /// The number, from 1.
    pub version: Version,
    /// What it holds.
    #[serde(default)]
    pub kind: ModelKind,
    /// SHA-256 of the ONNX file, or of the listing of the folder.
    pub digest: Digest,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 of the ONNX file within a folder that this program runs itself; of an ONNX version its own digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<Digest>,
    /// What it takes and answers; without inputs when that is not known.
    pub signature: Signature,
    /// Metrics of the run that made it.
    #[serde(default)]
    pub metrics: Metrics,
    /// The run that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The data that run read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<Lineage>,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Tags; they may change.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    pub tags: Tags,
    /// Facts given at its registration, as `git-commit-id`; they never change.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub properties: Tags,
    /// Its stage.
    #[serde(default, skip_serializing_if = "Stage::is_none")]
    pub stage: Stage,
    /// Aliases that point at it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Where an MLflow client said it comes from: `runs:/…`, `models:/…`, `mlflow-artifacts:/…`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Where an MLflow client reads its files; empty: under the version itself.
    #[serde(skip)]
    pub location: String,
    /// A link to the run elsewhere.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run_link: String,
    /// The logged model it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
    /// When it was registered.
    pub created: Timestamp,
    /// When its description, tags, aliases or stage last changed.
    #[serde(default = "epoch")]
    pub updated: Timestamp,
}

fn epoch() -> Timestamp {
    Timestamp(0)
}

/// How far the upload of a logged model has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoggedStatus {
    /// Its files are being uploaded.
    #[serde(rename = "LOGGED_MODEL_PENDING")]
    Pending,
    /// All files are there.
    #[serde(rename = "LOGGED_MODEL_READY")]
    Ready,
    /// The upload failed.
    #[serde(rename = "LOGGED_MODEL_UPLOAD_FAILED")]
    Failed,
}

impl LoggedStatus {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Ready, Self::Failed];

    /// The word for it on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "LOGGED_MODEL_PENDING",
            Self::Ready => "LOGGED_MODEL_READY",
            Self::Failed => "LOGGED_MODEL_UPLOAD_FAILED",
        }
    }

    /// Reads the word.
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// The id of a logged model: `m-` and 32 lower-case hexadecimal digits.
pub fn is_model_id(text: &str) -> bool {
    let digits = text.strip_prefix("m-").unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
}

/// A model as a run logged it, before or without its registration.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedModel {
    /// Its id ([`is_model_id`]).
    pub id: String,
    /// The experiment's id.
    pub experiment: String,
    /// Its name; several may have the same.
    pub name: String,
    /// What it is, as the client says: `sklearn`, `agent`.
    pub kind: String,
    /// The run that logged it.
    pub run: Option<RunId>,
    /// How far it is.
    pub status: LoggedStatus,
    /// Parameters.
    pub params: Tags,
    /// Tags.
    pub tags: Tags,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

impl LoggedModel {
    /// The folder of its files below the root of artifacts.
    pub fn folder(&self) -> String {
        format!("{}/models/{}/artifacts", self.experiment, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_name_is_one_segment_whatever_it_holds() {
        for good in [
            "german-credit",
            "Crédit allemand (v2)",
            "a b",
            "模型",
            "a@b",
            "#1?",
            "~x",
            "...",
            &"é".repeat(128),
        ] {
            let name = ModelName::new(good).unwrap_or_else(|e| panic!("{good}: {e}"));
            let segment = name.segment();
            assert!(segment.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-~".contains(&c)), "{segment}");
            assert!(segment != "." && segment != "..");
            assert_eq!(ModelName::from_segment(&segment), Some(name), "{segment}");
        }
        let long = "é".repeat(129);
        for bad in
            ["", ".", "..", "a/b", "a\\b", "a:b", "a%2fb", " a", "a ", "a\n", "a\u{0}b", "a\u{202e}b", &long]
        {
            assert!(ModelName::new(bad).is_err(), "{bad:?}");
        }
        for bad in ["~", "~6", "~zz", "~61", "~2e2e", "~ff", "a b", "~2F61"] {
            assert_eq!(ModelName::from_segment(bad), None, "{bad}");
        }
    }

    #[test]
    fn words_of_stages_and_states_are_read_back() {
        for stage in Stage::ALL {
            assert_eq!(Stage::read(&stage.as_str().to_lowercase()), Some(stage));
        }
        assert_eq!(Stage::read("Prod"), None);
        for status in LoggedStatus::ALL {
            assert_eq!(LoggedStatus::read(status.as_str()), Some(status));
        }
        assert!(is_model_id("m-0123456789abcdef0123456789abcdef"));
        assert!(
            !is_model_id("m-0123456789ABCDEF0123456789abcdef")
                && !is_model_id("0123456789abcdef0123456789abcdef")
        );
    }
}
