//! Whether a column can be a target.

use crate::error::{Error, Near, Result};
use crate::names;
use crate::profile::Profile;
use serde::Deserialize;

impl Profile {
    /// Refuses a target that is not there, has no values, or only one.
    pub fn check_target(&self, name: &str) -> Result<()> {
        let Some(column) = self.columns.iter().find(|c| c.name == name) else {
            let near = Near(names::near(name, self.columns.iter().map(|c| c.name.as_str())));
            return Err(Error::UnknownColumn { name: name.to_owned(), near });
        };
        let refused = |what: String| Err(Error::Target { column: name.to_owned(), what });
        if column.count == 0 {
            return refused(format!("all of its {} values are missing", self.rows));
        }
        if column.distinct_exact && column.distinct == 1 {
            let only = column.top.first().map(|t| format!(" ('{}')", t.value)).unwrap_or_default();
            return refused(format!(
                "it is constant{only}: take a column with at least two different values"
            ));
        }
        Ok(())
    }
}

/// [`Profile::check_target`] on a profile as it stands in a data version.
pub fn check_target(profile: &serde_json::Value, name: &str) -> Result<()> {
    let profile =
        Profile::deserialize(profile).map_err(|e| Error::Internal(format!("the kept profile: {e}")))?;
    profile.check_target(name)
}
