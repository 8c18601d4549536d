//! The issuers against a clock that is turned by hand, and a small provider on loopback.

use super::keys::World;
use super::*;
use crate::jose::to_base64url;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use domain::{ClaimRule, RoleMap};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use store::KeptKeys;

/// Now, by the wall: tokens are judged by it.
const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

/// A clock that stands still until it is turned.
struct Turned(AtomicI64);

impl Turned {
    fn by(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for Turned {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// A signing key under an id.
struct Signer {
    kid: &'static str,
    pair: Ed25519KeyPair,
}

impl Signer {
    fn new(kid: &'static str) -> Self {
        Self { kid, pair: Ed25519KeyPair::generate().unwrap() }
    }

    fn jwk(&self) -> Value {
        let x = to_base64url(self.pair.public_key().as_ref());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": x, "use": "sig"})
    }

    fn token(&self, issuer: &str, change: &Value) -> String {
        self.token_of("at+jwt", issuer, change)
    }

    fn token_of(&self, typ: &str, issuer: &str, change: &Value) -> String {
        let mut claims = json!({"iss": issuer, "aud": "a", "sub": "s", "iat": NOW, "exp": NOW + 600});
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let header = json!({"alg": "EdDSA", "kid": self.kid, "typ": typ});
        let text = |value: &Value| to_base64url(value.to_string().as_bytes());
        let input = format!("{}.{}", text(&header), text(&claims));
        format!("{input}.{}", to_base64url(self.pair.sign(input.as_bytes()).as_ref()))
    }
}

fn jwks(signers: &[&Signer]) -> String {
    json!({ "keys": signers.iter().map(|s| s.jwk()).collect::<Vec<_>>() }).to_string()
}

/// What the small provider answers; none: it hangs up.
type Shown = Arc<Mutex<Option<String>>>;

/// Answers every request with the key set; gives its URL.
fn provider(shown: &Shown) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let shown = shown.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 2048]);
            if let Some(body) = shown.lock().unwrap().as_deref() {
                let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length:";
                let _ = write!(stream, "{head} {}\r\n\r\n{body}", body.len());
            }
        }
    });
    url
}

struct Scene {
    issuers: Issuers,
    clock: Arc<Turned>,
    store: Store,
    _dir: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let options = crate::tests::support::options(String::new());
        let clock = Arc::new(Turned(AtomicI64::new(1_700_000_000_000_000)));
        let world = World {
            config: options.config.jwks,
            clock: clock.clone(),
            clients: Clients::new(&options.outbound).unwrap(),
            store: store.clone(),
        };
        let own = ["urn:own:1".to_owned(), "urn:own:2".to_owned()];
        Self { issuers: Issuers::with(own, &options.config, world), clock, store, _dir: dir }
    }

    fn judge(&self, token: &str) -> Result<(), Refusal> {
        self.issuers.verify(token, NOW).map(drop)
    }

    fn keys(&self, issuer: &str) -> Arc<Keys> {
        self.issuers.sources.load()[issuer].keys.clone()
    }

    /// Trusts the small provider, and has its keys.
    async fn trust(&self, url: &str) -> Arc<Keys> {
        let record = trusted("urn:ext", KeySource::JwksUri(url.to_owned()));
        let now = Timestamp::now();
        self.store.put_issuer(&record, None, &domain::Actor::admin(), now).await.unwrap();
        self.issuers.replace(vec![record]).await;
        let keys = self.keys("urn:ext");
        keys.renew(&self.issuers.world).await.unwrap();
        keys
    }
}

fn trusted(issuer: &str, keys: KeySource) -> TrustedIssuer {
    TrustedIssuer {
        issuer: issuer.to_owned(),
        keys,
        audiences: vec!["a".to_owned()],
        algorithms: vec!["EdDSA".to_owned()],
        required_claims: vec![],
        clock_skew: None,
        max_lifetime: None,
        any_typ: false,
        roles: None,
        allow_loopback_http: true,
        created: Timestamp(0),
    }
}

#[tokio::test]
async fn keys_serve_through_an_outage_of_a_day_and_then_no_more() {
    let (scene, signer) = (Scene::new().await, Signer::new("k"));
    let shown: Shown = Arc::new(Mutex::new(Some(jwks(&[&signer]))));
    let keys = scene.trust(&provider(&shown)).await;
    let (seen, fresh) = (signer.token("urn:ext", &json!({})), signer.token("urn:ext", &json!({"jti": "2"})));
    assert_eq!(scene.judge(&seen), Ok(()));
    *shown.lock().unwrap() = None;
    for hours in 1..=24 {
        scene.clock.by(3600);
        assert!(keys.renew(&scene.issuers.world).await.is_err());
        assert_eq!(scene.judge(&seen), Ok(()), "after {hours} h");
    }
    assert_eq!(scene.judge(&fresh), Ok(()));
    // An hour fresh and a day stale are over: a token that was seen before is refused as well.
    scene.clock.by(3600);
    assert_eq!(scene.judge(&seen), Err(Refusal::UnknownKey));
    assert_eq!(scene.judge(&fresh), Err(Refusal::UnknownKey));
    *shown.lock().unwrap() = Some(jwks(&[&signer]));
    keys.renew(&scene.issuers.world).await.unwrap();
    assert_eq!(scene.judge(&seen), Ok(()));
}

#[tokio::test]
async fn a_key_missing_in_an_answer_dies_with_the_tokens_it_verified() {
    let (scene, old, new) = (Scene::new().await, Signer::new("old"), Signer::new("new"));
    let shown: Shown = Arc::new(Mutex::new(Some(jwks(&[&old, &new]))));
    let keys = scene.trust(&provider(&shown)).await;
    let tokens = [&old, &new].map(|signer| signer.token("urn:ext", &json!({})));
    assert!(tokens.iter().all(|token| scene.judge(token).is_ok()));
    *shown.lock().unwrap() = Some(jwks(&[&new]));
    // The next fetch is due within the recheck of four minutes: a withdrawn key is refused within five.
    let due = |keys: &Keys| keys.wait(&scene.issuers.world);
    assert!((215..=240).contains(&due(&keys).as_secs()), "{:?}", due(&keys));
    scene.clock.by(240);
    assert_eq!(due(&keys), Duration::ZERO);
    keys.renew(&scene.issuers.world).await.unwrap();
    assert_eq!(scene.judge(&tokens[0]), Err(Refusal::UnknownKey));
    assert_eq!(scene.judge(&tokens[1]), Ok(()));
    // An empty set is an answer as well.
    *shown.lock().unwrap() = Some(r#"{"keys":[]}"#.to_owned());
    keys.renew(&scene.issuers.world).await.unwrap();
    assert_eq!(scene.judge(&tokens[1]), Err(Refusal::UnknownKey));
}

#[tokio::test]
async fn a_refused_token_makes_no_fetch_but_an_unknown_key_does() {
    let (scene, known, other) = (Scene::new().await, Signer::new("known"), Signer::new("other"));
    let shown: Shown = Arc::new(Mutex::new(Some(jwks(&[&known]))));
    let keys = scene.trust(&provider(&shown)).await;
    let mut ended = keys.fetches();
    let idle = keys.wait(&scene.issuers.world);
    for change in [json!({"aud": "b"}), json!({"exp": NOW - 60}), json!({"exp": NOW + 2 * DAY})] {
        assert!(scene.judge(&other.token("urn:ext", &change)).is_err());
    }
    assert!(scene.judge(&other.token("urn:elsewhere", &json!({}))).is_err());
    assert_eq!(keys.wait(&scene.issuers.world), idle);
    *shown.lock().unwrap() = Some(jwks(&[&known, &other]));
    let token = other.token("urn:ext", &json!({}));
    assert_eq!(scene.judge(&token), Err(Refusal::UnknownKey));
    assert!(scene.issuers.news_for(&token, NOW).await);
    assert_eq!(scene.judge(&token), Ok(()));
    ended.mark_unchanged();
    // Within thirty seconds, no second one; nobody waits for it.
    let third = Signer::new("third").token("urn:ext", &json!({}));
    scene.clock.by(2);
    assert_eq!(scene.judge(&third), Err(Refusal::UnknownKey));
    let wait = keys.wait(&scene.issuers.world).as_secs();
    assert!((27..=28).contains(&wait), "{wait}");
    assert!(!ended.has_changed().unwrap());
}

#[tokio::test]
async fn everything_that_is_pinned_is_judged() {
    let (scene, signer) = (Scene::new().await, Signer::new("k"));
    let of = |change: &dyn Fn(&mut TrustedIssuer)| {
        let mut record = trusted("urn:ext", KeySource::Static(jwks(&[&signer])));
        change(&mut record);
        record
    };
    let rule = ClaimRule { claim: "tid".into(), values: vec!["t".into()], all: false, separator: None };
    type Case<'a> = (&'a dyn Fn(&mut TrustedIssuer), Value, Result<(), Refusal>);
    let cases: [Case<'_>; 12] = [
        (&|_| {}, json!({}), Ok(())),
        (&|_| {}, json!({"aud": ["b", "a"]}), Ok(())),
        (&|_| {}, json!({"aud": "b"}), Err(Refusal::Audience)),
        (&|r| r.audiences.clear(), json!({"aud": "b"}), Ok(())),
        (&|r| r.algorithms = vec!["RS256".into()], json!({}), Err(Refusal::Algorithm)),
        (&|r| r.required_claims = vec![rule.clone()], json!({}), Err(Refusal::Required)),
        (&|r| r.required_claims = vec![rule.clone()], json!({"tid": "t"}), Ok(())),
        (&|_| {}, json!({"exp": NOW - 29}), Ok(())),
        (&|r| r.clock_skew = Some(0), json!({"exp": NOW}), Err(Refusal::Expired)),
        (&|r| r.clock_skew = Some(120), json!({"exp": NOW - 119}), Ok(())),
        (&|r| r.max_lifetime = Some(599), json!({}), Err(Refusal::Lifetime)),
        (&|_| {}, json!({"exp": NOW + DAY + 1}), Err(Refusal::Lifetime)),
    ];
    for (at, (change, claims, expected)) in cases.into_iter().enumerate() {
        scene.issuers.replace(vec![of(change)]).await;
        assert_eq!(scene.judge(&signer.token("urn:ext", &claims)), expected, "{at}");
    }
    let odd = signer.token_of("logout+jwt", "urn:ext", &json!({}));
    scene.issuers.replace(vec![of(&|_| {})]).await;
    assert_eq!(scene.judge(&odd), Err(Refusal::Type));
    scene.issuers.replace(vec![of(&|r| r.any_typ = true)]).await;
    assert_eq!(scene.judge(&odd), Ok(()));
    // Removed, it is forgotten together with what was remembered of it; nobody stands for the built-in service.
    scene.issuers.replace(vec![trusted("urn:own:1", KeySource::Static(jwks(&[&signer])))]).await;
    assert_eq!(scene.judge(&odd), Err(Refusal::Issuer));
    assert_eq!(scene.judge(&signer.token("urn:own:1", &json!({}))), Err(Refusal::UnknownKey));
}

#[tokio::test]
async fn a_role_is_read_only_where_audiences_are_pinned() {
    let (scene, signer) = (Scene::new().await, Signer::new("k"));
    let roles = RoleMap {
        claim: "groups".into(),
        values: BTreeMap::from([("ops".into(), Role::Owner), ("look".into(), Role::Reader)]),
    };
    let mut record = trusted("urn:ext", KeySource::Static(jwks(&[&signer])));
    record.roles = Some(roles);
    let role = |claims: Value| {
        let verified = scene.issuers.verify(&signer.token("urn:ext", &claims), NOW).unwrap();
        assert_eq!(verified.identity().unwrap(), "urn:ext|s");
        scene.issuers.role_of(&verified)
    };
    scene.issuers.replace(vec![record.clone()]).await;
    assert_eq!(role(json!({"groups": ["look", "ops"]})), Some(Role::Owner));
    assert_eq!(role(json!({"groups": "look"})), Some(Role::Reader));
    for other in [json!({}), json!({"groups": ["op"]}), json!({"groups": {"ops": true}})] {
        assert_eq!(role(other), None);
    }
    record.audiences.clear();
    scene.issuers.replace(vec![record]).await;
    assert_eq!(role(json!({"groups": ["ops"]})), None);
}

#[tokio::test]
async fn keys_kept_from_before_a_restart_serve_as_long_as_they_would_have() {
    let (scene, signer) = (Scene::new().await, Signer::new("k"));
    let record = trusted("urn:ext", KeySource::JwksUri("http://127.0.0.1:1/keys".to_owned()));
    scene.store.put_issuer(&record, None, &domain::Actor::admin(), Timestamp(0)).await.unwrap();
    let token = signer.token("urn:ext", &json!({}));
    for (hours, expected) in [(24, Ok(())), (25, Err(Refusal::UnknownKey)), (-24, Ok(()))] {
        let fetched = scene.clock.now().plus_seconds(-3600 * hours);
        let kept = KeptKeys { jwks: jwks(&[&signer]), fetched };
        scene.store.keep_issuer_keys("urn:ext", &kept).await.unwrap();
        scene.issuers.replace(vec![]).await;
        scene.issuers.replace(vec![record.clone()]).await;
        assert_eq!(scene.judge(&token), expected, "{hours}");
    }
}

#[tokio::test]
async fn a_registration_changed_in_its_pins_keeps_its_keys() {
    let (scene, signer) = (Scene::new().await, Signer::new("k"));
    let shown: Shown = Arc::new(Mutex::new(Some(jwks(&[&signer]))));
    let url = provider(&shown);
    let keys = scene.trust(&url).await;
    let token = signer.token("urn:ext", &json!({}));
    assert_eq!(scene.judge(&token), Ok(()));
    *shown.lock().unwrap() = None;
    let mut record = trusted("urn:ext", KeySource::JwksUri(url));
    record.audiences = vec!["b".to_owned()];
    scene.issuers.replace(vec![record.clone()]).await;
    assert!(Arc::ptr_eq(&keys, &scene.keys("urn:ext")));
    assert_eq!(scene.judge(&token), Err(Refusal::Audience));
    record.audiences = vec!["a".to_owned()];
    scene.issuers.replace(vec![record]).await;
    assert_eq!(scene.judge(&token), Ok(()));
}
