//! What the calls of the registry share: names, tags, pages, and how models and versions are shown.

use super::wire::{Answer, Object, Params, missing};
use super::{PAGES, PROXY, ROOT, V2, artifacts, logged, models, versions};
use crate::state::App;
use domain::filter::{Grammar, parse, parse_order};
use domain::{Fault, Model, ModelName, ModelVersion, Scope, Tags, Timestamp, Version};
use registry::Search;
use serde_json::{Map, Value, json};
use web::{MlflowCode, MlflowError, OrJob, Routes, Visible};

/// The longest key of a tag, in characters.
const KEY_MAX: usize = 250;
/// The longest value of a tag of models and versions, in characters.
const VALUE_MAX: usize = 100_000;

/// Every route of this part.
pub(super) fn routes() -> Routes<App> {
    registered().merge(logged_models()).merge(artifact_routes())
}

/// Registered models and their versions.
fn registered() -> Routes<App> {
    Routes::under(V2)
        .post("/registered-models/create", models::create)
        .get("/registered-models/get", models::get)
        .post("/registered-models/rename", models::rename)
        .patch("/registered-models/update", models::update)
        .delete("/registered-models/delete", models::delete)
        .get("/registered-models/search", models::search)
        .post("/registered-models/get-latest-versions", models::latest)
        .get("/registered-models/get-latest-versions", models::latest)
        .post("/registered-models/set-tag", models::set_tag)
        .delete("/registered-models/delete-tag", models::delete_tag)
        .post("/registered-models/alias", models::set_alias)
        .get("/registered-models/alias", models::get_alias)
        .delete("/registered-models/alias", models::delete_alias)
        .post("/model-versions/create", versions::create)
        .get("/model-versions/get", versions::get)
        .patch("/model-versions/update", versions::update)
        .delete("/model-versions/delete", versions::delete)
        .get("/model-versions/search", versions::search)
        .post("/model-versions/transition-stage", versions::transition)
        .get("/model-versions/get-download-uri", versions::download_uri)
        .post("/model-versions/set-tag", versions::set_tag)
        .delete("/model-versions/delete-tag", versions::delete_tag)
}

/// Logged models.
fn logged_models() -> Routes<App> {
    Routes::under(V2)
        .post("/logged-models", logged::create)
        .post("/logged-models/search", logged::search)
        .get("/logged-models/{model_id}", logged::get)
        .patch("/logged-models/{model_id}", logged::finalize)
        .delete("/logged-models/{model_id}", logged::delete)
        .post("/logged-models/{model_id}/params", logged::log_params)
        .patch("/logged-models/{model_id}/tags", logged::set_tags)
        .delete("/logged-models/{model_id}/tags/{tag_key}", logged::delete_tag)
        .get("/logged-models/{model_id}/artifacts/directories", logged::directories)
        .get("/logged-models/{model_id}/artifacts/files", logged::file)
}

/// Artifacts.
fn artifact_routes() -> Routes<App> {
    Routes::under(PROXY)
        .get("/artifacts", artifacts::list)
        .get("/artifacts/{*path}", artifacts::get)
        .put("/artifacts/{*path}", artifacts::put)
        .delete("/artifacts/{*path}", artifacts::delete)
        .merge(Routes::under(V2).get("/artifacts/list", artifacts::list_of_run))
        .merge(Routes::under(PAGES).post("/upload-artifact", artifacts::upload))
        .merge(
            Routes::under(ROOT)
                .get("/get-artifact", artifacts::get_of_run)
                .get("/model-versions/get-artifact", artifacts::get_of_version),
        )
}

/// A version as it is shown, with its model's name.
pub(super) struct Shown(pub ModelName, pub Value);

/// An error of the registry in the protocol's words.
pub(super) fn fault(error: ::registry::Error) -> MlflowError {
    Fault::from(error).into()
}

/// A change that the state does not allow is a conflict, unless it is that the name is taken: then `taken` says so.
pub(super) fn changed(error: MlflowError, taken: &str) -> MlflowError {
    if error.error_code != MlflowCode::ResourceAlreadyExists {
        return error;
    }
    if taken.is_empty() || error.message.contains("is deployed as") {
        return MlflowError::new(MlflowCode::ResourceConflict, error.message);
    }
    MlflowError { message: taken.to_owned(), ..error }
}

/// The name of a model.
pub(super) fn named(params: &Object<'_>, field: &str) -> Answer<ModelName> {
    let text = params.filled(field)?.filter(|text| !text.trim().is_empty()).ok_or_else(|| missing(field))?;
    if text.contains(['/', ':']) {
        let shown: String = text.chars().take(300).collect();
        return Err(MlflowError::invalid(format!(
            "Invalid model name '{shown}'. Names cannot contain '/' or ':'."
        )));
    }
    Ok(ModelName::new(text)?)
}

/// The text of a version's number, which some clients send as a number.
pub(super) fn text_of_version(params: &Object<'_>) -> Answer<String> {
    match params.get("version") {
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => params.required("version"),
    }
}

/// A version's number.
pub(super) fn version_number(text: &str) -> Answer<Version> {
    let number = text.parse().map(Version);
    number.map_err(|_| {
        let shown: String = text.chars().take(60).collect();
        MlflowError::invalid(format!("Parameter 'version' must be an integer, got '{shown}'."))
    })
}

/// One tag of a call: `key` and `value`.
pub(super) fn tag(params: &Object<'_>) -> Answer<(String, String)> {
    let key = params.required("key")?;
    let value = params.text("value")?.unwrap_or_default().to_owned();
    for (field, text, limit) in [("key", &key, KEY_MAX), ("value", &value, VALUE_MAX)] {
        if text.chars().count() > limit {
            return Err(MlflowError::invalid(format!(
                "'{field}' exceeds the maximum length of {limit} characters"
            )));
        }
    }
    Ok((key, value))
}

/// The tags of a call.
pub(super) fn tags(params: &Object<'_>) -> Answer<Tags> {
    pairs(params, "tags")
}

/// A list of keys and values; the last of a key stands.
pub(super) fn pairs<'a>(params: &Object<'a>, field: &'a str) -> Answer<Tags> {
    params.objects(field)?.iter().map(tag).collect()
}

/// Keys and values as they are sent.
pub(super) fn shown_tags(tags: &Tags) -> Vec<Value> {
    tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

/// Milliseconds.
pub(super) fn millis(at: Timestamp) -> i64 {
    at.micros().div_euclid(1000)
}

/// An object without its empty members.
pub(super) fn filled(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    let is_set = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => true,
    };
    Value::Object(map.into_iter().filter(|(_, value)| is_set(value)).collect::<Map<_, _>>())
}

/// A version.
pub(super) fn shown_version(app: &App, v: ModelVersion) -> Value {
    let source = if v.source.is_empty() { app.registry.own_location(&v) } else { v.source };
    filled(json!({
        "name": v.model,
        "version": v.version.to_string(),
        "creation_timestamp": millis(v.created),
        "last_updated_timestamp": millis(v.updated),
        "current_stage": v.stage,
        "description": v.description,
        "source": source,
        "run_id": v.run,
        "status": "READY",
        "tags": shown_tags(&v.tags),
        "run_link": v.run_link,
        "aliases": v.aliases,
        "model_id": v.model_id,
    }))
}

/// Versions with the names of their models.
pub(super) fn shown_models(app: &App, versions: Vec<ModelVersion>) -> Vec<Shown> {
    versions.into_iter().map(|v| Shown(v.model.clone(), shown_version(app, v))).collect()
}

/// A model with those of the versions that are its own.
pub(super) fn shown_model(model: &Model, latest: &[Shown]) -> Value {
    let latest: Vec<&Value> = latest.iter().filter(|v| v.0 == model.name).map(|v| &v.1).collect();
    let aliases: Vec<Value> =
        model.aliases.iter().map(|(a, v)| json!({"alias": a, "version": v.to_string()})).collect();
    filled(json!({
        "name": model.name,
        "creation_timestamp": millis(model.created),
        "last_updated_timestamp": millis(model.updated),
        "description": model.description,
        "latest_versions": latest,
        "tags": shown_tags(&model.tags),
        "aliases": aliases,
    }))
}

/// A page of a search: one more than it shows is asked for, to know whether there is a next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    pub offset: u64,
    pub limit: u32,
}

impl Page {
    /// Reads `max_results` and `page_token`.
    pub(super) fn read(params: &Object<'_>, (default, most): (u32, u32)) -> Answer<Self> {
        let asked = params.int("max_results")?.unwrap_or(i64::from(default));
        if asked < 1 {
            return Err(MlflowError::invalid(format!(
                "Invalid value for max_results. It must be a positive integer, but got {asked}"
            )));
        }
        let limit = u32::try_from(asked).ok().filter(|limit| *limit <= most).ok_or_else(|| {
            MlflowError::invalid(format!(
                "Invalid value for request parameter max_results. It must be at most {most}, but got value {asked}"
            ))
        })?;
        let token = params.text("page_token")?.unwrap_or_default();
        let offset =
            if token.is_empty() { Some(0) } else { token.parse().ok().filter(|n| *n < u64::from(u32::MAX)) };
        let offset =
            offset.ok_or_else(|| MlflowError::invalid("Invalid page token: take it as an answer gave it"))?;
        Ok(Self { offset, limit })
    }

    /// What to ask the store for.
    pub(super) fn asked(self) -> u32 {
        self.limit + 1
    }

    /// Cuts what is beyond the page; gives the token of the next.
    pub(super) fn cut<T>(self, mut found: Vec<T>) -> (Vec<T>, Option<String>) {
        let limit = self.limit as usize;
        let more = found.len() > limit;
        found.truncate(limit);
        (found, more.then(|| (self.offset + u64::from(self.limit)).to_string()))
    }
}

/// A search among the models that the caller may read.
pub(super) async fn search(
    who: &OrJob<Visible>,
    app: &App,
    ask: &Params,
    (grammar, default, most): (&Grammar, u32, u32),
) -> Answer<(Search, Page)> {
    let params = ask.object();
    let page = Page::read(&params, (default, most))?;
    let filter = parse(params.text("filter")?.unwrap_or_default(), grammar).map_err(Fault::from)?;
    let order = params.texts("order_by")?;
    let order =
        order.iter().map(|text| parse_order(text, grammar).map_err(Fault::from)).collect::<Result<_, _>>()?;
    let models = if who.may_read(&Scope::Workspace) {
        None
    } else {
        let all = app.registry.list().await.map_err(fault)?;
        Some(
            all.into_iter()
                .map(|m| m.name)
                .filter(|name| who.may_read(&Scope::Model(name.clone())))
                .collect(),
        )
    };
    Ok((Search { filter, order, models, offset: page.offset, limit: page.asked() }, page))
}

/// A list of an answer with the token of the next page; both are absent when they are empty.
pub(super) fn listed(member: &str, items: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = Map::new();
    if !items.is_empty() {
        answer.insert(member.to_owned(), Value::Array(items));
    }
    if let Some(next) = next {
        answer.insert("next_page_token".to_owned(), Value::String(next));
    }
    Value::Object(answer)
}
