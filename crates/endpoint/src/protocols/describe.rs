//! What the protocols tell of a model without scoring: metadata, readiness, statistics, the list of models.

use super::route::{Operation, Route};
use super::words::no_such_model;
use super::{data, json};
use crate::outcome::Outcome;
use crate::python::Described;
use domain::{Label, Signature, Task};
use http::{Method, StatusCode};
use serde_json::{Value, json as value};

/// A deployment as the protocols see it.
#[derive(Debug, Clone, Copy)]
pub struct Running<'a> {
    /// Its name.
    pub deployment: &'a str,
    /// The version of its model.
    pub version: u32,
    /// What its model takes and answers; none when it is not ready.
    pub about: Option<About<'a>>,
}

/// What is known of a model.
#[derive(Debug, Clone, Copy)]
pub enum About<'a> {
    /// Run by this program, in the engine of that name.
    Native(&'a Signature, &'a str),
    /// Run by Python workers.
    Python(&'a Described),
}

/// Calls answered so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    /// Calls answered well.
    pub succeeded: u64,
    /// Nanoseconds of those.
    pub succeeded_ns: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Nanoseconds of those.
    pub failed_ns: u64,
    /// Rows scored.
    pub rows: u64,
}

/// What is known of an endpoint.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The endpoint's name.
    pub model: &'a str,
    /// Its deployments.
    pub running: Vec<Running<'a>>,
    /// The one that answers this call.
    pub chosen: Option<usize>,
    /// What was counted.
    pub totals: Totals,
}

/// Answers what is asked of an endpoint without a body.
pub fn describe(route: &Route<'_>, method: &Method, facts: &Facts<'_>) -> Outcome {
    if !route.operation.takes(method) {
        return super::dressed(route.operation, Outcome::not_allowed(route.operation.allow()));
    }
    if route.model.is_some_and(|model| model != facts.model) {
        return no_such_model(route.model.unwrap_or_default(), None);
    }
    let chosen = facts.chosen.and_then(|at| facts.running.get(at));
    if chosen.is_none() && route.version.is_some() {
        return no_such_model(facts.model, route.version);
    }
    let ready = chosen.is_some_and(|running| running.about.is_some());
    match route.operation {
        Operation::Server => server(),
        Operation::Live => live("live", true),
        Operation::Ready => live("ready", ready),
        Operation::Index => index(std::slice::from_ref(facts)),
        Operation::ModelReady | Operation::V1Model => with_status(
            &value!({ "name": facts.model, "ready": ready }),
            if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE },
        ),
        Operation::Model => match chosen.and_then(|running| running.about) {
            Some(about) => json(metadata(facts, about).to_string()),
            None => super::dressed(
                route.operation,
                Outcome::problem(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "no deployment of the model is ready",
                    "not ready",
                ),
            ),
        },
        Operation::Stats => json(stats(facts, chosen).to_string()),
        Operation::Ping => pong(ready),
        Operation::Version => {
            Outcome::new(StatusCode::OK, "text/plain; charset=utf-8", env!("CARGO_PKG_VERSION"))
        }
        Operation::Infer | Operation::V1Predict | Operation::Invocations => {
            Outcome::not_allowed(route.operation.allow())
        }
    }
}

fn with_status(value: &Value, status: StatusCode) -> Outcome {
    let mut outcome = json(value.to_string());
    outcome.status = status;
    outcome
}

/// `v2`: what serves, and which extensions of the protocol it knows.
pub fn server() -> Outcome {
    let about = value!({
        "name": "portcullis",
        "version": env!("CARGO_PKG_VERSION"),
        "extensions": ["binary_tensor_data", "parameters", "statistics"],
    });
    json(about.to_string())
}

/// `v2/health/live` and `ready`: both members on both, since the specification's prose and its schema differ.
pub fn live(what: &'static str, is: bool) -> Outcome {
    let status = if is { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut members = serde_json::Map::from_iter([("live".to_owned(), Value::Bool(true))]);
    if what == "ready" {
        members.insert("live".to_owned(), Value::Bool(is));
        members.insert("ready".to_owned(), Value::Bool(is));
    }
    with_status(&Value::Object(members), status)
}

/// `ping` and `health`: one line break, or 404 without a model.
pub fn pong(ready: bool) -> Outcome {
    let status = if ready { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let mut outcome = Outcome::new(status, "application/json", "\n");
    outcome.extra.failed = None;
    outcome
}

/// `v2/repository/index` over some endpoints: one entry a version.
pub fn index(all: &[Facts<'_>]) -> Outcome {
    let mut entries = Vec::new();
    for facts in all {
        let mut versions: Vec<(u32, bool)> =
            facts.running.iter().map(|r| (r.version, r.about.is_some())).collect();
        versions.sort_unstable();
        versions.dedup();
        entries.extend(versions.into_iter().map(|(version, ready)| {
            let (state, reason) =
                if ready { ("READY", "") } else { ("UNAVAILABLE", "the model cannot be loaded") };
            value!({ "name": facts.model, "version": version.to_string(), "state": state, "reason": reason })
        }));
    }
    json(Value::Array(entries).to_string())
}

fn metadata(facts: &Facts<'_>, about: About<'_>) -> Value {
    let mut versions: Vec<u32> = facts.running.iter().map(|r| r.version).collect();
    versions.sort_unstable();
    versions.dedup();
    let (platform, inputs, outputs) = match about {
        About::Native(signature, _) => ("onnx_onnxv1", inputs(signature), outputs(signature)),
        About::Python(described) => {
            (described.platform.as_str(), value!(described.inputs), value!(described.outputs))
        }
    };
    let mut told = value!({
        "name": facts.model,
        "versions": versions.iter().map(u32::to_string).collect::<Vec<_>>(),
        "platform": platform,
        "inputs": inputs,
        "outputs": outputs,
    });
    if let About::Native(_, engine) = about {
        told["parameters"] = value!({ "engine": engine });
    }
    told
}

/// The columns, one tensor each.
fn inputs(signature: &Signature) -> Value {
    let one = |f: &domain::Feature| value!({ "name": f.name, "datatype": data::datatype(f.kind).word(), "shape": [-1, 1] });
    signature.inputs.iter().map(one).collect()
}

/// The class and the probabilities, or the value.
fn outputs(signature: &Signature) -> Value {
    let output = |name: &str, datatype: &str, shape: Vec<i64>| value!({ "name": name, "datatype": datatype, "shape": shape });
    if signature.output.task == Task::Regression {
        return value!([output(data::VALUE, "FP32", vec![-1])]);
    }
    let kind = match signature.output.classes.first() {
        Some(Label::Integer(_)) => "INT64",
        Some(Label::Boolean(_)) => "BOOL",
        _ => "BYTES",
    };
    let classes = i64::try_from(signature.output.classes.len()).ok().filter(|n| *n > 0).unwrap_or(-1);
    value!([output(data::LABEL, kind, vec![-1]), output(data::PROBABILITIES, "FP32", vec![-1, classes])])
}

fn stats(facts: &Facts<'_>, chosen: Option<&Running<'_>>) -> Value {
    let Totals { succeeded, succeeded_ns, failed, failed_ns, rows } = facts.totals;
    let span = |count: u64, ns: u64| value!({ "count": count, "ns": ns });
    value!({ "model_stats": [{
        "name": facts.model,
        "version": chosen.map_or_else(String::new, |r| r.version.to_string()),
        "inference_count": rows,
        "execution_count": succeeded,
        "inference_stats": { "success": span(succeeded, succeeded_ns), "fail": span(failed, failed_ns) },
        "batch_stats": [],
    }] })
}
