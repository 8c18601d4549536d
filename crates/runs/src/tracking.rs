//! Tracking: experiments and runs as the MLflow protocol offers them, one method a call, each checked before it is kept.
//!
//! Our own jobs are runs too: what they log goes the same way.

mod checks;
mod history;
mod names;

pub use checks::{ASKED_MAX, BATCH_BYTES};
pub use history::{BULK_MAX, BULK_RUNS, HISTORY_MAX, INTERVAL_MAX, Interval};
pub use store::tracking::{Deletion, History, HistoryPage};

use crate::error::{Error, Result};
use checks::{experiment_id, page, page_token};
use domain::filter::{EXPERIMENTS, RUNS, parse, parse_order};
use domain::tracking::{
    DatasetInput, DatasetSummary, Experiment, LogBatch, ModelInput, ModelOutput, NewRun, Pair, RUN_NAME, Run,
    RunInfo, RunStatus, RunUpdate, ViewType,
};
use domain::{Actor, RunId, Timestamp};
use std::sync::Arc;
use store::Store;
use store::tracking::RunSearch;

/// Experiments whose datasets one call lists at most.
const DATASET_EXPERIMENTS: usize = 20;

/// Now, in milliseconds.
pub(crate) fn now() -> i64 {
    Timestamp::now().micros() / 1000
}

/// What to search, as it was asked.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// The filter.
    pub filter: String,
    /// The keys of the order.
    pub order_by: Vec<String>,
    /// Deleted ones or not.
    pub view: ViewType,
    /// How many at most; as many as the protocol says when left out.
    pub max_results: Option<i64>,
    /// Where the page begins.
    pub page_token: Option<String>,
}

/// A run to begin, as it was asked.
#[derive(Debug, Clone, Default)]
pub struct AskRun {
    /// Its experiment; the default one when empty.
    pub experiment_id: String,
    /// Who begins it; `unknown` when empty.
    pub user_id: String,
    /// Its name; one is made when empty.
    pub run_name: String,
    /// When it begins, in milliseconds; now when left out.
    pub start_time: Option<i64>,
    /// Its tags.
    pub tags: Vec<Pair>,
}

/// The runs of a page by their numbers, for [`Tracking::documents`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPage {
    /// The numbers.
    pub runs: Vec<i64>,
    /// Where the next page begins; none at the end.
    pub next_page_token: Option<String>,
}

/// The service; cheap to clone.
#[derive(Debug, Clone)]
pub struct Tracking {
    store: Store,
}

impl Tracking {
    /// Over a store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// A name for something that was given none.
    pub fn random_name() -> String {
        names::of(&RunId::generate())
    }

    /// Makes an experiment; gives its id.
    pub async fn create_experiment(
        &self,
        name: &str,
        location: Option<&str>,
        tags: &[Pair],
    ) -> Result<String> {
        checks::experiment_name(name)?;
        if let Some(location) = location {
            checks::location(location)?;
        }
        for tag in tags {
            checks::experiment_tag(tag)?;
        }
        Ok(self.store.create_experiment(name, location, tags).await?.to_string())
    }

    /// An experiment.
    pub async fn experiment(&self, id: &str) -> Result<Experiment> {
        Ok(self.store.experiment(experiment_id(id)?).await?)
    }

    /// The experiment of a name.
    pub async fn experiment_named(&self, name: &str) -> Result<Experiment> {
        let found = self.store.experiment_named(name).await?;
        found.ok_or_else(|| Error::Absent(format!("Could not find experiment with name '{name}'")))
    }

    /// A page of experiments, and where the next begins.
    pub async fn search_experiments(&self, ask: &Ask) -> Result<(Vec<Experiment>, Option<String>)> {
        let clauses = parse(&ask.filter, &EXPERIMENTS)?;
        let orders = orders(&ask.order_by, &EXPERIMENTS)?;
        let limit = checks::max_results(ask.max_results)?;
        let offset = checks::offset(ask.page_token.as_deref())?;
        let asked = (offset, limit + 1);
        let mut found = self.store.search_experiments((&clauses, &orders), ask.view, asked).await?;
        let more = found.len() as u64 > limit;
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok((found, more.then(|| (offset + limit).to_string())))
    }

    /// Renames an experiment.
    pub async fn rename_experiment(&self, id: &str, name: &str) -> Result<()> {
        checks::experiment_name(name)?;
        Ok(self.store.rename_experiment(experiment_id(id)?, name).await?)
    }

    /// Deletes or restores an experiment.
    pub async fn set_experiment_deleted(&self, id: &str, deletion: Deletion, by: &Actor) -> Result<()> {
        let (store, id, by) = (self.store.clone(), experiment_id(id)?, by.clone());
        unbroken(async move { store.set_experiment_deleted(id, deletion, &by).await }).await
    }

    /// Sets a tag of an experiment.
    pub async fn set_experiment_tag(&self, id: &str, tag: &Pair) -> Result<()> {
        checks::experiment_tag(tag)?;
        Ok(self.store.set_experiment_tag(experiment_id(id)?, &tag.key, &tag.value).await?)
    }

    /// Takes a tag of an experiment away.
    pub async fn delete_experiment_tag(&self, id: &str, key: &str) -> Result<()> {
        Ok(self.store.delete_experiment_tag(experiment_id(id)?, key).await?)
    }

    /// The datasets of experiments.
    pub async fn search_datasets(&self, ids: &[String]) -> Result<Vec<DatasetSummary>> {
        if ids.is_empty() {
            let text = "SearchDatasets request must specify at least one experiment_id.";
            return Err(Error::Submission(text.to_owned()));
        }
        if ids.len() > DATASET_EXPERIMENTS {
            return Err(Error::Submission(format!(
                "SearchDatasets request cannot specify more than {DATASET_EXPERIMENTS} experiment_ids. Received {} experiment_ids.",
                ids.len()
            )));
        }
        let ids = ids.iter().map(|id| experiment_id(id)).collect::<Result<Vec<i64>>>()?;
        Ok(self.store.dataset_summaries(&ids).await?)
    }

    /// Begins a run.
    pub async fn create_run(&self, ask: AskRun) -> Result<Run> {
        let tagged = ask.tags.iter().find(|tag| tag.key == RUN_NAME).map(|tag| tag.value.clone());
        if let Some(tagged) =
            tagged.as_ref().filter(|tagged| !ask.run_name.is_empty() && **tagged != ask.run_name)
        {
            return Err(Error::Submission(format!(
                "Both 'run_name' argument and '{RUN_NAME}' tag are specified, but with different values (run_name='{}', \
                 {RUN_NAME}='{tagged}').",
                ask.run_name
            )));
        }
        let mut ask = ask;
        checks::shorten_tags(&mut ask.tags);
        for (at, tag) in ask.tags.iter().enumerate() {
            checks::tag(tag, Some(("tags", at)))?;
        }
        let given = Some(ask.run_name).filter(|name| !name.is_empty()).or(tagged);
        let experiment = if ask.experiment_id.is_empty() { 0 } else { experiment_id(&ask.experiment_id)? };
        let id = RunId::generate();
        let name = given.unwrap_or_else(|| names::of(&id));
        checks::run_name(&name)?;
        let user_id = if ask.user_id.is_empty() { "unknown".to_owned() } else { ask.user_id };
        let new = NewRun {
            id: id.clone(),
            experiment_id: experiment,
            name,
            user_id,
            start_time: ask.start_time.unwrap_or_else(now),
            status: RunStatus::Running,
            tags: ask.tags,
        };
        let mut tags = new.tags.clone();
        tags.retain(|tag| tag.key != RUN_NAME);
        tags.push(Pair::new(RUN_NAME, &new.name));
        let info = self.store.open_run(new).await?;
        Ok(begun(info, tags))
    }

    /// A run as JSON text.
    pub async fn run_document(&self, id: &str) -> Result<Arc<str>> {
        let number = self.store.run_number(id).await?;
        let found = self.store.run_documents(&[number]).await?.pop();
        found.ok_or_else(|| Error::Absent(format!("Run with id={id} not found")))
    }

    /// A run.
    pub async fn run(&self, id: &str) -> Result<Run> {
        Ok(self.store.run(id).await?)
    }

    /// Runs as JSON texts, by their numbers.
    pub async fn documents(&self, runs: &[i64]) -> Result<Vec<Arc<str>>> {
        Ok(self.store.run_documents(runs).await?)
    }

    /// Changes status, end or name of a run.
    pub async fn update_run(&self, update: RunUpdate) -> Result<RunInfo> {
        checks::run_id(&update.run_id)?;
        if let Some(name) = &update.name {
            checks::run_name(name)?;
        }
        Ok(self.store.update_run(update).await?)
    }

    /// Deletes or restores a run.
    pub async fn set_run_deleted(&self, id: &str, deletion: Deletion, by: &Actor) -> Result<()> {
        checks::run_id(id)?;
        let (store, id, by) = (self.store.clone(), id.to_owned(), by.clone());
        unbroken(async move { store.set_run_deleted(&id, deletion, &by).await }).await
    }

    /// Logs metrics, parameters and tags: all or nothing.
    pub async fn log_batch(&self, batch: LogBatch) -> Result<()> {
        let batch = checks::shortened(batch);
        checks::batch(&batch)?;
        Ok(self.store.log_batch(batch).await?)
    }

    /// Logs one metric, parameter or tag: the same, with the names that a call of one has in messages.
    pub async fn log_one(&self, batch: LogBatch) -> Result<()> {
        let batch = checks::shortened(batch);
        checks::one(&batch)?;
        Ok(self.store.log_batch(batch).await?)
    }

    /// Takes a tag of a run away.
    pub async fn delete_tag(&self, run_id: &str, key: &str) -> Result<()> {
        checks::run_id(run_id)?;
        let (store, id, key) = (self.store.clone(), run_id.to_owned(), key.to_owned());
        unbroken(async move { store.delete_run_tag(&id, &key).await }).await
    }

    /// Keeps what went into a run.
    pub async fn log_inputs(
        &self,
        run_id: &str,
        datasets: Vec<DatasetInput>,
        models: Vec<ModelInput>,
    ) -> Result<()> {
        checks::run_id(run_id)?;
        checks::datasets(&datasets)?;
        let (store, id) = (self.store.clone(), run_id.to_owned());
        unbroken(async move { store.log_inputs(&id, &datasets, &models).await }).await
    }

    /// Keeps what came out of a run.
    pub async fn log_outputs(&self, run_id: &str, models: Vec<ModelOutput>) -> Result<()> {
        checks::run_id(run_id)?;
        let (store, id) = (self.store.clone(), run_id.to_owned());
        unbroken(async move { store.log_outputs(&id, &models).await }).await
    }

    /// Notes a model that an older client has logged, in the tag that it reads.
    pub async fn log_model(&self, run_id: &str, model_json: &str) -> Result<()> {
        const HISTORY: &str = "mlflow.log-model.history";
        let model = checks::model_json(model_json)?;
        let run = self.store.run(run_id).await?;
        let before = run.data.tags.iter().find(|tag| tag.key == HISTORY).map_or("[]", |tag| &tag.value);
        let mut history: Vec<serde_json::Value> = serde_json::from_str(before).unwrap_or_default();
        history.push(model);
        let tag = Pair::new(HISTORY, serde_json::to_string(&history)?);
        // This one tag grows with every model; it is the protocol's own, and not held to a tag's length.
        Ok(self
            .store
            .log_batch(LogBatch { run_id: run_id.to_owned(), tags: vec![tag], ..LogBatch::default() })
            .await?)
    }

    /// A page of runs.
    pub async fn search_runs(&self, experiment_ids: &[String], ask: &Ask) -> Result<RunPage> {
        let search = RunSearch {
            experiments: experiment_ids.iter().map(|id| experiment_id(id)).collect::<Result<_>>()?,
            clauses: parse(&ask.filter, &RUNS)?,
            orders: orders(&ask.order_by, &RUNS)?,
            view: ask.view,
            page: page(ask.page_token.as_deref())?,
            limit: checks::max_results(ask.max_results)?,
        };
        let found = self.store.search_runs(&search).await?;
        Ok(RunPage { runs: found.runs, next_page_token: found.next.as_ref().map(page_token) })
    }
}

/// Work that goes on when the caller goes away: what is remembered of runs must follow what is written.
async fn unbroken<T: Send + 'static>(
    work: impl Future<Output = store::Result<T>> + Send + 'static,
) -> Result<T> {
    Ok(tokio::spawn(work).await.map_err(|_| Error::Interrupted)??)
}

fn orders(texts: &[String], grammar: &domain::filter::Grammar) -> Result<Vec<domain::filter::Order>> {
    if texts.len() > ASKED_MAX {
        return Err(Error::Submission(format!("order_by has more than {ASKED_MAX} keys")));
    }
    let mut orders: Vec<domain::filter::Order> = Vec::new();
    for text in texts {
        let order = parse_order(text, grammar)?;
        if orders.iter().any(|other| other.identifier == order.identifier) {
            return Err(Error::Submission(format!("`order_by` contains duplicate fields: {texts:?}")));
        }
        orders.push(order);
    }
    Ok(orders)
}

/// A run that has just begun.
fn begun(info: RunInfo, tags: Vec<Pair>) -> Run {
    let mut run =
        Run { info, data: Default::default(), inputs: Default::default(), outputs: Default::default() };
    run.data.tags = tags;
    run.data.tags.sort();
    run.data.tags.dedup_by(|later, earlier| later.key == earlier.key);
    run
}
