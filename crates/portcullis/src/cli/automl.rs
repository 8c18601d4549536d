//! `automl run`: submit a search, watch it, fetch what it made.

use crate::cli::automl_how::How;
use crate::cli::data::{Register, reference};
use crate::cli::{automl_file, progress};
use crate::client::segment;
use crate::session::Session;
use crate::show::{bar, beginning, number, table};
use clap::{Args, Subcommand};
use definitions::jobs::About;
use domain::{DataVersion, Fault, Job, JobStatus, Span, Trial};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Automl {
    /// Search for the best model of a table
    Run(Box<Run>),
}

/// `automl run`.
#[derive(Debug, Args)]
pub struct Run {
    /// An AutoML job in the fields of the Azure ML CLI v2; flags go before it
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// NAME, NAME:VERSION, or a file (registered under its own name first)
    #[arg(long, required_unless_present = "file")]
    pub data: Option<String>,
    /// The column to predict
    #[arg(long, required_unless_present = "file")]
    pub target: Option<String>,
    /// binary, multiclass or regression; found out when left out
    #[arg(long)]
    pub task: Option<String>,
    /// The primary metric; AUC_weighted or normalized_root_mean_squared_error when left out
    #[arg(long)]
    pub metric: Option<String>,
    /// The budget in trials; when left out 40, or as many as the time limit allows
    #[arg(long)]
    pub max_trials: Option<u32>,
    /// End within this time, as 60s or 5m
    #[arg(long)]
    pub time_limit: Option<Span>,
    /// Give up a single configuration after this time
    #[arg(long)]
    pub trial_time_limit: Option<Span>,
    /// Same data, seed and trials: same bytes
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// Write model.onnx, leaderboard.json, report.html and plots.json here
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Register the winner under this model name
    #[arg(long)]
    pub register_as: Option<String>,
    /// The experiment the run belongs to; "default" when left out
    #[arg(long)]
    pub experiment: Option<String>,
    /// How rows are validated and what is tried
    #[command(flatten)]
    pub how: How,
    /// What a file says of the job itself.
    #[arg(skip)]
    pub about: About,
}

impl Automl {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        let Self::Run(run) = self;
        let run = automl_file::filled(*run, session).await?;
        let (name, version) = run.asset(session).await?;
        let mut ask = run.submission(&name, &version)?;
        run.how.add_to(&mut ask, session).await?;
        let job: Job = session.client.post("/api/v1/jobs", &ask).await?;
        let job =
            finished(session, watch(session, &job, run.max_trials.unwrap_or(runs::DEFAULT_TRIALS)).await?)?;
        let trials: Vec<Trial> = session.client.get(&format!("/api/v1/jobs/{}/trials", job.id)).await?;
        let files = match &run.out {
            Some(out) => fetch(session, &job, out).await?,
            None => json!({}),
        };
        session.out.value(&json!({ "job": job, "trials": trials, "files": files }), |_| {
            let wrote = files
                .as_object()
                .into_iter()
                .flatten()
                .map(|(_, f)| format!("\nwrote {}", f.as_str().unwrap_or_default()));
            format!(
                "{}\n\n{}\n\n{}\n{}{}",
                leaderboard(&job, &trials, usize::MAX),
                metrics(&job),
                importance(&job),
                outcome(&job),
                wrote.collect::<String>()
            )
        });
        Ok(())
    }
}

/// The run's id, and what it registered.
fn outcome(job: &Job) -> String {
    let model = &job.result["model"];
    let registered = match (model["name"].as_str().or(model["model"].as_str()), model["version"].as_u64()) {
        (Some(name), Some(version)) => format!("\nregistered {name}:{version}"),
        _ => String::new(),
    };
    format!("\nrun {}{registered}", job.id)
}

impl Run {
    /// The asset to learn from; a file is registered under its own name.
    async fn asset(&self, session: &Session) -> Result<(String, String), Fault> {
        asset(session, self.data.as_deref().unwrap_or_default()).await
    }

    fn submission(&self, name: &str, version: &str) -> Result<Value, Fault> {
        let version: u32 = version.parse().map_err(|_| Fault::internal("a version that is no number"))?;
        Ok(json!({
            "data": name, "data_version": version, "target": self.target, "task": self.task, "metric": self.metric,
            "max_trials": self.max_trials, "time_limit": self.time_limit, "trial_time_limit": self.trial_time_limit,
            "seed": self.seed,
            "register_as": self.register_as, "experiment": self.experiment,
            "display_name": self.about.display_name, "description": self.about.description, "tags": self.about.all_tags(),
        }))
    }
}

/// Name and version of an asset; a file is registered under its own name.
pub async fn asset(session: &Session, data: &str) -> Result<(String, String), Fault> {
    let file = PathBuf::from(data);
    if !file.is_file() {
        let (name, version) = reference(data);
        let found: DataVersion =
            session.client.get(&format!("/api/v1/data/{name}/versions/{version}")).await?;
        return Ok((found.name.to_string(), found.version.to_string()));
    }
    let (version, created) = register_file(session, &file).await?;
    session.out.say(&crate::cli::data::registered(&version, created));
    Ok((version.name.to_string(), version.version.to_string()))
}

/// Registers a file under its own name, made fit for a name.
pub async fn register_file(session: &Session, file: &std::path::Path) -> Result<(DataVersion, bool), Fault> {
    let stem = file.file_stem().and_then(|s| s.to_str()).unwrap_or("data");
    let name: String =
        stem.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect();
    let register = Register::of(name.trim_matches('-'), file);
    register.carry_out(session).await
}

/// Shows the events of a job as they come, until its final state.
pub async fn watch(session: &Session, job: &Job, trials: u32) -> Result<Job, Fault> {
    let bar = progress::trials(u64::from(trials), session.out.json());
    let mut best = String::from("reading the table");
    let seen = session
        .client
        .lines(&format!("/api/v1/jobs/{}/events", job.id), |event| match event["event"].as_str() {
            Some("plan") => {
                if let Some(trials) = event["trials"].as_u64() {
                    bar.set_length(trials);
                }
                best = format!(
                    "{} rows × {} features, {}",
                    event["rows"],
                    event["features"],
                    text(&event["metric"])
                );
                bar.set_message(best.clone());
            }
            Some("trial") => {
                bar.inc(1);
                if let Some(score) = event["best"].as_f64() {
                    best = format!(
                        "best {} · last {} {}",
                        number(score),
                        text(&event["learner"]),
                        event["score"].as_f64().map_or_else(|| "without a score".to_owned(), number)
                    );
                }
                bar.set_message(best.clone());
            }
            Some("ensemble") => bar.set_message(format!("{best} · building the ensemble")),
            Some("warning") => {
                bar.suspend(|| crate::show::note(&format!("note: {}", text(&event["message"]))))
            }
            _ => {}
        })
        .await;
    bar.finish_and_clear();
    seen?;
    session.client.get(&format!("/api/v1/jobs/{}", job.id)).await
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The job when it completed, else its error.
pub fn finished(_session: &Session, job: Job) -> Result<Job, Fault> {
    match job.status {
        JobStatus::Completed => Ok(job),
        JobStatus::Canceled => Err(Fault::conflict(format!("job {} was canceled", job.id))),
        _ => Err(Fault::new(
            domain::ErrorCode::Unprocessable,
            job.error.unwrap_or_else(|| format!("job {} failed", job.id)),
        )),
    }
}

async fn fetch(session: &Session, job: &Job, out: &std::path::Path) -> Result<Value, Fault> {
    std::fs::create_dir_all(out).map_err(|e| Fault::invalid(format!("{}: {e}", out.display())))?;
    let mut files = serde_json::Map::new();
    for name in runs::FILES {
        let bytes = session.client.bytes(&format!("/api/v1/jobs/{}/files/{}", job.id, segment(name))).await?;
        let path = out.join(name);
        crate::files::write(&path, &bytes)?;
        files.insert(name.to_owned(), json!(path));
    }
    Ok(Value::Object(files))
}

/// The `most` best trials, best first, as a table; a last line counts the others.
pub fn leaderboard(job: &Job, trials: &[Trial], most: usize) -> String {
    let mut sorted: Vec<&Trial> = trials.iter().collect();
    let higher = job.result["higher_is_better"].as_bool().unwrap_or(true);
    // What has no score comes last.
    let place = |t: &Trial| t.score.map_or(f64::INFINITY, |score| if higher { -score } else { score });
    sorted.sort_by(|a, b| place(a).total_cmp(&place(b)));
    let others = match sorted.len().saturating_sub(most) {
        0 => String::new(),
        others => format!("\n … and {others} more: portcullis job show {}", job.id),
    };
    let rows = sorted.iter().take(most).map(|t| {
        let loss = t.metrics.get("log_loss").or_else(|| t.metrics.get("r2_score"));
        let accuracy = t.metrics.get("accuracy").or_else(|| t.metrics.get("mean_absolute_error"));
        let weight = if t.weight > 0.0 { format!("{:.0} %", t.weight * 100.0) } else { String::new() };
        let shown = |v: Option<&f64>| v.map(|v| format!("{v:.4}")).unwrap_or_default();
        [
            t.number.to_string(),
            t.learner.clone(),
            t.score.map_or_else(|| "–".to_owned(), |score| format!("{score:.4}")),
            shown(accuracy),
            shown(loss),
            weight,
            format!("{:.1} s", t.seconds),
        ]
    });
    let regression = trials.first().is_some_and(|t| t.task == domain::Task::Regression);
    let (second, third) = if regression { ("MAE", "R²") } else { ("accuracy", "log loss") };
    table(&["trial", "learner", "score", second, third, "in ensemble", "time"], rows) + &others
}

/// The metrics of the result, and on the test data when there was some.
pub fn metrics(job: &Job) -> String {
    let shown = |value: f64| format!("{value:.5}");
    if let Some(test) = job.result["test"].as_object() {
        let on_test = |name: &String| test.get(name).and_then(Value::as_f64).map(shown).unwrap_or_default();
        let rows = job.metrics.iter().map(|(name, &value)| [name.clone(), shown(value), on_test(name)]);
        return table(&["metric", "validated", "test data"], rows);
    }
    table(&["metric", "value"], job.metrics.iter().map(|(name, &value)| [name.clone(), shown(value)]))
}

/// Features listed at most: the first are the most important.
const FEATURES: usize = 30;

/// Permutation importance with its interval, as bars.
pub fn importance(job: &Job) -> String {
    let list = job.result["importance"].as_array().cloned().unwrap_or_default();
    let largest = list.iter().filter_map(|i| i["mean"].as_f64()).fold(0.0, f64::max);
    let rows = list.iter().map(|i| {
        let mean = i["mean"].as_f64().unwrap_or_default();
        let share = if largest > 0.0 { mean / largest } else { 0.0 };
        let reach = i["high"].as_f64().unwrap_or(mean) - mean;
        [text(&i["column"]), format!("{mean:.4} ± {reach:.4}"), bar(share, 24)]
    });
    beginning(&["feature", "importance, 95 %", ""], rows, FEATURES)
}
