//! `MLmodel` files: which flavours a model folder has. Other tools write them, so what is not known here is left alone.

use crate::error::Result;
use crate::fields::Value;
use crate::kinds::Kind;
use crate::read::Definition;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// An MLmodel file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MlModel {
    /// Flavour → its fields.
    pub flavors: BTreeMap<String, Map<String, Json>>,
    /// The run that logged it.
    pub run_id: Option<String>,
    /// The path it was logged under.
    pub artifact_path: Option<String>,
    /// Inputs of the signature, a list of columns or tensors.
    pub inputs: Option<Json>,
    /// Outputs of the signature.
    pub outputs: Option<Json>,
    /// Parameters of the signature.
    pub params: Option<Json>,
    /// The whole file.
    pub all: Map<String, Json>,
}

impl Definition for MlModel {
    const KINDS: &'static [Kind] = &[Kind::MlModel];

    fn from_root(value: &Value<'_>) -> Result<Self> {
        let Json::Object(all) = value.json() else {
            return Err(value.wrong("an MLmodel file is a mapping with 'flavors'"));
        };
        let mut flavors = BTreeMap::new();
        let entries = value.entries()?;
        let Some((_, found)) = entries.iter().find(|(key, _)| *key == "flavors") else {
            return Err(value.wrong("flavors is missing: this is no MLmodel file"));
        };
        for (name, flavor) in found.entries()? {
            match flavor.json() {
                Json::Object(fields) => flavors.insert(name.to_owned(), fields),
                Json::Null => flavors.insert(name.to_owned(), Map::new()),
                _ => return Err(flavor.wrong("a flavour is a mapping")),
            };
        }
        let text = |key: &str| all.get(key).and_then(Json::as_str).map(str::to_owned);
        let signature = entries.iter().find(|(key, _)| *key == "signature").map(|(_, value)| value);
        let part = |key: &str| signature.map_or(Ok(None), |signature| part(signature, key));
        Ok(Self {
            flavors,
            run_id: text("run_id"),
            artifact_path: text("artifact_path"),
            inputs: part("inputs")?,
            outputs: part("outputs")?,
            params: part("params")?,
            all: all.clone(),
        })
    }
}

/// A part of the signature: JSON inside a text.
fn part(signature: &Value<'_>, key: &str) -> Result<Option<Json>> {
    if signature.is_null() {
        return Ok(None);
    }
    let entries = signature.entries()?;
    let Some((_, value)) = entries.into_iter().find(|(name, _)| *name == key) else { return Ok(None) };
    let Some(text) = value.raw() else { return Ok((!value.is_null()).then(|| value.json())) };
    let json = serde_json::from_str(text).map_err(|e| value.wrong(format!("this is no JSON: {e}")))?;
    Ok(Some(json))
}
