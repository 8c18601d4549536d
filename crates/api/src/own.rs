//! What of a route's subject is a job's own: asked wherever jobs are let in to change something.

use crate::state::App;
use domain::{Fault, ModelName, ModelVersion, Timestamp, Version};
use gateway::Made;
use registry::paths;
use web::{OrJob, Problem};

impl App {
    /// Whether the caller may change this: everybody with the role, and the job that made it.
    fn own<A>(&self, who: &OrJob<A>, thing: &Made, what: impl FnOnce() -> String) -> Result<(), Problem> {
        match who.job() {
            Some(job) if !self.gateway.is_made_by_job(job, thing) => Err(who.foreign(&what())),
            _ => Ok(()),
        }
    }

    /// A run.
    pub(crate) fn own_run<A>(&self, who: &OrJob<A>, run: &str) -> Result<(), Problem> {
        self.own(who, &Made::Run(run.to_owned()), || format!("the run {}", short(run)))
    }

    /// A logged model.
    pub(crate) fn own_logged<A>(&self, who: &OrJob<A>, id: &str) -> Result<(), Problem> {
        self.own(who, &Made::Logged(id.to_owned()), || format!("the logged model {}", short(id)))
    }

    /// A registered model.
    pub(crate) fn own_model<A>(&self, who: &OrJob<A>, name: &ModelName) -> Result<(), Problem> {
        self.own(who, &Made::Model(name.clone()), || format!("the model '{name}'"))
    }

    /// A version of a model.
    pub(crate) fn own_version<A>(
        &self,
        who: &OrJob<A>,
        name: &ModelName,
        version: Version,
    ) -> Result<(), Problem> {
        let made = Made::Version(name.clone(), version);
        self.own(who, &made, || format!("version {version} of the model '{name}'"))
    }

    /// Where an artifact is put or deleted: a job does so below its own runs and logged models.
    pub(crate) async fn own_artifact<A>(&self, who: &OrJob<A>, path: &str) -> Result<(), Problem> {
        let Some(job) = who.job() else { return Ok(()) };
        let path = paths::check(path)?;
        for part in path.split('/') {
            let folder = if self.gateway.is_made_by_job(job, &Made::Run(part.to_owned())) {
                self.registry.run_folder(part).await?
            } else if self.gateway.is_made_by_job(job, &Made::Logged(part.to_owned())) {
                self.registry.logged_model(part).await?.folder()
            } else {
                continue;
            };
            if path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            {
                return Ok(());
            }
        }
        Err(who.foreign("the run or model of this artifact"))
    }

    /// Asked before something is made: a job may not make without end.
    pub(crate) fn may_make<A>(&self, who: &OrJob<A>) -> Result<(), Fault> {
        who.job().map_or(Ok(()), |job| self.gateway.job_may_make(job))
    }

    /// Remembers a version that a call which began then gave: it may have been there before, as somebody else's.
    pub(crate) fn made_version<A>(&self, who: &OrJob<A>, version: &ModelVersion, begun: Timestamp) {
        if version.created >= begun {
            self.made(who, Made::Version(version.model.clone(), version.version));
        }
    }

    /// Remembers what was made, when it was a job that made it.
    pub(crate) fn made<A>(&self, who: &OrJob<A>, made: Made) {
        if let Some(job) = who.job() {
            self.gateway.job_made(job, made);
        }
    }
}

/// The beginning of what a caller wrote.
fn short(text: &str) -> String {
    text.chars().take(60).collect()
}
