//! Tokens of other issuers, against a real provider: which pass, how its keys come and go, what it may do without harm.

use crate::provider::Provider;
use crate::support::{Road, Server, skip};
use serde_json::{Value, json};
use std::process::Output;
use std::time::{Duration, Instant};

const AUDIENCE: &str = "api://small";
const SCOPE: &str = "score:invoke";
const MISSING: &str = "PORTCULLIS_NODE_MODULES (cargo xtask setup)";

/// Trusts a provider for the audience of the tests.
fn trust(server: &Server, provider: &Provider, more: &[&str]) -> Value {
    server.cli(&[&add(&provider.issuer), more].concat())
}

fn add(issuer: &str) -> Vec<&str> {
    vec!["issuer", "add", issuer, "--audience", AUDIENCE, "--allow-loopback-http"]
}

/// Publishes the small endpoint for some issuers.
fn publish(server: &Server, path: &str, issuers: &[&str], more: &[&str]) {
    let mut args = vec!["api", "publish", "--endpoint", "small", "--path", path, "--audience", AUDIENCE];
    args.extend(issuers.iter().flat_map(|issuer| ["--issuer", *issuer]));
    server.cli(&[&args, more].concat());
}

async fn score(server: &Server, path: &str, token: &str) -> u16 {
    let body = json!({ "data": [Road::row()] });
    server.post(&format!("/{path}/score"), Some(token), &body).await.0
}

/// The message of a command that must fail.
fn refusal(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    text
}

#[tokio::test]
async fn every_algorithm_of_a_real_provider_passes_by_the_apis_policy() {
    let Some(provider) = Provider::start(&[]) else { return skip("every_algorithm", MISSING) };
    let road = Road::walk();
    let server = &road.server;
    let state = trust(server, &provider, &[]);
    assert_eq!(
        (&state["key_set"]["state"], state["key_set"]["keys"].as_array().unwrap().len()),
        (&json!("fresh"), 5)
    );
    let issuer = provider.issuer.as_str();
    publish(server, "both", &["built_in", issuer], &[]);
    publish(server, "scoped", &[issuer], &["--require", "scope=admin", "--require", "roles=scorer"]);
    for alg in ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"] {
        provider.steer(&format!("alg?alg={alg}")).await;
        let token = provider.token(AUDIENCE, SCOPE).await;
        assert_eq!(score(server, "both", &token).await, 200, "{alg}");
        // The second look is at a token seen before.
        assert_eq!(score(server, "both", &token).await, 200, "{alg}");
        assert_eq!(score(server, "scoped", &token).await, 403, "{alg}");
        // An API that names no other issuer takes tokens of the built-in service alone.
        assert_eq!(score(server, "team/small", &token).await, 401, "{alg}");
    }
    let scoped = provider.token(AUDIENCE, "score:invoke admin").await;
    assert_eq!(score(server, "scoped", &scoped).await, 200);
    let elsewhere = provider.token("api://other", SCOPE).await;
    assert_eq!(score(server, "both", &elsewhere).await, 401);
    let own = server.token_for(&road.principal).await;
    assert_eq!((score(server, "both", &own).await, score(server, "scoped", &own).await), (200, 401));
    // Pinned more narrowly, the same tokens pass no more, those seen before included.
    let before = provider.token(AUDIENCE, SCOPE).await;
    assert_eq!(score(server, "both", &before).await, 200);
    trust(server, &provider, &["--algorithm", "RS256"]);
    assert_eq!(score(server, "both", &before).await, 401);
    let used = refusal(&server.try_cli(&["issuer", "remove", issuer]));
    assert!(used.contains("/both, /scoped"), "{used}");
    for path in ["both", "scoped"] {
        server.cli(&["api", "unpublish", path]);
    }
    server.cli(&["issuer", "remove", issuer]);
    assert_eq!(server.cli(&["issuer", "list"]), json!([]));
    let unknown =
        ["api", "publish", "--endpoint", "small", "--path", "x", "--audience", "a", "--issuer", issuer];
    assert!(refusal(&server.try_cli(&unknown)).contains("no issuer named"));
}

#[tokio::test]
async fn issuers_with_the_same_key_ids_do_not_stand_for_each_other() {
    let (Some(one), Some(other)) = (Provider::start(&[]), Provider::start(&[])) else {
        return skip("issuers_with_the_same_key_ids", MISSING);
    };
    let road = Road::walk();
    let server = &road.server;
    for provider in [&one, &other] {
        trust(server, provider, &[]);
    }
    publish(server, "one", &[&one.issuer], &[]);
    publish(server, "other", &[&other.issuer], &[]);
    publish(server, "all", &["built_in", &one.issuer, &other.issuer], &[]);
    let tokens = [one.token(AUDIENCE, SCOPE).await, other.token(AUDIENCE, SCOPE).await];
    let own = server.token_for(&road.principal).await;
    for _ in 0..2 {
        for (path, expected) in [("one", [200, 401, 401]), ("other", [401, 200, 401]), ("all", [200; 3])] {
            for (token, expected) in [&tokens[0], &tokens[1], &own].into_iter().zip(expected) {
                assert_eq!(score(server, path, token).await, expected, "{path}");
            }
        }
    }
    // Claims of the one under the signature of the other.
    let parts: Vec<Vec<&str>> = tokens.iter().map(|token| token.split('.').collect()).collect();
    let mixed = [parts[0][0], parts[0][1], parts[1][2]].join(".");
    assert_eq!(score(server, "all", &mixed).await, 401);
    // The log names issuer and subject, and no principal of ours.
    let rows = server.cli(&["logs", "small", "--limit", "200"]).to_string();
    assert!(rows.contains(&format!("{}|svc", one.issuer)), "{rows}");
}

#[tokio::test]
async fn rotation_loses_no_call_and_a_new_key_passes_within_thirty_seconds() {
    let Some(provider) = Provider::start(&[]) else { return skip("rotation", MISSING) };
    // The wait for the new key below asks as fast as it can.
    let road = Road::walk_with(&[("LIMITS__RATE__REFUSED_CALLS", "1000000000")]);
    let server = &road.server;
    trust(server, &provider, &[]);
    publish(server, "ext", &[&provider.issuer], &[]);
    let old = provider.token(AUDIENCE, SCOPE).await;
    assert_eq!(score(server, "ext", &old).await, 200);

    // Old and new published together, signing by the new at once: many calls bring it at the same moment.
    provider.steer("rotate?keep=1").await;
    let asked = provider.asked().await;
    let mut tokens = vec![old.clone()];
    for _ in 0..8 {
        tokens.push(provider.token(AUDIENCE, SCOPE).await);
    }
    let calls = tokens.iter().cycle().take(64).map(|token| score(server, "ext", token));
    let answers = futures_util::future::join_all(calls).await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
    assert_eq!(provider.asked().await, asked + 1, "one fetch for all of them");

    // The old key withdrawn and a new one in its place, right after: the one fetch for unknown keys is used up.
    provider.steer("rotate?keep=0").await;
    let (start, new) = (Instant::now(), provider.token(AUDIENCE, SCOPE).await);
    while score(server, "ext", &new).await != 200 {
        assert!(start.elapsed() < Duration::from_secs(31), "the new key is not taken");
        tokio::task::yield_now().await;
    }
    println!("new key without overlap, just after another rotation: {:?}", start.elapsed());
    assert_eq!(score(server, "ext", &old).await, 401);
    assert!(provider.asked().await <= asked + 2, "unknown keys made more than one fetch in thirty seconds");
}

#[tokio::test]
async fn an_outage_refuses_nobody_and_a_withdrawn_key_dies_by_command() {
    let Some(provider) = Provider::start(&[]) else { return skip("an_outage", MISSING) };
    let road = Road::walk();
    trust(&road.server, &provider, &[]);
    publish(&road.server, "ext", &[&provider.issuer], &[]);
    let good = provider.token(AUDIENCE, SCOPE).await;
    assert_eq!(score(&road.server, "ext", &good).await, 200);
    provider.steer("down?for=5000").await;
    while provider.is_up().await {}
    let failed = refusal(&road.server.try_cli(&["issuer", "refresh", &provider.issuer]));
    assert!(failed.contains("cannot be read"), "{failed}");
    let state = &road.server.cli(&["issuer", "list"])[0]["key_set"];
    assert!(state["error"].as_str().unwrap().contains("cannot be read"), "{state}");
    assert_eq!(score(&road.server, "ext", &good).await, 200);
    // A server that starts during the outage knows the keys of before.
    let dir = road.server.dir.clone();
    road.server.kill();
    let server = Server::start(&dir);
    assert_eq!(score(&server, "ext", &good).await, 200);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !provider.is_up().await {
        assert!(Instant::now() < deadline, "the provider did not come back");
        tokio::task::yield_now().await;
    }
    provider.steer("rotate?keep=0").await;
    assert_eq!(score(&server, "ext", &good).await, 200);
    let start = Instant::now();
    server.cli(&["issuer", "refresh", &provider.issuer]);
    // The first call after the command's answer: nothing is left to wait for.
    assert_eq!(score(&server, "ext", &good).await, 401);
    println!("withdrawn by command: refused after {:?}", start.elapsed());
    // Nor does it live again at the next start.
    server.kill();
    let server = Server::start(&dir);
    assert_eq!(score(&server, "ext", &good).await, 401);
}

/// What a hostile provider answers, and what is said of it.
const HOSTILE: [(&str, &str); 8] = [
    ("slow", "does not answer within 3 s"),
    ("huge", "answers more than 1 MiB"),
    ("redirect", "redirects"),
    ("html", "is no discovery document"),
    ("wrong-issuer", "character for character"),
    ("many-keys", "1 MiB"),
    ("metadata", "is not https"),
    ("error", "answered 500"),
];

#[tokio::test]
async fn hostile_answers_harm_nobody() {
    let Some(provider) = Provider::start(&[]) else { return skip("hostile_answers", MISSING) };
    let road = Road::walk();
    let server = &road.server;
    for (how, told) in HOSTILE {
        provider.steer(&format!("be?how={how}")).await;
        let message = refusal(&server.try_cli(&add(&provider.issuer)));
        assert!(message.contains(told) && message.contains("cannot be registered"), "{how}: {message}");
    }
    // Keys that are too weak or not to be read are passed over, the others serve.
    provider.steer("be?how=broken-key").await;
    let state = trust(server, &provider, &[]);
    assert_eq!(state["key_set"]["keys"].as_array().unwrap().len(), 5, "{state}");
    provider.steer("be?how=weak").await;
    let state = server.cli(&["issuer", "refresh", &provider.issuer]);
    assert!(state["key_set"]["keys"].as_array().unwrap().iter().all(|key| key["kid"] != "weak"), "{state}");
    publish(server, "ext", &[&provider.issuer], &[]);
    let good = provider.token(AUDIENCE, SCOPE).await;
    for (how, told) in HOSTILE {
        provider.steer(&format!("be?how={how}")).await;
        let (url, issuer) = (server.url.clone(), provider.issuer.clone());
        let token = server.token.clone();
        let refresh = tokio::task::spawn_blocking(move || {
            let mut command = crate::support::binary();
            command.args(["issuer", "refresh", &issuer, "--json", "--server", &url]);
            command.env("PORTCULLIS_TOKEN", token).output().unwrap()
        });
        // Calls go on while the provider is asked.
        let mut calls = 0;
        while !refresh.is_finished() {
            assert_eq!(score(server, "ext", &good).await, 200, "{how}");
            calls += 1;
        }
        let message = refusal(&refresh.await.unwrap());
        assert!(message.contains(told), "{how}: {message}");
        assert!(calls > 0 && score(server, "ext", &good).await == 200, "{how}");
    }
    // Unknown keys while the provider is slow: some calls wait a little, none long, and the others do not notice.
    provider.steer("be?how=slow").await;
    let Some(other) = Provider::start(&[("KID_PREFIX", "other")]) else { return };
    let stranger = other.token(AUDIENCE, SCOPE).await;
    let forged = [stranger.split('.').next().unwrap(), good.split_once('.').unwrap().1].join(".");
    let start = Instant::now();
    let unknown = futures_util::future::join_all((0..100).map(|_| score(server, "ext", &forged)));
    let known = async {
        let statuses = futures_util::future::join_all((0..20).map(|_| score(server, "ext", &good))).await;
        (statuses, start.elapsed())
    };
    let (unknown, (known, taken)) = futures_util::future::join(unknown, known).await;
    assert!(unknown.iter().all(|status| *status == 401) && known.iter().all(|status| *status == 200));
    println!("unknown keys at a slow provider: {:?}, known keys beside them: {taken:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(6) && taken < Duration::from_secs(3));
    println!("resident after hostile answers: {} KiB", server.resident_kib());
    assert!(server.resident_kib() < 300 * 1024);
}

#[tokio::test]
async fn a_role_claim_opens_the_control_plane() {
    let Some(provider) = Provider::start(&[("ROLES", r#"["ops","other"]"#)]) else {
        return skip("a_role_claim", MISSING);
    };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let token = provider.token(AUDIENCE, SCOPE).await;
    let ask = async |method: &str, route: &str| {
        let method = method.parse().unwrap();
        let body = json!({ "name": "made", "role": "scorer" });
        let request = server.http().request(method, format!("{}{route}", server.url)).bearer_auth(&token);
        request.json(&body).send().await.unwrap().status().as_u16()
    };
    trust(&server, &provider, &[]);
    assert_eq!(ask("GET", "/api/v1/principals").await, 401);
    trust(&server, &provider, &["--role-claim", "roles", "--role", "ops=reader"]);
    assert_eq!((ask("GET", "/api/v1/principals").await, ask("POST", "/api/v1/principals").await), (200, 403));
    trust(&server, &provider, &["--role-claim", "roles", "--role", "ops=owner"]);
    assert_eq!(ask("POST", "/api/v1/principals").await, 201);
    let ledger = server.cli(&["ledger", "show"]).to_string();
    assert!(ledger.contains(&format!("{}|svc", provider.issuer)), "{ledger}");
    server.cli(&["issuer", "remove", &provider.issuer]);
    assert_eq!(ask("GET", "/api/v1/principals").await, 401);
}

#[tokio::test]
async fn keys_may_be_given_or_named_by_their_url() {
    let Some(provider) = Provider::start(&[]) else { return skip("keys_may_be_given", MISSING) };
    let road = Road::walk();
    let server = &road.server;
    let file = server.dir.join("../jwks.json");
    std::fs::write(&file, provider.jwks().await).unwrap();
    let given =
        ["issuer", "add", &provider.issuer, "--audience", AUDIENCE, "--jwks-file", file.to_str().unwrap()];
    assert_eq!(server.cli(&given)["key_set"]["state"], "given");
    publish(server, "ext", &[&provider.issuer], &[]);
    let token = provider.token(AUDIENCE, SCOPE).await;
    assert_eq!(score(server, "ext", &token).await, 200);
    assert!(
        refusal(&server.try_cli(&["issuer", "refresh", &provider.issuer])).contains("given, not fetched")
    );
    std::fs::write(&file, r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA"}]}"#).unwrap();
    assert!(refusal(&server.try_cli(&given)).contains("private"));

    let url = format!("{}/jwks", provider.issuer);
    let named = ["issuer", "add", &provider.issuer, "--audience", AUDIENCE, "--jwks-uri", &url];
    assert!(refusal(&server.try_cli(&named)).contains("--allow-loopback-http"));
    let state = trust(server, &provider, &["--jwks-uri", &url]);
    assert_eq!((&state["keys"]["jwks_uri"], &state["key_set"]["state"]), (&json!(url), &json!("fresh")));
    assert_eq!(score(server, "ext", &token).await, 200);

    let absent = add("http://127.0.0.1:1").into_iter().chain(["--clock-skew", "60"]).collect::<Vec<_>>();
    let message = refusal(&server.try_cli(&absent));
    assert!(message.contains("cannot be registered") && message.contains("127.0.0.1:1"), "{message}");
    assert_eq!(server.cli(&["issuer", "list"]).as_array().unwrap().len(), 1);
}
