//! Experiments.

use super::wire::{Answer, Empty, Object, Params, empty, wrong};
use super::{Reads, Writes};
use crate::state::App;
use axum::Json;
use axum::extract::State;
use domain::Fault;
use domain::tracking::{Experiment, Pair, ViewType};
use runs::tracking::{Ask, Deletion};
use serde::Serialize;
use serde_json::{Value, json};
use web::{Contributor, MlflowError};

/// An error of a step in the protocol's form.
pub(super) fn told<E: Into<Fault>>(error: E) -> MlflowError {
    error.into().into()
}

/// Keys and values of a list of objects.
pub(super) fn pairs(params: &Object<'_>, field: &'static str) -> Answer<Vec<Pair>> {
    params.objects(field)?.iter().map(pair).collect()
}

/// A key that must be there, and a value that may be empty.
pub(super) fn pair(object: &Object<'_>) -> Answer<Pair> {
    Ok(Pair { key: object.required("key")?, value: object.text("value")?.unwrap_or_default().to_owned() })
}

/// `view_type` and its like: by name or number.
pub(super) fn view(params: &Object<'_>, field: &str) -> Answer<ViewType> {
    let Some(value) = params.get(field) else { return Ok(ViewType::ActiveOnly) };
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match text.as_str() {
        "ACTIVE_ONLY" | "1" => Ok(ViewType::ActiveOnly),
        "DELETED_ONLY" | "2" => Ok(ViewType::DeletedOnly),
        "ALL" | "3" => Ok(ViewType::All),
        _ => Err(wrong(field, value)),
    }
}

/// What a search asks for besides where it looks.
pub(super) fn ask(params: &Object<'_>, view_field: &str) -> Answer<Ask> {
    Ok(Ask {
        filter: params.text("filter")?.unwrap_or_default().to_owned(),
        order_by: params.texts("order_by")?,
        view: view(params, view_field)?,
        max_results: params.int("max_results")?,
        page_token: params.filled("page_token")?,
    })
}

/// One experiment.
#[derive(Debug, Serialize)]
pub struct One {
    experiment: Experiment,
}

/// A page of experiments.
#[derive(Debug, Serialize)]
pub struct Many {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    experiments: Vec<Experiment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// `experiments/get-by-name`
pub async fn get_by_name(_: Reads, State(app): State<App>, params: Params) -> Answer<Json<One>> {
    let name = params.object().required("experiment_name")?;
    Ok(Json(One { experiment: app.tracking.experiment_named(&name).await.map_err(told)? }))
}

/// `experiments/get`
pub async fn get(_: Reads, State(app): State<App>, params: Params) -> Answer<Json<One>> {
    let id = params.object().required("experiment_id")?;
    Ok(Json(One { experiment: app.tracking.experiment(&id).await.map_err(told)? }))
}

/// `experiments/create`
pub async fn create(who: Writes, State(app): State<App>, params: Params) -> Answer<Json<Value>> {
    let params = params.object();
    let name = params.required("name")?;
    let (location, tags) = (params.filled("artifact_location")?, pairs(&params, "tags")?);
    if who.job().is_some() && location.is_some() {
        // Elsewhere something may stand that is not the job's.
        return Err(who.foreign("a place of artifacts besides the experiment's own").into());
    }
    app.may_make(&who)?;
    let id = app.tracking.create_experiment(&name, location.as_deref(), &tags).await.map_err(told)?;
    Ok(Json(json!({ "experiment_id": id })))
}

/// `experiments/search`
pub async fn search(_: Reads, State(app): State<App>, params: Params) -> Answer<Json<Many>> {
    let ask = ask(&params.object(), "view_type")?;
    let (experiments, next_page_token) = app.tracking.search_experiments(&ask).await.map_err(told)?;
    Ok(Json(Many { experiments, next_page_token }))
}

/// `experiments/update`
pub async fn update(_: Contributor, State(app): State<App>, params: Params) -> Answer<Json<Empty>> {
    let params = params.object();
    let (id, name) = (params.required("experiment_id")?, params.required("new_name")?);
    app.tracking.rename_experiment(&id, &name).await.map_err(told)?;
    Ok(empty())
}

/// `experiments/delete`
pub async fn delete(who: Contributor, State(app): State<App>, params: Params) -> Answer<Json<Empty>> {
    let id = params.object().required("experiment_id")?;
    app.tracking.set_experiment_deleted(&id, Deletion::Delete, who.actor()).await.map_err(told)?;
    Ok(empty())
}

/// `experiments/restore`
pub async fn restore(who: Contributor, State(app): State<App>, params: Params) -> Answer<Json<Empty>> {
    let id = params.object().required("experiment_id")?;
    app.tracking.set_experiment_deleted(&id, Deletion::Restore, who.actor()).await.map_err(told)?;
    Ok(empty())
}

/// `experiments/set-experiment-tag`
pub async fn set_tag(_: Contributor, State(app): State<App>, params: Params) -> Answer<Json<Empty>> {
    let params = params.object();
    let (id, tag) = (params.required("experiment_id")?, pair(&params)?);
    app.tracking.set_experiment_tag(&id, &tag).await.map_err(told)?;
    Ok(empty())
}

/// `experiments/delete-experiment-tag`
pub async fn delete_tag(_: Contributor, State(app): State<App>, params: Params) -> Answer<Json<Empty>> {
    let params = params.object();
    let (id, key) = (params.required("experiment_id")?, params.required("key")?);
    app.tracking.delete_experiment_tag(&id, &key).await.map_err(told)?;
    Ok(empty())
}

/// `experiments/search-datasets`
pub async fn search_datasets(_: Reads, State(app): State<App>, params: Params) -> Answer<Json<Value>> {
    let ids = params.object().texts("experiment_ids")?;
    let found = app.tracking.search_datasets(&ids).await.map_err(told)?;
    Ok(Json(if found.is_empty() { json!({}) } else { json!({ "dataset_summaries": found }) }))
}
