//! Logged models.

use super::artifacts::{self, Entry};
use super::registry::{Page, fault, filled, listed, millis, pairs, shown_tags};
use super::wire::{Answer, Empty, Object, Params, empty, missing, wrong};
use super::{Reads, Writes};
use crate::state::App;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use domain::filter::{LOGGED_MODELS, Order, parse, parse_order};
use domain::{Fault, LoggedModel, LoggedStatus, RunId};
use gateway::Made;
use registry::{LoggedChange, LoggedMetric, LoggedSearch, NewLoggedModel, OnDataset, Search};
use serde_json::{Value, json};
use web::{MlflowCode, MlflowError};

/// Models of one answer when nothing is said.
const PAGE: u32 = 100;
/// Models of one answer at most.
const PAGE_MAX: u32 = 1000;
/// Experiments and datasets of one search at most.
const MANY: usize = 10_000;

/// `POST logged-models`
pub async fn create(who: Writes, State(app): State<App>, ask: Params) -> Answer<Json<Value>> {
    let params = ask.object();
    let experiment = params.required("experiment_id")?;
    let run = params.filled("source_run_id")?;
    let run = run
        .map(|id| RunId::try_from(id.clone()).map_err(|_| wrong("source_run_id", &json!(id))))
        .transpose()?;
    if let Some(run) = &run {
        app.own_run(&who, run.as_str())?;
    }
    app.may_make(&who)?;
    app.registry.expect_experiment(&experiment).await.map_err(fault)?;
    let new = NewLoggedModel {
        experiment,
        name: params.filled("name")?.unwrap_or_else(runs::tracking::Tracking::random_name),
        kind: params.text("model_type")?.unwrap_or_default().to_owned(),
        run,
        params: pairs(&params, "params")?,
        tags: pairs(&params, "tags")?,
    };
    let made = app.registry.log_model(new).await.map_err(fault)?;
    app.made(&who, Made::Logged(made.id.clone()));
    Ok(Json(json!({ "model": shown(&made, &[]) })))
}

/// `GET logged-models/{model_id}`
pub async fn get(_: Reads, State(app): State<App>, Path(id): Path<String>) -> Answer<Json<Value>> {
    let model = app.registry.logged_model(&id).await.map_err(|e| absent(&id, e))?;
    answer(&app, model).await
}

/// `PATCH logged-models/{model_id}`
pub async fn finalize(
    who: Writes,
    State(app): State<App>,
    Path(id): Path<String>,
    ask: Params,
) -> Answer<Json<Value>> {
    app.own_logged(&who, &id)?;
    let params = ask.object();
    let status = match params.get("status") {
        None => return Err(missing("status")),
        Some(value) => status(value).ok_or_else(|| wrong("status", value))?,
    };
    answer(&app, change(&app, &id, LoggedChange::Status(status)).await?).await
}

/// `DELETE logged-models/{model_id}`
pub async fn delete(who: Writes, State(app): State<App>, Path(id): Path<String>) -> Answer<Json<Empty>> {
    app.own_logged(&who, &id)?;
    app.registry.delete_logged_model(&id, who.actor()).await.map_err(|e| absent(&id, e))?;
    Ok(empty())
}

/// `POST logged-models/{model_id}/params`
pub async fn log_params(
    who: Writes,
    State(app): State<App>,
    Path(id): Path<String>,
    ask: Params,
) -> Answer<Json<Empty>> {
    app.own_logged(&who, &id)?;
    change(&app, &id, LoggedChange::Params(pairs(&ask.object(), "params")?)).await?;
    Ok(empty())
}

/// `PATCH logged-models/{model_id}/tags`
pub async fn set_tags(
    who: Writes,
    State(app): State<App>,
    Path(id): Path<String>,
    ask: Params,
) -> Answer<Json<Empty>> {
    app.own_logged(&who, &id)?;
    change(&app, &id, LoggedChange::Tags(pairs(&ask.object(), "tags")?)).await?;
    Ok(empty())
}

/// `DELETE logged-models/{model_id}/tags/{tag_key}`
pub async fn delete_tag(
    who: Writes,
    State(app): State<App>,
    Path((id, key)): Path<(String, String)>,
) -> Answer<Json<Empty>> {
    app.own_logged(&who, &id)?;
    app.registry.logged_model(&id).await.map_err(|e| absent(&id, e))?;
    let done = app.registry.change_logged_model(&id, LoggedChange::NoTag(key.clone())).await;
    done.map_err(|error| match fault(error) {
        e if e.error_code == MlflowCode::ResourceDoesNotExist => {
            MlflowError::absent(format!("No tag with key {key:?} found for model with ID {id:?}."))
        }
        e => e,
    })?;
    Ok(empty())
}

/// `POST logged-models/search`
pub async fn search(_: Reads, State(app): State<App>, ask: Params) -> Answer<Json<Value>> {
    let params = ask.object();
    let experiments = params.texts("experiment_ids")?;
    if experiments.is_empty() {
        return Err(missing("experiment_ids"));
    }
    let page = Page::read(&params, (PAGE, PAGE_MAX))?;
    let filter = parse(params.text("filter")?.unwrap_or_default(), &LOGGED_MODELS).map_err(Fault::from)?;
    let datasets: Vec<OnDataset> = params
        .objects("datasets")?
        .iter()
        .map(|d| on_dataset(d)?.ok_or_else(|| missing("dataset_name")))
        .collect::<Answer<_>>()?;
    if experiments.len() > MANY || datasets.len() > 100 {
        return Err(MlflowError::invalid(format!(
            "at most {MANY} experiment_ids and 100 datasets can be searched at once"
        )));
    }
    let order = params.objects("order_by")?.iter().map(order).collect::<Answer<_>>()?;
    let search = Search { filter, offset: page.offset, limit: page.asked(), ..Search::default() };
    let search = LoggedSearch { experiments, datasets, order, search };
    let (models, next) = page.cut(app.registry.search_logged_models(&search).await.map_err(fault)?);
    let metrics = metrics(&app, &models).await?;
    let shown = models.iter().map(|model| shown(model, &metrics)).collect();
    Ok(Json(listed("models", shown, next)))
}

/// `GET logged-models/{model_id}/artifacts/directories`
pub async fn directories(
    _: Reads,
    State(app): State<App>,
    Path(id): Path<String>,
    ask: Params,
) -> Answer<Json<Value>> {
    let model = app.registry.logged_model(&id).await.map_err(|e| absent(&id, e))?;
    let path = ask.object().text("artifact_directory_path")?.unwrap_or_default();
    artifacts::listing(&app, &model.folder(), path).await
}

/// `GET logged-models/{model_id}/artifacts/files`
pub async fn file(_: Reads, State(app): State<App>, Path(id): Path<String>, ask: Params) -> Answer<Response> {
    let model = app.registry.logged_model(&id).await.map_err(|e| absent(&id, e))?;
    let path = ask.object().required("artifact_file_path")?;
    Entry::below(&model.folder(), &path)?.answer(&app).await
}

fn order(entry: &Object<'_>) -> Answer<(Order, Option<OnDataset>)> {
    let field = entry.required("field_name")?;
    let parsed = parse_order(&field, &LOGGED_MODELS).map_err(Fault::from)?;
    let ascending = entry.flag("ascending")?.unwrap_or(true);
    Ok((Order { ascending, ..parsed }, on_dataset(entry)?))
}

fn on_dataset(entry: &Object<'_>) -> Answer<Option<OnDataset>> {
    let digest = entry.filled("dataset_digest")?;
    Ok(entry.filled("dataset_name")?.map(|name| OnDataset { name, digest }))
}

/// A status by its word, or by its number in the protocol.
fn status(value: &Value) -> Option<LoggedStatus> {
    match value {
        Value::String(text) => LoggedStatus::read(text),
        Value::Number(number) => {
            let at = usize::try_from(number.as_u64()?.checked_sub(1)?).ok()?;
            LoggedStatus::ALL.get(at).copied()
        }
        _ => None,
    }
}

async fn change(app: &App, id: &str, change: LoggedChange) -> Answer<LoggedModel> {
    app.registry.change_logged_model(id, change).await.map_err(|e| absent(id, e))
}

async fn metrics(app: &App, models: &[LoggedModel]) -> Answer<Vec<LoggedMetric>> {
    let ids: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
    app.registry.logged_model_metrics(&ids).await.map_err(fault)
}

async fn answer(app: &App, model: LoggedModel) -> Answer<Json<Value>> {
    let metrics = metrics(app, std::slice::from_ref(&model)).await?;
    Ok(Json(json!({ "model": shown(&model, &metrics) })))
}

fn absent(id: &str, error: ::registry::Error) -> MlflowError {
    match fault(error) {
        e if e.error_code == MlflowCode::ResourceDoesNotExist => MlflowError::absent(format!(
            "Logged model with ID '{}' not found.",
            id.chars().take(60).collect::<String>()
        )),
        e => e,
    }
}

fn shown(model: &LoggedModel, metrics: &[LoggedMetric]) -> Value {
    let metrics: Vec<Value> = metrics.iter().filter(|m| m.model == model.id).map(shown_metric).collect();
    json!({
        "info": filled(json!({
            "model_id": model.id,
            "experiment_id": model.experiment,
            "name": model.name,
            "creation_timestamp_ms": millis(model.created),
            "last_updated_timestamp_ms": millis(model.updated),
            "artifact_uri": artifacts::uri(&model.folder()),
            "status": model.status.as_str(),
            "model_type": model.kind,
            "source_run_id": model.run,
            "tags": shown_tags(&model.tags),
        })),
        "data": filled(json!({ "params": shown_tags(&model.params), "metrics": metrics })),
    })
}

fn shown_metric(metric: &LoggedMetric) -> Value {
    let value = if metric.value.is_finite() {
        json!(metric.value)
    } else if metric.value.is_nan() {
        json!("NaN")
    } else {
        json!(if metric.value > 0.0 { "Infinity" } else { "-Infinity" })
    };
    filled(json!({
        "key": metric.key,
        "value": value,
        "timestamp": metric.timestamp,
        "step": metric.step,
        "model_id": metric.model,
        "run_id": metric.run,
        "dataset_name": metric.dataset.0,
        "dataset_digest": metric.dataset.1,
    }))
}
