//! Named values: set, listed, deleted. Policies resolve them when a snapshot is built, so a change takes effect without publishing anew.

use crate::gateway::Gateway;
use domain::{Actor, Fault, Name, NamedValue, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroizing;

/// What to set.
#[derive(Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetNamedValue {
    /// The content: one line of 1 to 4096 bytes.
    pub value: String,
    /// Whether it may be shown again; secret when left out.
    #[serde(default)]
    pub plain: bool,
}

impl fmt::Debug for SetNamedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetNamedValue").field("plain", &self.plain).finish_non_exhaustive()
    }
}

impl Gateway {
    /// Sets a named value, new or not; policies that name it follow at once.
    pub async fn set_named_value(
        &self,
        name: &Name,
        ask: SetNamedValue,
        by: &Actor,
    ) -> Result<NamedValue, Fault> {
        let content = Zeroizing::new(ask.value);
        let set = self.store.put_named_value(name, (&content, !ask.plain), by, Timestamp::now()).await?;
        self.refresh().await?;
        Ok(set)
    }

    /// All named values; contents only of those that are not secret.
    pub async fn named_values(&self) -> Result<Vec<NamedValue>, Fault> {
        Ok(self.store.named_values().await?)
    }

    /// One named value; its content only when it is not secret.
    pub async fn named_value(&self, name: &Name) -> Result<NamedValue, Fault> {
        Ok(self.store.named_value(name).await?)
    }

    /// Deletes a named value; refused while a policy names it.
    pub async fn delete_named_value(&self, name: &Name, by: &Actor) -> Result<(), Fault> {
        self.store.delete_named_value(name, by, Timestamp::now()).await?;
        self.refresh().await
    }
}
