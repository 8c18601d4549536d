//! The signing keys that live: which one signs now, and what the key set shows.

use super::key::{SigningKey, Typ, generate};
use crate::error::{Error, Result};
use crate::jose::{KeySet, to_base64url};
use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use bytes::Bytes;
use domain::{Actor, Fault, SigningAlgorithm, SigningKeyState, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use store::{NewSigningKey, SigningKeyRecord, Store};

/// The file in which releases before the table kept the one key.
const FORMER_SECRET: &str = "token-signing-key";

/// The keys at one moment.
#[derive(Debug, Default)]
struct Keys {
    /// Each with the moment from which it signs, in that order; former keys that have lost their private part are not here.
    signers: Vec<(Timestamp, Arc<SigningKey>)>,
    /// The ids that are published, each with the moment it leaves.
    published: Vec<(String, Option<Timestamp>)>,
    algorithms: Vec<SigningAlgorithm>,
    jwks: Bytes,
    /// Of `jwks`, as an entity tag.
    tag: String,
    set: KeySet,
}

/// The live keys, swapped whole.
#[derive(Debug, Default)]
pub(crate) struct Keyring(ArcSwap<Keys>);

impl Keyring {
    /// Takes over what the store has; true when the key set changed.
    pub(crate) async fn load(&self, store: &Store) -> Result<bool> {
        let now = Timestamp::now();
        let before = self.0.load_full();
        let records = store.signing_keys(now).await?;
        let live: Vec<SigningKeyRecord> = records.into_iter().filter(is_live).collect();
        let published: Vec<_> = live.iter().map(|k| (k.info.kid.clone(), k.info.retired)).collect();
        let times: Vec<_> = live.iter().filter(|k| k.pkcs8.is_some()).map(|k| k.info.active).collect();
        if published == before.published && times.iter().eq(before.signers.iter().map(|(at, _)| at)) {
            return Ok(false);
        }
        let next = tokio::task::spawn_blocking(move || Keys::build(&before, &live, published))
            .await
            .map_err(|_| Fault::internal("the signing keys could not be read"))??;
        let changed = next.jwks != self.0.load().jwks;
        self.0.store(Arc::new(next));
        Ok(changed)
    }

    /// Signs claims with the key whose turn it is.
    #[cfg(test)]
    pub(crate) fn sign(&self, claims: &Value) -> Result<String> {
        self.signer().and_then(|key| key.sign(Typ::Jwt, claims))
    }

    /// Signs claims on a blocking thread: a private RSA operation takes about a millisecond.
    pub(crate) async fn sign_as(&self, typ: Typ, claims: Value) -> Result<String> {
        let key = self.signer()?;
        let signed = tokio::task::spawn_blocking(move || key.sign(typ, &claims)).await;
        signed.map_err(|_| Fault::internal("a token could not be signed"))?
    }

    fn signer(&self) -> Result<Arc<SigningKey>> {
        let now = Timestamp::now();
        let keys = self.0.load();
        let due = keys.signers.iter().rev().find(|(active, _)| *active <= now);
        // With a clock that was set back, the oldest still signs.
        let (_, key) = due.or(keys.signers.first()).ok_or(Error::Secret("signing key"))?;
        Ok(key.clone())
    }

    /// The public keys as a JWK set, and its entity tag.
    pub(crate) fn jwks(&self) -> (Bytes, String) {
        let keys = self.0.load();
        (keys.jwks.clone(), keys.tag.clone())
    }

    /// The public keys to verify by.
    pub(crate) fn key_set(&self) -> KeySet {
        self.0.load().set.clone()
    }

    /// The algorithms of the live keys.
    pub(crate) fn algorithms(&self) -> Vec<SigningAlgorithm> {
        self.0.load().algorithms.clone()
    }
}

fn is_live(key: &SigningKeyRecord) -> bool {
    !matches!(key.info.state, SigningKeyState::Retired | SigningKeyState::Revoked)
}

impl Keys {
    fn build(
        before: &Self,
        live: &[SigningKeyRecord],
        published: Vec<(String, Option<Timestamp>)>,
    ) -> Result<Self> {
        let mut signers = Vec::with_capacity(live.len());
        for record in live {
            let Some(pkcs8) = &record.pkcs8 else { continue };
            let known = before.signers.iter().find(|(_, key)| key.kid() == record.info.kid);
            let key = match known {
                Some((_, key)) => key.clone(),
                None => Arc::new(SigningKey::open(record.info.algorithm, pkcs8)?),
            };
            signers.push((record.info.active, key));
        }
        let jwks: Vec<&Value> = live.iter().map(|key| &key.jwk).collect();
        let jwks = Bytes::from(json!({ "keys": jwks }).to_string());
        let digest = digest::digest(&digest::SHA256, &jwks);
        let mut algorithms: Vec<_> = Vec::new();
        for key in live {
            if !algorithms.contains(&key.info.algorithm) {
                algorithms.push(key.info.algorithm);
            }
        }
        Ok(Self {
            signers,
            published,
            algorithms,
            tag: format!("\"{}\"", to_base64url(&digest.as_ref()[..16])),
            set: KeySet::parse(&jwks).ok_or(Error::Secret("signing keys"))?,
            jwks,
        })
    }
}

/// Makes a key pair beside the async threads and keeps it.
pub(super) async fn add(
    store: &Store,
    algorithm: SigningAlgorithm,
    times: (Timestamp, Timestamp),
    revoke: bool,
    by: &Actor,
) -> Result<String> {
    let made = tokio::task::spawn_blocking(move || {
        let pkcs8 = generate(algorithm)?;
        let key = SigningKey::open(algorithm, &pkcs8)?;
        Ok::<_, Error>((pkcs8, key))
    });
    let (pkcs8, key) = made.await.map_err(|_| Fault::internal("the signing key could not be made"))??;
    let new = NewSigningKey { kid: key.kid(), algorithm, jwk: key.jwk(), pkcs8: &pkcs8 };
    store.add_signing_key(&new, times, revoke, by).await?;
    Ok(key.kid().to_owned())
}

/// Makes the workspace's first key, or takes over the one that an earlier release kept in a file: its id stays what it was.
pub(crate) async fn first(store: &Store, algorithm: SigningAlgorithm) -> Result<()> {
    let now = Timestamp::now();
    if store.signing_keys(now).await?.is_empty() {
        let secrets = store.secrets().clone();
        let read = tokio::task::spawn_blocking(move || secrets.existing(FORMER_SECRET));
        let former = read.await.map_err(|_| Fault::internal("the signing key could not be read"))??;
        match former.map(zeroize::Zeroizing::new) {
            Some(pkcs8) => {
                let key = SigningKey::open(SigningAlgorithm::Rs256, &pkcs8)?;
                let algorithm = SigningAlgorithm::Rs256;
                let new = NewSigningKey { kid: key.kid(), algorithm, jwk: key.jwk(), pkcs8: &pkcs8 };
                store.add_signing_key(&new, (now, now), false, &Actor::system()).await?;
            }
            None => {
                add(store, algorithm, (now, now), false, &Actor::system()).await?;
            }
        }
    }
    // Only now: a process killed between the two finds the key in one place or in both.
    Ok(store.secrets().remove(FORMER_SECRET)?)
}
