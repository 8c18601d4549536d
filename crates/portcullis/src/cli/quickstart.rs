//! `quickstart`: the whole road on the shipped example or your table, each step over the server's own HTTP surface.

use crate::cli::Global;
use crate::cli::automl::{finished, importance, leaderboard, metrics, watch};
use crate::cli::data::{Register, profile, registered};
use crate::cli::host::Host;
use crate::cli::published::{Published, publish};
use crate::cli::quickstart_proof::{curl, prove, python, row, wanted};
use crate::client::segment;
use crate::session::Session;
use crate::show::{Printer, line};
use bytes::Bytes;
use clap::Args;
use domain::{DataVersion, Endpoint, Fault, Job, JobStatus, ModelVersion, Name, Trial};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// The shipped table: UCI Statlog German Credit, see examples/german-credit/README.md.
const EXAMPLE: &[u8] = include_bytes!("../../../../examples/german-credit/german_credit_data.csv");

/// Trials of the leaderboard that are shown.
const LEADERBOARD: usize = 12;

/// `quickstart`.
#[derive(Debug, Args)]
pub struct Quickstart {
    /// Your table instead of the shipped one
    #[arg(long, requires = "target", value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// The column to predict
    #[arg(long, requires = "data", value_name = "COL")]
    pub target: Option<String>,
    #[command(flatten)]
    pub host: Host,
    /// The budget in trials
    #[arg(long, default_value_t = runs::DEFAULT_TRIALS)]
    pub max_trials: u32,
}

/// What the road is made of: every name on it.
pub struct Road {
    /// Asset, model, endpoint and API carry the same name.
    pub name: Name,
    /// The column to predict.
    pub target: String,
    /// Whether it is the shipped example.
    pub shipped: bool,
}

impl Quickstart {
    /// Walks the road; with `--once` ends after the proof.
    pub async fn run(self, global: Global) -> Result<ExitCode, Fault> {
        let road = self.road()?;
        self.host.run(&global, async |session| self.walk(session, &road, &global).await).await
    }

    fn road(&self) -> Result<Road, Fault> {
        let (Some(data), Some(target)) = (&self.data, &self.target) else {
            return Ok(Road { name: Name::new("german-credit")?, target: "Risk".to_owned(), shipped: true });
        };
        let stem = data.file_stem().and_then(|s| s.to_str()).unwrap_or("table");
        Ok(Road { name: fit(stem)?, target: target.clone(), shipped: false })
    }

    async fn walk(&self, session: &Session, road: &Road, global: &Global) -> Result<(), Fault> {
        let out = session.out;
        heading(out, 1, "data");
        let data = self.data(session, road).await?;
        heading(out, 2, "automl");
        let job = self.train(session, road, &data).await?;
        heading(out, 3, "registry");
        let model = model(session, road, &job).await?;
        heading(out, 4, "endpoint, closed");
        let endpoint = endpoint(session, road, &model).await?;
        heading(out, 5, "gateway");
        let published = publish(session, &wanted(road, global), &endpoint).await?;
        let body = json!({ "data": [row(road, &model)] });
        let proof = prove(session, road, &model, &published).await?;
        heading(out, 6, "what there is now");
        self.report(session, &job, (&published, &body), proof).await
    }

    async fn data(&self, session: &Session, road: &Road) -> Result<DataVersion, Fault> {
        let (version, created) = match &self.data {
            Some(file) => file_register(road, file).carry_out(session).await?,
            None => {
                let route = format!(
                    "/api/v1/data/{}/versions?description=UCI%20Statlog%20German%20Credit",
                    road.name
                );
                let body = stream::once(async { Ok(Bytes::from_static(EXAMPLE)) }).boxed();
                let answer: Value = session.client.upload(&route, body).await?;
                let created = answer["is_new"].as_bool().unwrap_or_default();
                (serde_json::from_value(answer).map_err(|e| Fault::internal(e.to_string()))?, created)
            }
        };
        session.out.say(&format!("{}\n\n{}", registered(&version, created), profile(&version)));
        Ok(version)
    }

    /// Trains, or goes on from a completed run on the same data and target.
    async fn train(&self, session: &Session, road: &Road, data: &DataVersion) -> Result<Job, Fault> {
        let jobs: Vec<Job> = session.client.get("/api/v1/jobs").await?;
        let same = |job: &Job| {
            job.lineage.as_ref().is_some_and(|from| from.data_digest == data.digest)
                && job.spec["target"] == json!(road.target)
                && job.spec["register_as"] == json!(road.name)
        };
        let found =
            jobs.into_iter().filter(same).find(|j| j.status == JobStatus::Completed || !j.status.is_final());
        let job = match found {
            Some(job) if job.status == JobStatus::Completed => {
                session.out.say(&format!("run {} has learned this table already: not trained again", job.id));
                return Ok(job);
            }
            Some(job) => {
                session.out.say(&format!("run {} is at it already: watching", job.id));
                job
            }
            None => {
                let ask = json!({
                    "data": data.name, "data_version": data.version, "target": road.target, "max_trials": self.max_trials,
                    "seed": 42, "register_as": road.name, "experiment": "quickstart",
                });
                session.client.post("/api/v1/jobs", &ask).await?
            }
        };
        let job = finished(session, watch(session, &job, self.max_trials).await?)?;
        let seconds = job.ended.zip(job.started).map_or(0.0, |(e, s)| (e.micros() - s.micros()) as f64 / 1e6);
        session.out.say(&format!(
            "run {} completed in {seconds:.1} s: {} {:.4}",
            job.id,
            job.result["metric"].as_str().unwrap_or("score"),
            job.result["score"].as_f64().unwrap_or(f64::NAN)
        ));
        Ok(job)
    }

    async fn report(
        &self,
        session: &Session,
        job: &Job,
        (published, body): (&Published, &Value),
        proof: Value,
    ) -> Result<(), Fault> {
        let trials: Vec<Trial> = session.client.get(&format!("/api/v1/jobs/{}/trials", job.id)).await?;
        let value = json!({ "job": job, "trials": trials, "proof": proof });
        if session.out.json() {
            session.out.value(&value, |_| String::new());
            return Ok(());
        }
        line(&format!(
            "leaderboard\n{}\n\nmetrics (out of fold)\n{}\n\nfeature importance (permutation)\n{}",
            leaderboard(job, &trials, LEADERBOARD),
            metrics(job),
            importance(job)
        ));
        line(&format!(
            "\nscore with curl\n{}\n\nscore with Python\n{}\n",
            curl(published, body),
            python(published, body)
        ));
        line(&format!("Swagger UI   {}\nswagger.json {}\n", published.docs_url(), published.swagger_url()));
        line(&format!(
            "request log of the calls just made\n{}",
            proof["log_table"].as_str().unwrap_or_default()
        ));
        Ok(())
    }
}

/// A text as a name: what is no letter, digit or mark of a name becomes a dash.
pub fn fit(text: &str) -> Result<Name, Fault> {
    let fit: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    Name::new(fit.trim_matches('-'))
}

/// A step's title.
pub fn heading(out: Printer, number: u32, title: &str) {
    out.say(&format!("\n{number} ── {title} ──"));
}

fn file_register(road: &Road, file: &std::path::Path) -> Register {
    Register::of(road.name.as_str(), file)
}

/// The model version the run registered.
async fn model(session: &Session, road: &Road, job: &Job) -> Result<ModelVersion, Fault> {
    let versions: Vec<ModelVersion> =
        session.client.get(&format!("/api/v1/models/{}/versions", segment(road.name.as_str()))).await?;
    let model = versions.into_iter().find(|v| v.run.as_ref() == Some(&job.id));
    let model = model
        .ok_or_else(|| Fault::internal(format!("run {} registered no version of {}", job.id, road.name)))?;
    let inputs: Vec<&str> = model.signature.inputs.iter().map(|f| f.name.as_str()).collect();
    let from = model.lineage.as_ref().map(|l| format!("{}:{}", l.data, l.data_version)).unwrap_or_default();
    session.out.say(&format!(
        "{}:{} · ONNX, {} · from {from} by run {}\ntakes {}\nanswers {} ({})",
        model.model,
        model.version,
        crate::show::size(model.bytes),
        job.id,
        inputs.join(", "),
        model.signature.output.name,
        model.signature.output.classes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
    ));
    Ok(model)
}

/// The endpoint with the version deployed; what is there is kept.
async fn endpoint(session: &Session, road: &Road, model: &ModelVersion) -> Result<Endpoint, Fault> {
    let client = &session.client;
    let route = format!("/api/v1/endpoints/{}", segment(road.name.as_str()));
    let all: Vec<Endpoint> = client.get("/api/v1/endpoints").await?;
    if all.iter().any(|e| e.name == road.name) {
        session.out.say(&format!("endpoint {} is there", road.name));
    } else {
        let body = json!({ "name": road.name, "docs_public": true, "description": "made by quickstart" });
        let _: Endpoint = client.post("/api/v1/endpoints", &body).await?;
        session.out.say(&format!("created endpoint {}", road.name));
    }
    let deployments: Vec<domain::Deployment> = client.get(&format!("{route}/deployments")).await?;
    if deployments.iter().any(|d| d.model == model.model && d.version == model.version) {
        session.out.say(&format!("{}:{} is deployed", model.model, model.version));
    } else {
        let body = json!({ "name": "blue", "model": format!("{}:{}", model.model, model.version), "all_traffic": true });
        let made: domain::Deployment = client.post(&format!("{route}/deployments"), &body).await?;
        session
            .out
            .say(&format!("deployed {}:{} as {}/{}", made.model, made.version, made.endpoint, made.name));
    }
    client.get(&route).await
}
