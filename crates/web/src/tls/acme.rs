//! Certificates by ACME (RFC 8555), proved by TLS-ALPN-01 (RFC 8737): on the port that is served anyway, no second one.

use super::pair::{self, Facts};
use super::{ACME_TLS, Tls};
use crate::error::Error;
use instant_acme::{
    Account, AccountBuilder, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

/// After a failure; doubled up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// Between two certificates at least, however short their lives.
const REST: Duration = Duration::from_secs(60);
/// The wall clock may be set meanwhile, so a long wait is taken in pieces.
const LOOK: Duration = Duration::from_secs(3600);
/// How long an order may take to be judged.
const PATIENCE: Duration = Duration::from_secs(120);

/// Certificate and key.
pub(super) fn files(folder: &Path) -> (PathBuf, PathBuf) {
    let folder = folder.join("acme");
    (folder.join("certificate.pem"), folder.join("key.pem"))
}

/// Gets the certificate when there is none, renews it in time; never ends.
pub(super) async fn keep(tls: &Tls) {
    let mut pause = PAUSE;
    loop {
        let due = due_in(tls);
        if !due.is_zero() {
            tokio::time::sleep(due.min(LOOK)).await;
            continue;
        }
        let done = obtain(tls).await;
        tls.challenges.lock().unwrap_or_else(PoisonError::into_inner).clear();
        match done {
            Ok(()) => {
                tracing::info!(fingerprint = %tls.certificate().1, "a new certificate is served");
                pause = PAUSE;
                tokio::time::sleep(REST).await;
            }
            Err(e) => {
                tracing::error!(error = %e, again_in = ?pause, "the certificate was not renewed");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// How long the kept certificate is still good enough: zero when there is none, or when names are missing in it.
fn due_in(tls: &Tls) -> Duration {
    let wanted = &tls.config.acme;
    let kept = pair::certificates(&files(&tls.folder).0).ok().and_then(|all| Facts::of(all.first()?).ok());
    let Some(facts) = kept.filter(|f| wanted.domains.iter().all(|d| f.names.contains(d))) else {
        return Duration::ZERO;
    };
    let life = facts.until.duration_since(facts.from).unwrap_or_default();
    let renew = facts.until - wanted.renew_before.0.min(life / 3);
    renew.duration_since(SystemTime::now()).unwrap_or_default()
}

/// One certificate, from the order to the files; then it is served.
async fn obtain(tls: &Tls) -> Result<(), Error> {
    let failed = |e: instant_acme::Error| Error::Acme(told(&e));
    let account = account(tls).await?;
    let wanted: Vec<_> = tls.config.acme.domains.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&wanted)).await.map_err(failed)?;
    prove(tls, &mut order).await?;
    let patience = RetryPolicy::new().timeout(PATIENCE);
    if order.poll_ready(&patience).await.map_err(failed)? != OrderStatus::Ready {
        return Err(Error::Acme(refusal(&mut order).await));
    }
    let key = order.finalize().await.map_err(failed)?;
    let chain = order.poll_certificate(&patience).await.map_err(failed)?;
    let (certificate, secret) = files(&tls.folder);
    pair::keep(&secret, key.as_bytes(), 0o600)?;
    pair::keep(&certificate, chain.as_bytes(), 0o644)?;
    tls.reload()
}

/// Lays out the proof for every name of the order and tells the server to look.
async fn prove(tls: &Tls, order: &mut Order) -> Result<(), Error> {
    let failed = |e: instant_acme::Error| Error::Acme(told(&e));
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(failed)?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let Some(mut challenge) = authorization.challenge(ChallengeType::TlsAlpn01) else {
            return Err(Error::Acme("the server offers no proof by TLS-ALPN-01".to_owned()));
        };
        let name = challenge.identifier().to_string();
        let proof = proof(tls, &name, challenge.key_authorization().digest().as_ref())?;
        tls.challenges.lock().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::new(proof));
        challenge.set_ready().await.map_err(failed)?;
    }
    Ok(())
}

/// The self-signed certificate that proves to hold a name (RFC 8737 §3).
fn proof(tls: &Tls, name: &str, digest: &[u8]) -> Result<ServerConfig, Error> {
    let failed = |e: rcgen::Error| Error::Acme(format!("making the proof for {name}: {e}"));
    let unusable = |e: rustls::Error| Error::Acme(format!("the proof for {name}: {e}"));
    let key = KeyPair::generate().map_err(failed)?;
    let mut wanted = CertificateParams::new([name.to_owned()]).map_err(failed)?;
    wanted.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let made = wanted.self_signed(&key).map_err(failed)?;
    let secret = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    // Not by `with_single_cert`: it refuses the critical extension that makes this a proof.
    let secret = tls.provider.key_provider.load_private_key(secret).map_err(unusable)?;
    let pair = CertifiedKey::new(vec![made.der().clone()], secret);
    let mut config = ServerConfig::builder_with_provider(tls.provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(unusable)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    Ok(config)
}

/// Why the server did not like the proofs.
async fn refusal(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(authorization)) = authorizations.next().await {
        if let Some(problem) = authorization.challenges.iter().find_map(|c| c.error.as_ref()) {
            return format!("{} was not proved: {problem}", authorization.identifier());
        }
    }
    "the server found the order invalid".to_owned()
}

/// What is kept of an account.
#[derive(Serialize, Deserialize)]
struct Kept {
    directory: String,
    credentials: AccountCredentials,
}

/// The account at the directory: the kept one, else a new one.
async fn account(tls: &Tls) -> Result<Account, Error> {
    let wanted = &tls.config.acme;
    let failed = |e: instant_acme::Error| Error::Acme(format!("{}: {}", wanted.directory, told(&e)));
    let folder = tls.folder.join("acme");
    let file = folder.join("account.json");
    let kept = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
    if let Some(kept) = kept.filter(|kept| kept.directory == wanted.directory) {
        return client(&wanted.ca)?.from_credentials(kept.credentials).await.map_err(failed);
    }
    let contact: Vec<&str> = wanted.contact.iter().map(String::as_str).collect();
    let asked = NewAccount {
        contact: &contact,
        terms_of_service_agreed: wanted.accept_terms,
        only_return_existing: false,
    };
    let directory = wanted.directory.clone();
    let (account, credentials) =
        client(&wanted.ca)?.create(&asked, directory.clone(), None).await.map_err(failed)?;
    let text =
        serde_json::to_vec(&Kept { directory, credentials }).map_err(|e| Error::tls(&file, e.to_string()))?;
    pair::private_folder(&folder)?;
    pair::keep(&file, &text, 0o600)?;
    Ok(account)
}

/// Asks the directory, by the system's authorities or a private one's.
fn client(ca: &str) -> Result<AccountBuilder, Error> {
    if ca.is_empty() {
        return Account::builder().map_err(|e| Error::Acme(told(&e)));
    }
    Account::builder_with_root(ca).map_err(|e| Error::tls(Path::new(ca), told(&e)))
}

/// An error with what lies behind it.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(e) = behind {
        text = format!("{text}: {e}");
        behind = e.source();
    }
    text
}
