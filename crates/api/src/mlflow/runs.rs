//! Runs: begun, changed, logged to, searched.

use super::experiments::{ask, pair, pairs, told};
use super::wire::{Answer, Empty, Object, Params, empty, missing, wrong};
use super::{Reads, Writes};
use crate::state::App;
use ::runs::tracking::{AskRun, BATCH_BYTES, Deletion};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::tracking::{
    Dataset, DatasetInput, LogBatch, ModelInput, ModelOutput, NewMetric, Point, RunInfo, RunStatus, RunUpdate,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use gateway::Made;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use serde_json::{Value, json};
use web::MlflowError;

/// Runs that are read and sent at once.
const CHUNK: usize = 1000;

/// JSON text as an answer.
fn json_text(body: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body.into()).into_response()
}

/// The run that a call changes; a job's own when a job calls.
fn changed(app: &App, who: &Writes, params: &Params) -> Answer<String> {
    let run = params.run_id()?;
    app.own_run(who, &run)?;
    Ok(run)
}

/// What is told of a run that was changed.
#[derive(Debug, Serialize)]
pub struct Changed {
    run_info: RunInfo,
}

/// `runs/create`
pub async fn create(who: Writes, State(app): State<App>, params: Params) -> Answer<Json<Value>> {
    let params = params.object();
    let asked = AskRun {
        experiment_id: params.filled("experiment_id")?.unwrap_or_default(),
        user_id: params.filled("user_id")?.unwrap_or_default(),
        run_name: params.filled("run_name")?.unwrap_or_default(),
        start_time: params.int("start_time")?,
        tags: pairs(&params, "tags")?,
    };
    app.may_make(&who)?;
    let run = app.tracking.create_run(asked).await.map_err(told)?;
    app.made(&who, Made::Run(run.info.run_id.clone()));
    Ok(Json(json!({ "run": run })))
}

/// `runs/get`
pub async fn get(_: Reads, State(app): State<App>, params: Params) -> Answer<Response> {
    let run = app.tracking.run_document(&params.run_id()?).await.map_err(told)?;
    Ok(json_text(format!("{{\"run\":{run}}}")))
}

/// A status by its name or its number in the protocol.
fn status(params: &Object<'_>) -> Answer<Option<RunStatus>> {
    let Some(value) = params.get("status") else { return Ok(None) };
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let known = match text.as_str() {
        "1" => Some(RunStatus::Running),
        "2" => Some(RunStatus::Scheduled),
        "3" => Some(RunStatus::Finished),
        "4" => Some(RunStatus::Failed),
        "5" => Some(RunStatus::Killed),
        name => RunStatus::parse(name).ok(),
    };
    known.map(Some).ok_or_else(|| wrong("status", value))
}

/// `runs/update`
pub async fn update(who: Writes, State(app): State<App>, params: Params) -> Answer<Json<Changed>> {
    let run_id = changed(&app, &who, &params)?;
    let params = params.object();
    let update = RunUpdate {
        run_id,
        status: status(&params)?,
        end_time: params.int("end_time")?,
        name: params.filled("run_name")?,
    };
    Ok(Json(Changed { run_info: app.tracking.update_run(update).await.map_err(told)? }))
}

/// `runs/delete`
pub async fn delete(who: Writes, State(app): State<App>, params: Params) -> Answer<Json<Empty>> {
    let id = changed(&app, &who, &params)?;
    app.tracking.set_run_deleted(&id, Deletion::Delete, who.actor()).await.map_err(told)?;
    Ok(empty())
}

/// `runs/restore`
pub async fn restore(who: Writes, State(app): State<App>, params: Params) -> Answer<Json<Empty>> {
    let id = changed(&app, &who, &params)?;
    app.tracking.set_run_deleted(&id, Deletion::Restore, who.actor()).await.map_err(told)?;
    Ok(empty())
}

/// A metric, of a call of its own or of a batch.
fn metric(object: &Object<'_>) -> Answer<NewMetric> {
    let key = object.required("key")?;
    let value = object.double("value")?.ok_or_else(|| missing(&object.path("value")))?;
    let timestamp = object.int("timestamp")?.ok_or_else(|| missing(&object.path("timestamp")))?;
    let step = object.int("step")?.unwrap_or_default();
    let dataset = object.filled("dataset_name")?.zip(object.filled("dataset_digest")?);
    Ok(NewMetric {
        key,
        point: Point { value, timestamp, step },
        model_id: object.filled("model_id")?,
        dataset,
    })
}

/// `runs/log-metric`
pub async fn log_metric(who: Writes, State(app): State<App>, params: Params) -> Answer<Json<Empty>> {
    let metrics = vec![metric(&params.object())?];
    let batch = LogBatch { run_id: changed(&app, &who, &params)?, metrics, ..LogBatch::default() };
    app.tracking.log_one(batch).await.map_err(told)?;
    Ok(empty())
}

/// `runs/log-parameter`
pub async fn log_param(who: Writes, State(app): State<App>, params: Params) -> Answer<Json<Empty>> {
    let batch = LogBatch {
        run_id: changed(&app, &who, &params)?,
        params: vec![pair(&params.object())?],
        ..LogBatch::default()
    };
    app.tracking.log_one(batch).await.map_err(told)?;
    Ok(empty())
}

/// `runs/set-tag`
pub async fn set_tag(who: Writes, State(app): State<App>, params: Params) -> Answer<Json<Empty>> {
    let batch = LogBatch {
        run_id: changed(&app, &who, &params)?,
        tags: vec![pair(&params.object())?],
        ..LogBatch::default()
    };
    app.tracking.log_one(batch).await.map_err(told)?;
    Ok(empty())
}

/// `runs/delete-tag`
pub async fn delete_tag(who: Writes, State(app): State<App>, params: Params) -> Answer<Json<Empty>> {
    let (id, key) = (changed(&app, &who, &params)?, params.object().required("key")?);
    app.tracking.delete_tag(&id, &key).await.map_err(told)?;
    Ok(empty())
}

/// `runs/log-batch`
pub async fn log_batch(who: Writes, State(app): State<App>, params: Params) -> Answer<Json<Empty>> {
    if params.bytes > BATCH_BYTES {
        return Err(MlflowError::invalid(format!(
            "Batched logging API requests must be at most {BATCH_BYTES} bytes, got a request of size {}.",
            params.bytes
        )));
    }
    let object = params.object();
    let batch = LogBatch {
        run_id: changed(&app, &who, &params)?,
        metrics: object.objects("metrics")?.iter().map(metric).collect::<Answer<_>>()?,
        params: pairs(&object, "params")?,
        tags: pairs(&object, "tags")?,
    };
    app.tracking.log_batch(batch).await.map_err(told)?;
    Ok(empty())
}

fn dataset_input(object: &Object<'_>) -> Answer<DatasetInput> {
    let dataset = object.inner("dataset")?.ok_or_else(|| missing(&object.path("dataset")))?;
    Ok(DatasetInput {
        tags: pairs(object, "tags")?,
        dataset: Dataset {
            name: dataset.required("name")?,
            digest: dataset.required("digest")?,
            source_type: dataset.required("source_type")?,
            source: dataset.required("source")?,
            schema: dataset.filled("schema")?,
            profile: dataset.filled("profile")?,
        },
    })
}

/// `runs/log-inputs`
pub async fn log_inputs(who: Writes, State(app): State<App>, params: Params) -> Answer<Json<Empty>> {
    let object = params.object();
    let datasets = object.objects("datasets")?.iter().map(dataset_input).collect::<Answer<Vec<_>>>()?;
    let model = |m: &Object<'_>| Ok(ModelInput { model_id: m.required("model_id")? });
    let models = object.objects("models")?.iter().map(model).collect::<Answer<Vec<_>>>()?;
    app.tracking.log_inputs(&changed(&app, &who, &params)?, datasets, models).await.map_err(told)?;
    Ok(empty())
}

/// `runs/outputs`
pub async fn log_outputs(who: Writes, State(app): State<App>, params: Params) -> Answer<Json<Empty>> {
    let run_id = changed(&app, &who, &params)?;
    let models = params.object().objects("models")?;
    if models.is_empty() {
        return Err(missing("models"));
    }
    let output = |m: &Object<'_>| {
        Ok(ModelOutput { model_id: m.required("model_id")?, step: m.int("step")?.unwrap_or_default() })
    };
    let models = models.iter().map(output).collect::<Answer<Vec<_>>>()?;
    app.tracking.log_outputs(&run_id, models).await.map_err(told)?;
    Ok(empty())
}

/// `runs/log-model`
pub async fn log_model(who: Writes, State(app): State<App>, params: Params) -> Answer<Json<Empty>> {
    let (id, model) = (changed(&app, &who, &params)?, params.object().required("model_json")?);
    app.tracking.log_model(&id, &model).await.map_err(told)?;
    Ok(empty())
}

/// `runs/search`
pub async fn search(_: Reads, State(app): State<App>, params: Params) -> Answer<Response> {
    let object = params.object();
    let (experiments, ask) = (object.texts("experiment_ids")?, ask(&object, "run_view_type")?);
    let page = app.tracking.search_runs(&experiments, &ask).await.map_err(told)?;
    if page.runs.is_empty() {
        return Ok(json_text("{}"));
    }
    let tail = match &page.next_page_token {
        Some(token) => format!("],\"next_page_token\":{}}}", json!(token)),
        None => "]}".to_owned(),
    };
    // The first part before the answer begins, so that its failure can still be told.
    let (first, rest) = page.runs.split_at(page.runs.len().min(CHUNK));
    let head = part(&app, first, "{\"runs\":[").await.map_err(told)?;
    if rest.is_empty() {
        return Ok(json_text(head + &tail));
    }
    let chunks: Vec<Vec<i64>> = rest.chunks(CHUNK).map(<[i64]>::to_vec).collect();
    let rest = stream::iter(chunks).then(move |runs| {
        let app = app.clone();
        async move { part(&app, &runs, ",").await }
    });
    let text = stream::once(async { Ok(head) }).chain(rest).chain(stream::once(async { Ok(tail) }));
    Ok(json_text(Body::from_stream(text.map_err(|error| {
        tracing::error!(%error, "a search broke off");
        error
    }))))
}

/// Runs as JSON texts with commas between, after what begins this part.
async fn part(app: &App, runs: &[i64], begin: &str) -> Result<String, ::runs::Error> {
    let documents = app.tracking.documents(runs).await?;
    let mut text =
        String::with_capacity(begin.len() + documents.iter().map(|d| d.len() + 1).sum::<usize>() + 64);
    text.push_str(begin);
    for (at, document) in documents.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(document);
    }
    Ok(text)
}
