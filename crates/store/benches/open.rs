//! How long a data directory takes to open, and what a durable change costs, with 10,000 jobs and 100 models in it.
//!
//! `cargo bench -p portcullis-store --bench open`. The folder lies where temporary files lie: on a disk without a real sync
//! (tmpfs) the changes look cheaper than they are.

use domain::{
    Actor, Digest, Endpoint, EndpointAuth, Job, JobKind, JobStatus, Lineage, Name, RunId, Signature, Target,
    Task, Timestamp, Version,
};
use portcullis_store::{NewModelVersion, Store};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::time::Instant;

const JOBS: u32 = 10_000;
const MODELS: u32 = 100;
const OPENS: usize = 21;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut out = std::io::stdout();
    let dir = tempfile::tempdir()?;
    let start = Instant::now();
    let store = Store::open(dir.path()).await?;
    writeln!(out, "{:>8.2} ms  open, new directory", ms(start))?;
    let start = Instant::now();
    for _ in 0..JOBS {
        store.add_job(&job()?, &Actor::admin()).await?;
    }
    let each = ms(start) / f64::from(JOBS);
    writeln!(out, "{each:>8.2} ms  a durable change with its ledger line, one after another")?;
    for number in 0..MODELS {
        fill(&store, number).await?;
    }
    drop(store);
    let mut times = Vec::new();
    for _ in 0..OPENS {
        let start = Instant::now();
        let store = Store::open(dir.path()).await?;
        times.push(ms(start));
        drop(store);
    }
    times.sort_by(f64::total_cmp);
    let (median, most) = (times[OPENS / 2], times[OPENS - 1]);
    writeln!(out, "{median:>8.2} ms  open, {JOBS} jobs and {MODELS} models (at most {most:.2})")?;
    let store = Store::open(dir.path()).await?;
    for what in ["first", "second"] {
        let start = Instant::now();
        let state = store.serving_state().await?;
        writeln!(out, "{:>8.2} ms  serving state of {} endpoints, {what}", ms(start), state.endpoints.len())?;
    }
    Ok(())
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn job() -> Outcome<Job> {
    Ok(Job {
        id: RunId::generate(),
        experiment: Name::new("bench")?,
        kind: JobKind::Automl,
        status: JobStatus::Queued,
        spec: serde_json::json!({"target": "Risk"}),
        parent: None,
        lineage: Some(Lineage {
            data: Name::new("table")?,
            data_version: Version(1),
            data_digest: Digest([1; 32]),
        }),
        metrics: BTreeMap::new(),
        result: serde_json::Value::Null,
        error: None,
        created: Timestamp::now(),
        started: None,
        ended: None,
    })
}

/// A model with an endpoint that serves it.
async fn fill(store: &Store, number: u32) -> Outcome<()> {
    let (by, now) = (Actor::admin(), Timestamp::now());
    let name = Name::new(format!("m{number}"))?;
    let output = Target { name: "y".to_owned(), task: Task::Regression, classes: Vec::new() };
    let model = domain::ModelName::from(&name);
    let signature = Signature { inputs: Vec::new(), output };
    let new = NewModelVersion::onnx(model.clone(), Digest([2; 32]), 1, signature);
    let version = store.add_model_version(new, &by, now).await?.version;
    let endpoint = Endpoint {
        name: name.clone(),
        auth_mode: EndpointAuth::Key,
        docs_public: false,
        public_network_access: domain::PublicNetworkAccess::Enabled,
        description: String::new(),
        traffic: BTreeMap::new(),
        mirror_traffic: BTreeMap::new(),
        tags: BTreeMap::new(),
        key_generations: [0, 0],
        created: now,
    };
    store.add_endpoint(&endpoint, &by).await?;
    let deployment = domain::Deployment {
        name: name.clone(),
        endpoint: name.clone(),
        model,
        version,
        spec: None,
        data_collector: None,
        created: now,
    };
    Ok(store.put_deployment(&deployment, true, &by).await?)
}
