//! `swagger.json` in the form that clients of the cloud's scoring server load (contract SW-01…SW-06).

use super::schema::{self, Dialect, one};
use super::tree::{Node, Object};
use super::{DocInfo, Document};

/// A `version` parameter that names no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Swagger version [{0}] is not valid. Supported versions: [2, 3, 3.1].")]
pub struct UnknownVersion(pub String);

/// The document in version 2 (`2`, `2.0`) or 3 (`3`, `3.0`, `3.1`).
pub fn swagger(info: &DocInfo<'_>, version: &str) -> Result<Document, UnknownVersion> {
    match version {
        "2" | "2.0" => Ok(version_2(info)),
        "3" | "3.0" => Ok(version_3(info, "3.0.3", Dialect::V30)),
        "3.1" => Ok(version_3(info, "3.1.0", Dialect::V31)),
        other => Err(UnknownVersion(other.chars().take(60).collect())),
    }
}

fn about(info: &DocInfo<'_>) -> Object {
    let description = format!("API specification for the Azure Machine Learning service {}", info.name);
    let object = Object::new().with("title", info.name).with("description", description);
    object.with("version", "1.0").with("x-engine", info.engine)
}

fn version_2(info: &DocInfo<'_>) -> Document {
    let (scheme, host) = info.base_url.split_once("://").unwrap_or(("https", info.base_url));
    let bearer = Object::new()
        .with("type", "apiKey")
        .with("name", "Authorization")
        .with("in", "header")
        .with("description", "For example: Bearer abc123");
    let base = if info.prefix.is_empty() { "/" } else { info.prefix };
    Document(
        Object::new()
            .with("swagger", "2.0")
            .with("info", about(info))
            .with_some("host", (!host.is_empty()).then_some(host))
            .with("basePath", base)
            .with("schemes", one(scheme))
            .with("consumes", one("application/json"))
            .with("produces", one("application/json"))
            .with("securityDefinitions", Object::new().with("Bearer", bearer))
            .with("paths", paths_2())
            .with("definitions", definitions(info, Dialect::V2)),
    )
}

fn paths_2() -> Object {
    let reference = |name: &str| Object::reference(&format!("#/definitions/{name}"));
    let answer =
        |what: &str, name: &str| Object::new().with("description", what).with("schema", reference(name));
    let failed = || answer("An error, told in the message", "ErrorResponse");
    let text = Object::new().with("type", "string");
    let healthy = Object::new()
        .with("description", "The service is healthy")
        .with("schema", text)
        .with("examples", Object::new().with("text/html", "Healthy"));
    let health = operation("ServiceHealthCheck", "Simple health check endpoint.")
        .with("responses", Object::new().with("200", healthy).with("default", failed()));
    let body = Object::new()
        .with("name", "serviceInputPayload")
        .with("in", "body")
        .with("description", "The input payload for executing the real-time machine learning service.")
        .with("required", true)
        .with("schema", reference("ServiceInput"));
    let run = operation("RunMLService", "Scores rows.")
        .with("security", bearer())
        .with("parameters", one(body))
        .with(
            "responses",
            Object::new().with("200", answer("The predictions", "ServiceOutput")).with("default", failed()),
        );
    let version = Object::new()
        .with("name", "version")
        .with("in", "query")
        .with("required", false)
        .with("type", "string");
    let document = Object::new()
        .with("description", "The document")
        .with("schema", Object::new().with("type", "object"));
    let swagger = operation("GetSwaggerSpec", "This document.")
        .with("parameters", one(version))
        .with("responses", Object::new().with("200", document).with("default", failed()));
    paths(health, run, swagger)
}

fn version_3(info: &DocInfo<'_>, version: &str, dialect: Dialect) -> Document {
    let components = Object::new()
        .with("schemas", definitions(info, dialect))
        .with("securitySchemes", Object::new().with("Bearer", bearer_scheme()));
    Document(
        Object::new()
            .with("openapi", version)
            .with("info", about(info))
            .with("servers", one(server(info)))
            .with("security", bearer())
            .with("paths", paths_3())
            .with("components", components),
    )
}

fn paths_3() -> Object {
    let answer = |what: &str, name: &str| described(what, json(&component(name)));
    let failed = || answer("An error, told in the message", "ErrorResponse");
    let text = Object::new().with("schema", Object::new().with("type", "string")).with("example", "Healthy");
    let healthy = described("The service is healthy", Object::new().with("text/html", text));
    let health = operation("ServiceHealthCheck", "Simple health check endpoint.")
        .with("security", Node::List(Vec::new()))
        .with("responses", Object::new().with("200", healthy).with("default", failed()));
    let body = Object::new().with("required", true).with("content", json(&component("ServiceInput")));
    let run = operation("RunMLService", "Scores rows.").with("requestBody", body).with(
        "responses",
        Object::new().with("200", answer("The predictions", "ServiceOutput")).with("default", failed()),
    );
    let version = Object::new()
        .with("name", "version")
        .with("in", "query")
        .with("required", false)
        .with("schema", Object::new().with("type", "string"));
    let document = described("The document", json(&Object::new().with("type", "object")));
    let swagger = operation("GetSwaggerSpec", "This document.")
        .with("parameters", one(version))
        .with("responses", Object::new().with("200", document).with("default", failed()));
    paths(health, run, swagger)
}

fn paths(health: Object, run: Object, swagger: Object) -> Object {
    Object::new()
        .with("/", Object::new().with("get", health))
        .with("/score", Object::new().with("post", run))
        .with("/swagger.json", Object::new().with("get", swagger))
}

/// `ServiceInput`, `ServiceOutput`, `ErrorResponse`.
fn definitions(info: &DocInfo<'_>, dialect: Dialect) -> Object {
    let signature = info.signature;
    let data = Object::new().with("data", schema::rows(signature, dialect));
    let input = Object::new()
        .with("type", "object")
        .with("properties", data)
        .with("required", one("data"))
        .with("example", Object::new().with("data", one(schema::example_row(signature))));
    let message = Object::new().with("type", "string");
    let error =
        Object::new().with("type", "object").with("properties", Object::new().with("message", message));
    Object::new().with("ServiceInput", input).with("ServiceOutput", output(info)).with("ErrorResponse", error)
}

/// The answer to `data`: text that holds JSON.
pub(super) fn output(info: &DocInfo<'_>) -> Object {
    let prediction = schema::example_prediction(info.signature);
    Object::new()
        .with("type", "string")
        .with("description", "JSON text with the member 'result': one prediction a row, in row order.")
        .with("example", format!("{{\"result\": [{prediction}]}}"))
}

pub(super) fn operation(id: &str, what: &str) -> Object {
    Object::new().with("operationId", id).with("description", what)
}

pub(super) fn described(what: &str, content: Object) -> Object {
    Object::new().with("description", what).with("content", content)
}

pub(super) fn json(schema: &Object) -> Object {
    Object::new().with("application/json", Object::new().with("schema", schema.clone()))
}

pub(super) fn component(name: &str) -> Object {
    Object::reference(&format!("#/components/schemas/{name}"))
}

pub(super) fn server(info: &DocInfo<'_>) -> Object {
    let url = format!("{}{}", info.base_url, info.prefix);
    Object::new().with("url", if url.is_empty() { "/".to_owned() } else { url })
}

pub(super) fn bearer() -> Node {
    one(Object::new().with("Bearer", Node::List(Vec::new())))
}

pub(super) fn bearer_scheme() -> Object {
    Object::new()
        .with("type", "http")
        .with("scheme", "bearer")
        .with("description", "An endpoint key, or a token for the published path")
}
