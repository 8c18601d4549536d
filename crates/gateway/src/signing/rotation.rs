//! Rotation of the signing keys: by command, and by age.

use super::keyring::add;
use crate::error::{Error, Result};
use crate::gateway::{Gateway, seconds};
use domain::{Actor, ErrorCode, Fault, SigningKeyInfo, SigningKeyState, Span, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Weak;
use std::time::Duration;
use store::SigningKeyRecord;

/// Live keys at most: a rotation a minute must not fill the key set of every verifier.
const LIVE_MAX: usize = 16;
/// How often the age of the keys is looked at, at least.
const LOOK: Duration = Duration::from_secs(30);
/// Added to the time for which a former key is accepted: a token may be signed while the next key is being made known.
const SLACK: i64 = 60;

/// How to change to a new signing key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateKey {
    /// How long the new key is published before it signs; `gateway.signing.lead` when left out, the time for which verifiers
    /// may keep the key set.
    #[serde(default)]
    pub lead: Option<Span>,
    /// Withdraw all former keys at once, and every token they signed; the new key signs at once.
    #[serde(default)]
    pub revoke: bool,
}

impl Gateway {
    /// All signing keys, in the order in which they sign.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKeyInfo>, Fault> {
        let keys = self.store.signing_keys(Timestamp::now()).await?;
        Ok(keys.into_iter().map(|key| key.info).collect())
    }

    /// Changes to a new signing key: publishes it now, lets it sign after the lead. A key that is published already only signs
    /// earlier. When this returns, this gate knows the key, and refuses tokens of keys that were withdrawn.
    pub async fn rotate_signing_key(&self, ask: RotateKey, by: &Actor) -> Result<SigningKeyInfo, Fault> {
        let _one_at_a_time = self.rotating.lock().await;
        let lead = ask.lead.unwrap_or(self.signing_config.lead);
        let lead = if ask.revoke { 0 } else { seconds(lead.0) };
        let kid = self.next_key(lead, ask.revoke, by).await?;
        self.refresh().await?;
        let keys = self.signing_keys().await?;
        keys.into_iter()
            .find(|key| key.kid == kid)
            .ok_or_else(|| Fault::internal("the new signing key is gone"))
    }

    async fn next_key(&self, lead: i64, revoke: bool, by: &Actor) -> Result<String> {
        let now = Timestamp::now();
        let active = now.plus_seconds(lead);
        let times = (active, active.plus_seconds(self.accepted_for));
        let keys = self.store.signing_keys(now).await?;
        let live =
            |k: &SigningKeyInfo| !matches!(k.state, SigningKeyState::Retired | SigningKeyState::Revoked);
        let waiting = keys.iter().find(|k| k.info.state == SigningKeyState::Published);
        if let Some(waiting) = waiting.filter(|_| !revoke) {
            if waiting.info.active <= active {
                return Err(Error::KeyWaits(waiting.info.kid.clone(), waiting.info.active));
            }
            self.store.hasten_signing_key(&waiting.info.kid, times, by).await?;
            return Ok(waiting.info.kid.clone());
        }
        if !revoke && keys.iter().filter(|k| live(&k.info)).count() >= LIVE_MAX {
            return Err(Error::TooManyKeys(LIVE_MAX));
        }
        add(&self.store, self.signing_config.algorithm, times, revoke, by).await
    }

    /// Does what is due by time: a rotation by age or after a change of the algorithm, keys that leave the key set, private
    /// parts that are needed no more.
    pub(crate) async fn tend_signing_keys(&self) -> Result<(), Fault> {
        let now = Timestamp::now();
        let keys = self.store.signing_keys(now).await?;
        let waiting = keys.iter().any(|k| k.info.state == SigningKeyState::Published);
        let signing = keys.iter().map(|k| &k.info).find(|k| k.state == SigningKeyState::Signing);
        let config = &self.signing_config;
        let due = signing.is_some_and(|key| {
            let every = seconds(config.rotate_every.0);
            let aged = every > 0 && key.active.plus_seconds(every - seconds(config.lead.0).min(every)) <= now;
            aged || key.algorithm != config.algorithm
        });
        if due && !waiting {
            match self.rotate_signing_key(RotateKey::default(), &Actor::system()).await {
                // Somebody else was faster.
                Err(fault) if fault.code == ErrorCode::Conflict => {}
                other => drop(other?),
            }
        }
        let former = |k: &SigningKeyRecord| {
            k.info.state != SigningKeyState::Published && k.info.state != SigningKeyState::Signing
        };
        if keys.iter().any(|k| former(k) && k.pkcs8.is_some()) {
            self.store.erase_former_signing_keys(now).await?;
        }
        Ok(self.load_keys().await?)
    }
}

/// Tends the keys for as long as the gate lives.
pub(crate) async fn tend(gateway: Weak<Gateway>) {
    loop {
        match gateway.upgrade() {
            None => return,
            Some(gateway) => {
                if let Err(fault) = gateway.tend_signing_keys().await {
                    // The server was stopped meanwhile.
                    if gateway.store.is_closed() {
                        return;
                    }
                    tracing::error!(error = %fault, "the signing keys could not be looked after");
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// How long a former key's tokens may live after it signed the last, in seconds.
pub(crate) fn accepted_for(max_lifetime: i64, skew: i64) -> i64 {
    max_lifetime.saturating_add(skew).saturating_add(SLACK)
}
