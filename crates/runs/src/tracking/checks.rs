//! What may be logged: limits and names, refused in the protocol's own words.

use crate::error::{Error, Result};
use domain::tracking::{DatasetInput, LogBatch, NewMetric, Pair};
use serde_json::{Value, json};
use store::tracking::Page;

/// The longest body of a batch in bytes.
pub const BATCH_BYTES: usize = 1_000_000;
/// The most keys of an order.
pub const ASKED_MAX: usize = 32;

const METRICS: usize = 1000;
const PARAMS_TAGS: usize = 100;
const ENTITIES: usize = 1000;
const DATASETS: usize = 1000;
const KEY: usize = 250;
const PARAM_VALUE: usize = 6000;
const TAG_VALUE: usize = 8000;
const EXPERIMENT_NAME: usize = 500;
const EXPERIMENT_TAG_VALUE: usize = 20_000;
const SEARCH_DEFAULT: i64 = 1000;
const SEARCH_MAX: i64 = 50_000;

fn refused(text: impl Into<String>) -> Error {
    Error::Submission(text.into())
}

fn invalid(path: &str, value: &str, why: &str) -> Error {
    refused(format!("Invalid value {} for parameter '{path}' supplied: {why}", json!(value)))
}

fn within(what: &str, limit: usize, value: &str) -> Result<()> {
    // Characters are at most bytes: counted only where it matters.
    if value.len() > limit && value.chars().count() > limit {
        return Err(refused(format!("'{what}' exceeds the maximum length of {limit} characters")));
    }
    Ok(())
}

/// The place of an item: `metrics[3].name`, or the field alone.
fn path(place: Option<(&str, usize)>, field: &str) -> String {
    match place {
        None => field.to_owned(),
        Some((list, at)) => format!("{list}[{at}].{field}"),
    }
}

/// A key of a metric, a parameter or a tag: it may become a file's name.
fn key(name: &str, place: Option<(&str, usize)>, field: &str) -> Result<()> {
    if name.is_empty() {
        return Err(refused(format!("Missing value for required parameter '{}'.", path(place, field))));
    }
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '/' | '.' | '-' | ' ' | ':');
    if !name.chars().all(plain) {
        let why = "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).";
        return Err(invalid(&path(place, field), name, why));
    }
    if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        let why = "Names may be treated as files in certain cases, and must not resolve to other names when treated as such.";
        return Err(invalid(&path(place, field), name, why));
    }
    Ok(())
}

fn value(what: &str, limit: usize, text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(refused(format!("'{what}' contains a NUL character")));
    }
    within(what, limit, text)
}

/// The id of an experiment.
pub(super) fn experiment_id(id: &str) -> Result<i64> {
    let parsed = id.parse().ok().filter(|id: &i64| *id >= 0);
    parsed.ok_or_else(|| {
        refused(format!("Invalid experiment ID '{id}'. Experiment ID must be a valid integer."))
    })
}

/// The id of a run.
pub(super) fn run_id(id: &str) -> Result<()> {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-');
    let good = id.len() <= 256
        && id.bytes().all(plain)
        && id.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if good {
        Ok(())
    } else {
        Err(refused(format!("Invalid value {} for parameter 'run_id' supplied.", json!(id))))
    }
}

/// How many a search gives.
pub(super) fn max_results(asked: Option<i64>) -> Result<u64> {
    let asked = asked.unwrap_or(SEARCH_DEFAULT);
    if !(1..=SEARCH_MAX).contains(&asked) {
        return Err(refused(format!(
            "Invalid value {asked} for parameter 'max_results' supplied. It must be a positive integer of at most {SEARCH_MAX}."
        )));
    }
    Ok(asked.unsigned_abs())
}

fn bad_token(token: &str) -> Error {
    refused(format!("Invalid page token {}: send the next_page_token of the page before", json!(token)))
}

/// The token of a page of a search by offset.
pub(super) fn offset(token: Option<&str>) -> Result<u64> {
    match token.filter(|token| !token.is_empty()) {
        None => Ok(0),
        Some(token) => {
            token.parse().ok().filter(|at| *at <= i64::MAX as u64 / 2).ok_or_else(|| bad_token(token))
        }
    }
}

/// The token of a page of runs.
pub(super) fn page(token: Option<&str>) -> Result<Page> {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(Page::First) };
    match token.strip_prefix('a').and_then(|rest| rest.split_once('.')) {
        Some((start, id)) => {
            run_id(id).map_err(|_| bad_token(token))?;
            Ok(Page::After(start.parse().map_err(|_| bad_token(token))?, id.to_owned()))
        }
        None => offset(Some(token)).map(Page::Skip),
    }
}

/// A page as its token.
pub(super) fn page_token(page: &Page) -> String {
    match page {
        Page::First => "0".to_owned(),
        Page::Skip(skip) => skip.to_string(),
        Page::After(start, id) => format!("a{start}.{id}"),
    }
}

/// The name of an experiment.
pub(super) fn experiment_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(refused("Invalid experiment name: ''"));
    }
    value("name", EXPERIMENT_NAME, name)
}

/// The name of a run: it is also a tag.
pub(super) fn run_name(name: &str) -> Result<()> {
    value("run_name", TAG_VALUE, name)
}

/// A tag of an experiment.
pub(super) fn experiment_tag(tag: &Pair) -> Result<()> {
    key(&tag.key, None, "key")?;
    within("key", KEY, &tag.key)?;
    value("value", EXPERIMENT_TAG_VALUE, &tag.value)
}

/// Where an experiment's artifacts go: no fragment, nothing that leads out of a folder, also when it is encoded.
pub(super) fn location(location: &str) -> Result<()> {
    let wrong = |why: &str| Err(invalid("artifact_location", location, why));
    if location.starts_with("runs:") {
        return wrong("an artifact location cannot be a runs:/ URI");
    }
    let scheme = location.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    });
    if !scheme && !location.starts_with('/') {
        return wrong("a relative path means another folder on each machine: write a URI");
    }
    if location.contains('#') || location.contains('\0') {
        return wrong("it holds a fragment");
    }
    let mut text = location.to_owned();
    // What is decoded elsewhere once more must not become a traversal then.
    for _ in 0..3 {
        let leads_out = |part: &str| part == "..";
        if text.split(['/', '\\', '?', '&', '=']).any(leads_out) {
            return wrong("it leads out of its folder");
        }
        text = decoded(&text);
    }
    within("artifact_location", EXPERIMENT_NAME, location)
}

/// Percent signs resolved once; only what a path is made of matters.
fn decoded(text: &str) -> String {
    text.replace("%2e", ".")
        .replace("%2E", ".")
        .replace("%2f", "/")
        .replace("%2F", "/")
        .replace("%5c", "\\")
        .replace("%5C", "\\")
        .replace("%25", "%")
}

fn metric(metric: &NewMetric, place: Option<(&str, usize)>) -> Result<()> {
    key(&metric.key, place, "name")?;
    within("Metric name", KEY, &metric.key)?;
    if metric.point.timestamp < 0 {
        return Err(refused(format!(
            "Invalid value {} for parameter '{}' supplied: metric '{}' (value={}). Timestamp must be a nonnegative long (64-bit integer) ",
            metric.point.timestamp,
            path(place, "timestamp"),
            metric.key,
            metric.point.value
        )));
    }
    Ok(())
}

fn param(param: &Pair, place: Option<(&str, usize)>) -> Result<()> {
    key(&param.key, place, "key")?;
    within("Param key", KEY, &param.key)?;
    value("Param value", PARAM_VALUE, &param.value)
}

/// A tag of a run.
pub(super) fn tag(tag: &Pair, place: Option<(&str, usize)>) -> Result<()> {
    key(&tag.key, place, "key")?;
    within(&path(place, "key"), KEY, &tag.key)?;
    value(&path(place, "value"), TAG_VALUE, &tag.value)
}

fn at_most(what: &str, limit: usize, count: usize) -> Result<()> {
    if count <= limit {
        return Ok(());
    }
    Err(refused(format!(
        "A batch logging request can contain at most {limit} {what}. Got {count} {what}. Please split up {what} across \
         multiple requests and try again."
    )))
}

/// Values that are too long lose their end, as MLflow's server takes it by default (`MLFLOW_TRUNCATE_LONG_VALUES`).
pub(super) fn shortened(mut batch: LogBatch) -> LogBatch {
    batch.params.iter_mut().for_each(|param| shorten(&mut param.value, PARAM_VALUE));
    shorten_tags(&mut batch.tags);
    batch
}

/// The same for tags alone.
pub(super) fn shorten_tags(tags: &mut [Pair]) {
    tags.iter_mut().for_each(|tag| shorten(&mut tag.value, TAG_VALUE));
}

fn shorten(text: &mut String, limit: usize) {
    if text.len() > limit
        && let Some((at, _)) = text.char_indices().nth(limit)
    {
        text.truncate(at);
    }
}

/// What one batch may hold.
pub(super) fn batch(batch: &LogBatch) -> Result<()> {
    run_id(&batch.run_id)?;
    let (metrics, params, tags) = (batch.metrics.len(), batch.params.len(), batch.tags.len());
    at_most("metrics", METRICS, metrics)?;
    at_most("params", PARAMS_TAGS, params)?;
    at_most("tags", PARAMS_TAGS, tags)?;
    at_most("metrics, params, and tags", ENTITIES, metrics + params + tags)?;
    items(batch, |list, at| Some((list, at)))
}

/// The same for a call that logs one thing.
pub(super) fn one(batch: &LogBatch) -> Result<()> {
    run_id(&batch.run_id)?;
    items(batch, |_, _| None)
}

fn items(batch: &LogBatch, place: fn(&'static str, usize) -> Option<(&'static str, usize)>) -> Result<()> {
    for (at, item) in batch.metrics.iter().enumerate() {
        metric(item, place("metrics", at))?;
    }
    for (at, item) in batch.params.iter().enumerate() {
        param(item, place("params", at))?;
    }
    for (at, item) in batch.tags.iter().enumerate() {
        tag(item, place("tags", at))?;
    }
    Ok(())
}

/// What may be told of datasets.
pub(super) fn datasets(inputs: &[DatasetInput]) -> Result<()> {
    if inputs.len() > DATASETS {
        return Err(refused(format!("A call can log at most {DATASETS} datasets. Got {}.", inputs.len())));
    }
    for input in inputs {
        let dataset = &input.dataset;
        value("Dataset name", 500, &dataset.name)?;
        value("Dataset digest", 36, &dataset.digest)?;
        value("Dataset source", 65_535, &dataset.source)?;
        value("Dataset schema", 1_048_575, dataset.schema.as_deref().unwrap_or_default())?;
        value("Dataset profile", 16_777_215, dataset.profile.as_deref().unwrap_or_default())?;
        for tag in &input.tags {
            value("InputTag key", 255, &tag.key)?;
            value("InputTag value", 500, &tag.value)?;
        }
    }
    Ok(())
}

/// A model as older clients describe it.
pub(super) fn model_json(text: &str) -> Result<Value> {
    let model: Value = serde_json::from_str(text)
        .map_err(|e| refused(format!("Malformed model info: it is no JSON: {e}")))?;
    let needed = ["artifact_path", "flavors", "utc_time_created", "run_id"];
    let missing: Vec<&str> = needed.into_iter().filter(|member| model.get(member).is_none()).collect();
    if missing.is_empty() {
        return Ok(model);
    }
    Err(refused(format!("Model json is missing mandatory fields: {}", missing.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_plain_and_no_other_name_for_the_same_file() {
        for good in ["loss", "val/loss", "größe 2", "a:b.c-d_e"] {
            assert!(key(good, None, "key").is_ok(), "{good}");
        }
        for bad in ["", "a\\b", "../x", "/x", "a//b", "a/./b", "a/", ".", "x\0", "a*b"] {
            assert!(key(bad, None, "key").is_err(), "{bad}");
        }
        let told = key("a*", Some(("metrics", 2)), "name").unwrap_err().to_string();
        assert!(
            told.starts_with("Invalid value \"a*\" for parameter 'metrics[2].name' supplied: Names may only"),
            "{told}"
        );
    }

    #[test]
    fn limits_are_where_the_protocol_says() {
        let long = |n: usize| "x".repeat(n);
        let log = |params, tags| LogBatch { run_id: "a".into(), params, tags, ..LogBatch::default() };
        assert!(batch(&log(vec![Pair::new("k", long(6000))], vec![Pair::new("k", long(8000))])).is_ok());
        assert!(batch(&log(vec![Pair::new("k", long(6001))], vec![])).is_err());
        assert!(batch(&log(vec![], vec![Pair::new("k", long(8001))])).is_err());
        let cut = shortened(log(vec![Pair::new("k", "ä".repeat(6001))], vec![Pair::new("k", long(9000))]));
        assert_eq!((cut.params[0].value.chars().count(), cut.tags[0].value.len()), (6000, 8000));
        assert!(batch(&cut).is_ok());
        assert!(batch(&log(vec![Pair::new(long(251), "v")], vec![])).is_err());
        let many = |n: usize| (0..n).map(|i| Pair::new(format!("k{i}"), "v")).collect::<Vec<_>>();
        assert!(batch(&log(many(100), many(100))).is_ok());
        let told = batch(&log(many(101), vec![])).unwrap_err().to_string();
        assert!(
            told.starts_with("A batch logging request can contain at most 100 params. Got 101 params."),
            "{told}"
        );
        let mut full = log(many(1), vec![]);
        full.metrics = (0..1000).map(|i| NewMetric::new("m", 1.0, 1, i)).collect();
        assert!(batch(&full).unwrap_err().to_string().contains("metrics, params, and tags"));
        assert!(experiment_name(&long(500)).is_ok() && experiment_name(&long(501)).is_err());
        assert!(run_id("a-b_c").is_ok() && run_id("-a").is_err() && run_id("a/b").is_err());
        assert_eq!((max_results(None).unwrap(), max_results(Some(50_000)).unwrap()), (1000, 50_000));
        assert!(max_results(Some(50_001)).is_err() && max_results(Some(0)).is_err());
    }

    #[test]
    fn tokens_and_locations_are_checked() {
        for token in ["a17.0123abc", "40"] {
            assert_eq!(page_token(&page(Some(token)).unwrap()), token);
        }
        for bad in ["x", "a1", "a.b", "a1.b/c", "-1", "99999999999999999999"] {
            assert!(page(Some(bad)).is_err(), "{bad}");
        }
        for good in ["s3://bucket/a", "mlflow-artifacts:/x", "/data/runs", "file:///a..b/c"] {
            assert!(location(good).is_ok(), "{good}");
        }
        for bad in [
            "/a/../b",
            "s3://b/#x",
            "/a/%2e%2e/b",
            "/a/%252e%252e/b",
            "s3://b?x=../y",
            "runs:/x",
            "..\\x",
            "a/b",
        ] {
            assert!(location(bad).is_err(), "{bad}");
        }
    }
}
