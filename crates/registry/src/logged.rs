//! Logged models: what a run logs as a model, before or without its registration.

use crate::error::{Error, Result};
use crate::models::Registry;
use domain::{Actor, LoggedModel, Timestamp};
use store::{LoggedChange, LoggedMetric, LoggedSearch, NewLoggedModel};

/// What a logged model's name must not hold.
const BAD: [char; 6] = ['/', ':', '.', '%', '"', '\''];
/// The most parameters and tags that come at once.
const ENTRIES_MAX: usize = 1000;

impl Registry {
    /// Makes a logged model whose files follow.
    pub async fn log_model(&self, new: NewLoggedModel) -> Result<LoggedModel> {
        if new.name.is_empty()
            || new.name.len() > 500
            || new.name.contains(BAD)
            || new.name.contains(char::is_control)
        {
            return Err(Error::Refused(format!(
                "Invalid model name ({:?}) provided. Model name must be a non-empty string and cannot contain the following \
                 characters: ('/', ':', '.', '%', '\"', \"'\")",
                new.name
            )));
        }
        if new.params.len() > ENTRIES_MAX || new.tags.len() > ENTRIES_MAX {
            return Err(Error::Refused(format!(
                "at most {ENTRIES_MAX} params and tags can be logged at once"
            )));
        }
        Ok(self.store.add_logged_model(new, Timestamp::now()).await?)
    }

    /// Refuses an experiment that is not there or was deleted.
    pub async fn expect_experiment(&self, id: &str) -> Result<()> {
        Ok(self.store.expect_experiment(id).await?)
    }

    /// The latest of each metric of these models.
    pub async fn logged_model_metrics(&self, models: &[&str]) -> Result<Vec<LoggedMetric>> {
        Ok(self.store.logged_model_metrics(models).await?)
    }

    /// A logged model by its id.
    pub async fn logged_model(&self, id: &str) -> Result<LoggedModel> {
        Ok(self.store.logged_model(id).await?)
    }

    /// Changes a logged model.
    pub async fn change_logged_model(&self, id: &str, change: LoggedChange) -> Result<LoggedModel> {
        Ok(self.store.change_logged_model(id, change, Timestamp::now()).await?)
    }

    /// Deletes a logged model; versions made from it stay.
    pub async fn delete_logged_model(&self, id: &str, by: &Actor) -> Result<()> {
        Ok(self.store.delete_logged_model(id, by, Timestamp::now()).await?)
    }

    /// A page of logged models.
    pub async fn search_logged_models(&self, search: &LoggedSearch) -> Result<Vec<LoggedModel>> {
        Ok(self.store.search_logged_models(search).await?)
    }
}
