//! Signing keys: rotation, withdrawal, and what clients see of them.

use super::support::{AUDIENCE, Server};
use crate::RotateKey;
use crate::jose::{Algorithm, KeySet, base64url, verify};
use domain::{Actor, Role, SigningAlgorithm, SigningKeyState, Span};
use serde_json::Value;
use std::time::Duration;

const PATH: &str = "/credit/score";

fn header(token: &str) -> Value {
    serde_json::from_slice(&base64url(token.split('.').next().unwrap()).unwrap()).unwrap()
}

fn at_once() -> RotateKey {
    RotateKey { lead: Some(Span(Duration::ZERO)), revoke: false }
}

async fn key_set(server: &Server) -> KeySet {
    let path = format!("/{}/discovery/keys", server.gateway.tenant());
    KeySet::parse(server.call("GET", &path, &[], "").await.body.as_bytes()).unwrap()
}

#[tokio::test]
async fn the_next_key_is_published_before_it_signs() {
    let server = Server::start().await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    server.publish("credit", &[]).await;
    let old = server.token(&client).await;
    let next = server.gateway.rotate_signing_key(RotateKey::default(), &Actor::admin()).await.unwrap();
    assert_eq!(next.state, SigningKeyState::Published);
    assert_eq!(key_set(&server).await.len(), 2);
    assert_eq!(header(&server.token(&client).await)["kid"], header(&old)["kid"]);
    // A second rotation waits for the first, or lets it sign earlier; it makes no third key.
    let waits = server.gateway.rotate_signing_key(RotateKey::default(), &Actor::admin()).await;
    assert_eq!(waits.unwrap_err().code, domain::ErrorCode::Conflict);
    let now = server.gateway.rotate_signing_key(at_once(), &Actor::admin()).await.unwrap();
    assert_eq!((now.kid.as_str(), now.state), (next.kid.as_str(), SigningKeyState::Signing));
    let new = server.token(&client).await;
    assert_eq!(header(&new)["kid"], next.kid);
    let set = key_set(&server).await;
    for token in [&old, &new] {
        assert_eq!(server.score(PATH, Some(token)).await.status, 200);
        assert!(verify(token, &set, &Algorithm::GATE).is_ok());
    }
    let states: Vec<_> = server.gateway.signing_keys().await.unwrap().iter().map(|k| k.state).collect();
    assert_eq!(states, [SigningKeyState::Accepted, SigningKeyState::Signing]);
    let keys = server.store.signing_keys(domain::Timestamp::now()).await.unwrap();
    let life = keys[0].info.retired.unwrap().seconds() - keys[1].info.active.seconds();
    assert_eq!(life, 86_400 + 30 + 60);
    server.gateway.tend_signing_keys().await.unwrap();
    let keys = server.store.signing_keys(domain::Timestamp::now()).await.unwrap();
    assert!(keys[0].pkcs8.is_none() && keys[1].pkcs8.is_some());
    assert_eq!(server.score(PATH, Some(&old)).await.status, 200);
}

#[tokio::test]
async fn a_withdrawn_key_takes_its_tokens_with_it_at_once() {
    let server = Server::start().await;
    let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
    server.publish("credit", &[]).await;
    let old = server.token(&client).await;
    // Seen before, and remembered.
    assert_eq!(server.score(PATH, Some(&old)).await.status, 200);
    let ask = RotateKey { lead: None, revoke: true };
    server.gateway.rotate_signing_key(ask, &Actor::admin()).await.unwrap();
    assert_eq!(server.score(PATH, Some(&old)).await.status, 401);
    assert_eq!(key_set(&server).await.len(), 1);
    let new = server.token(&client).await;
    assert_eq!(server.score(PATH, Some(&new)).await.status, 200);
    assert_eq!(server.gateway.signing_keys().await.unwrap()[0].state, SigningKeyState::Revoked);
}

#[tokio::test]
async fn live_keys_are_bounded() {
    let server = Server::start_with(|o| o.config.signing.algorithm = SigningAlgorithm::EdDsa).await;
    let mut last = Ok(());
    for _ in 0..16 {
        last = server.gateway.rotate_signing_key(at_once(), &Actor::admin()).await.map(|_| ());
    }
    assert_eq!(last.unwrap_err().code, domain::ErrorCode::Conflict);
    assert_eq!(key_set(&server).await.len(), 16);
}

#[tokio::test]
async fn every_algorithm_signs_tokens_that_pass() {
    for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa] {
        let server = Server::start_with(|o| o.config.signing.algorithm = algorithm).await;
        let client = server.principal("c", Role::Scorer, Some(AUDIENCE)).await;
        server.publish("credit", &[]).await;
        let token = server.token(&client).await;
        assert_eq!(header(&token)["alg"], algorithm.as_str());
        assert_eq!(server.score(PATH, Some(&token)).await.status, 200);
        let path = format!("/{}/.well-known/openid-configuration", server.gateway.tenant());
        let document = server.call("GET", &path, &[], "").await.json();
        let listed = document["id_token_signing_alg_values_supported"].as_array().unwrap().clone();
        assert!(listed.contains(&algorithm.as_str().into()) && listed.contains(&"RS256".into()));
    }
}

#[tokio::test]
async fn age_and_another_algorithm_bring_the_next_key() {
    // Due at once: each key is as old as its lead from the beginning.
    let server = Server::start_with(|o| o.config.signing.rotate_every = o.config.signing.lead).await;
    server.gateway.tend_signing_keys().await.unwrap();
    server.gateway.tend_signing_keys().await.unwrap();
    let states: Vec<_> = server.gateway.signing_keys().await.unwrap().iter().map(|k| k.state).collect();
    assert_eq!(states, [SigningKeyState::Signing, SigningKeyState::Published]);
    let ledger = serde_json::to_value(server.store.ledger(0, 100).await.unwrap()).unwrap();
    let by = ledger.as_array().unwrap().iter().filter(|l| l["action"] == "rotate signing key");
    assert!(by.map(|l| &l["actor"]).all(|actor| actor == "system"), "{ledger}");
}

#[tokio::test]
async fn the_key_set_is_kept_as_long_as_the_lead_and_asked_for_by_its_tag() {
    let server = Server::start().await;
    let path = format!("/{}/discovery/v2.0/keys", server.gateway.tenant());
    let first = server.call("GET", &path, &[], "").await;
    assert_eq!(first.header("cache-control"), Some("public, max-age=3600"));
    assert_eq!(first.header("content-type"), Some("application/jwk-set+json"));
    let tag = first.header("etag").unwrap().to_owned();
    let again = server.call("GET", &path, &[("If-None-Match", &tag)], "").await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    server.gateway.rotate_signing_key(RotateKey::default(), &Actor::admin()).await.unwrap();
    assert_eq!(server.call("GET", &path, &[("If-None-Match", &tag)], "").await.status, 200);
}

#[tokio::test]
async fn the_key_of_an_earlier_release_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let store = store::Store::open(dir.path()).await.unwrap();
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = aws_lc_rs::encoding::AsDer::as_der(&pair).unwrap();
    store.secrets().secret_or_create("token-signing-key", || der.as_ref().to_vec()).unwrap();
    for _ in 0..2 {
        crate::signing::first(&store, SigningAlgorithm::EdDsa).await.unwrap();
        let keys = store.signing_keys(domain::Timestamp::now()).await.unwrap();
        assert_eq!((keys.len(), keys[0].info.algorithm), (1, SigningAlgorithm::Rs256));
        assert_eq!(keys[0].pkcs8.as_ref().unwrap().as_slice(), der.as_ref());
        assert_eq!(store.secrets().existing("token-signing-key").unwrap(), None);
    }
}
