//! Subscriptions: made, shown, their keys replaced one at a time, revoked.

use crate::gateway::Gateway;
use domain::{Actor, Fault, KeySlot, Name, Subscription, Timestamp};
use endpoint::Keys;
use serde::{Deserialize, Serialize};

/// A subscription to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateSubscription {
    /// Its name.
    pub name: Name,
    /// The path of the API it is for; all APIs when left out.
    #[serde(default)]
    pub api: Option<String>,
}

/// A subscription with its two keys, either of which passes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SubscriptionKeys {
    /// The subscription.
    #[serde(flatten)]
    pub subscription: Subscription,
    /// Its keys.
    #[serde(flatten)]
    pub keys: Keys,
}

impl Gateway {
    /// Makes a subscription.
    pub async fn create_subscription(
        &self,
        ask: CreateSubscription,
        by: &Actor,
    ) -> Result<SubscriptionKeys, Fault> {
        let api = ask.api.map(|path| path.trim_matches('/').to_owned());
        let created = Timestamp::now();
        let new = Subscription { name: ask.name, api, key_generations: [0, 0], created, revoked: None };
        self.store.add_subscription(&new, by).await?;
        self.refresh().await?;
        Ok(self.with_keys(new))
    }

    /// All subscriptions by name, the revoked too; no keys.
    pub async fn subscriptions(&self) -> Result<Vec<Subscription>, Fault> {
        Ok(self.store.subscriptions().await?)
    }

    /// A live subscription with its keys.
    pub async fn subscription_keys(&self, name: &Name) -> Result<SubscriptionKeys, Fault> {
        let all = self.store.subscriptions().await?;
        let found = all.into_iter().find(|s| s.name == *name);
        let found = found.ok_or_else(|| Fault::not_found("subscription", name))?;
        if found.revoked.is_some() {
            return Err(Fault::conflict(format!("the subscription '{name}' is revoked: it has no keys")));
        }
        Ok(self.with_keys(found))
    }

    /// Replaces one key; the other goes on working.
    pub async fn regenerate_subscription_key(
        &self,
        name: &Name,
        slot: KeySlot,
        by: &Actor,
    ) -> Result<SubscriptionKeys, Fault> {
        let now = Timestamp::now();
        let changed = self.store.regenerate_subscription_key((name, slot), by, now).await?;
        self.refresh().await?;
        Ok(self.with_keys(changed))
    }

    /// Revokes a subscription: its keys are refused from now on.
    pub async fn revoke_subscription(&self, name: &Name, by: &Actor) -> Result<(), Fault> {
        self.store.revoke_subscription(name, by, Timestamp::now()).await?;
        self.refresh().await
    }

    fn with_keys(&self, subscription: Subscription) -> SubscriptionKeys {
        let generations = subscription.key_generations;
        let keys = Keys::of_subscription(self.workspace_secret(), &subscription.name, generations);
        SubscriptionKeys { subscription, keys }
    }
}
