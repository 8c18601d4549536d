//! `model reproduce`: does the work of a version's run once more and compares the bytes.

use crate::cli::automl::{finished, watch};
use crate::cli::data::reference;
use crate::session::Session;
use domain::{DataVersion, Digest, Fault, Job, JobKind, Lineage, ModelVersion};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The file a run writes its model to.
const MODEL: &str = "model.onnx";
/// Facts of a result that must be the same when the bytes are.
const COMPARED: [&str; 5] = ["made_by", "task", "metric", "score", "members"];

/// Repeats the run that made a version: same data, specification and seed, as many trials as counted, no time limit.
pub async fn reproduce(session: &Session, model: &str) -> Result<(), Fault> {
    let (name, version) = reference(model);
    let found: ModelVersion =
        session.client.get(&format!("/api/v1/models/{name}/versions/{version}")).await?;
    let (made, lineage) = origin(session, &found).await?;
    same_data(session, &lineage).await?;
    let ask = again(&made, &lineage)?;
    let trials = ask["max_trials"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let job: Job = session.client.post("/api/v1/jobs", &ask).await?;
    let job = finished(session, watch(session, &job, trials).await?)?;
    let kept = &job.result["files"][MODEL];
    let digest: Digest = serde_json::from_value(kept["digest"].clone())
        .map_err(|_| Fault::internal(format!("run {} kept no {MODEL}", job.id)))?;
    if digest != found.digest {
        let text = format!(
            "{name}:{version} is not reproduced: sha256 {} became {}{}",
            found.digest.hex(),
            digest.hex(),
            differences(&made.result, &job.result)
        );
        return Err(Fault::conflict(text));
    }
    let answer = json!({ "model": found.model, "version": found.version, "digest": digest, "run": job.id, "same": true });
    session.out.value(&answer, |_| {
        format!(
            "{name}:{version} is reproduced by run {}: {} bytes, sha256 {}",
            job.id,
            kept["bytes"],
            digest.hex()
        )
    });
    Ok(())
}

/// The search that made a version, and its data.
async fn origin(session: &Session, version: &ModelVersion) -> Result<(Job, Lineage), Fault> {
    let (Some(run), Some(lineage)) = (&version.run, &version.lineage) else {
        let text = format!(
            "{}:{} was registered from a file: no run is known that made it",
            version.model, version.version
        );
        return Err(Fault::invalid(text));
    };
    let job: Job = session.client.get(&format!("/api/v1/jobs/{run}")).await?;
    if job.kind != JobKind::Automl {
        return Err(Fault::invalid(format!(
            "run {run} is no search: only automl runs can be repeated to the byte"
        )));
    }
    Ok((job, lineage.clone()))
}

/// Refuses data that is not what the run read.
async fn same_data(session: &Session, lineage: &Lineage) -> Result<(), Fault> {
    let route = format!("/api/v1/data/{}/versions/{}", lineage.data, lineage.data_version);
    let data: DataVersion = session.client.get(&route).await?;
    if data.digest == lineage.data_digest {
        return Ok(());
    }
    let (name, version) = (&lineage.data, lineage.data_version);
    let (here, read) = (data.digest.hex(), lineage.data_digest.hex());
    Err(Fault::conflict(format!("{name}:{version} is other data here: sha256 {here}, the run read {read}")))
}

/// The run's own specification with the work that was really done.
fn again(made: &Job, lineage: &Lineage) -> Result<Value, Fault> {
    let mut ask = made.spec.clone();
    let reached = made.result["work"]["reached"].as_u64().or(made.result["work"]["trials"].as_u64());
    let (Some(members), Some(reached)) = (ask.as_object_mut(), reached) else {
        return Err(Fault::invalid(format!("run {} did not record how much work it did", made.id)));
    };
    members.remove("register_as");
    members.remove("time_limit");
    members.remove("trial_time_limit");
    members.insert("max_trials".to_owned(), json!(reached));
    if let rows @ Value::Number(_) = &made.result["work"]["fit_rows"] {
        members.insert("fit_rows".to_owned(), rows.clone());
    }
    for list in ["left_out", "from_fold"] {
        let numbers = made.result["work"][list].clone();
        members.insert(list.to_owned(), if numbers.is_array() { numbers } else { json!([]) });
    }
    members.insert("data".to_owned(), json!(lineage.data));
    members.insert("data_version".to_owned(), json!(lineage.data_version));
    Ok(ask)
}

/// What two results say differently.
fn differences(before: &Value, after: &Value) -> String {
    let mut text = String::new();
    for name in COMPARED.iter().filter(|name| before[**name] != after[**name]) {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{name}: {} became {}", before[*name], after[*name]);
    }
    if text.is_empty() {
        text.push_str("; both runs tell the same of themselves");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let before = json!({ "made_by": { "program": "a 1" }, "score": 0.5 });
        let after = json!({ "made_by": { "program": "a 2" }, "score": 0.5 });
        let text = differences(&before, &after);
        assert!(text.contains("made_by") && text.contains("a 2") && !text.contains("score"), "{text}");
        assert!(differences(&before, &before).contains("the same of themselves"));
    }
}
