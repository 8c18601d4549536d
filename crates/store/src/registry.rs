//! The registry: models over immutable numbered versions, movable aliases, tags and stages; logged models.

mod aliases;
mod logged;
mod models;
mod search;
mod versions;

pub use logged::{LoggedChange, LoggedMetric, NewLoggedModel};
pub use models::ModelChange;
pub use search::{LoggedSearch, OnDataset, Search};
pub use versions::{NewModelVersion, VersionChange};

pub(crate) use versions::decode;

use crate::error::{Error, Result};
use domain::Tags;

/// Tags that one thing may have.
pub const TAGS_MAX: usize = 1000;

/// Sets a tag, or takes it away; whether that changed anything.
fn tag(tags: &mut Tags, key: &str, value: Option<&str>) -> Result<bool> {
    let Some(value) = value else { return Ok(tags.remove(key).is_some()) };
    if tags.len() >= TAGS_MAX && !tags.contains_key(key) {
        return Err(Error::Invalid(format!(
            "a model or version has at most {TAGS_MAX} tags: delete one first"
        )));
    }
    Ok(tags.insert(key.to_owned(), value.to_owned()).as_deref() != Some(value))
}
