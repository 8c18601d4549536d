//! The documents of an endpoint: `swagger.json` (2.0, and 3 on demand) and `openapi.json`, made from the signature.
//!
//! Columns stand in the order of the training table, and the examples are requests that really score.

mod openapi;
mod schema;
mod swagger;
mod tree;

pub use openapi::openapi;
pub use swagger::{UnknownVersion, swagger};
pub use tree::{Node, Object};

use crate::outcome::{JSON, Outcome};
use domain::Signature;
use http::StatusCode;
use serde::Serialize;
use std::borrow::Cow;

/// What a document tells.
#[derive(Debug, Clone, Copy)]
pub struct DocInfo<'a> {
    /// The endpoint's (or published API's) name: the title.
    pub name: &'a str,
    /// Scheme, host and port as callers reach the server: `https://host[:port]`.
    pub base_url: &'a str,
    /// The path in front of `/score`, without a slash at its end: `/endpoints/NAME`, or nothing.
    pub prefix: &'a str,
    /// What the model takes and answers.
    pub signature: &'a Signature,
    /// What runs it: `portcullis`, or `onnxruntime` and its version.
    pub engine: &'a str,
}

/// Answers `swagger.json` (with its `version` parameter) and `openapi.json`; nothing for other paths.
pub fn answer(info: &DocInfo<'_>, tail: &str, query: Option<&str>) -> Option<Outcome> {
    let document = match tail {
        "openapi.json" => openapi(info),
        "swagger.json" => match swagger(info, &version(query.unwrap_or_default())) {
            Ok(document) => document,
            Err(unknown) => {
                let message = unknown.to_string();
                return Some(Outcome::problem(StatusCode::NOT_FOUND, &message, "swagger version"));
            }
        },
        _ => return None,
    };
    Some(Outcome::new(StatusCode::OK, JSON, serde_json::to_vec(&document).unwrap_or_default()))
}

/// The `version` of a query; 2 when there is none.
pub(crate) fn version(query: &str) -> Cow<'_, str> {
    let said = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "version");
    said.map_or(Cow::Borrowed("2"), |(_, version)| version)
}

/// A whole document; serialises as JSON with its members in the order they were put.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Document(pub Object);

#[cfg(test)]
mod tests;
