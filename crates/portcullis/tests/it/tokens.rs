//! The token service from outside: commands, rotation and revocation while clients score.

use crate::support::{Road, binary};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

const PATH: &str = "/team/small/score";

fn rows() -> Value {
    json!({ "data": [Road::row()] })
}

/// `token issue` with the client's id and secret; standard output, trimmed, and whether it succeeded.
fn issue(road: &Road, args: &[&str], secret: &str) -> (bool, String, String) {
    let mut command = binary();
    command.args(["token", "issue", "--server", &road.server.url]).args(args);
    command.env("PORTCULLIS_CLIENT_ID", road.principal["client_id"].as_str().unwrap());
    let output = command.env("PORTCULLIS_CLIENT_SECRET", secret).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn tokens_are_issued_and_keys_rotated_by_commands() {
    let road = Road::walk();
    let secret = road.principal["client_secret"].as_str().unwrap().to_owned();
    for args in
        [&[][..], &["--scope", "api://small/.default", "--lifetime", "5m"], &["--resource", "api://small"]]
    {
        let (ok, token, error) = issue(&road, args, &secret);
        assert!(ok, "{args:?} {error}");
        let (status, body) = road.server.post(PATH, Some(&token), &rows()).await;
        assert_eq!(status, 200, "{args:?} {body}");
    }
    let (ok, out, error) = issue(&road, &[], "wrong");
    assert!(!ok && out.is_empty() && error.contains("AADSTS7000215"), "{error}");
    let (_, token, _) = issue(&road, &[], &secret);
    let next = road.server.cli(&["token", "rotate-key"]);
    assert_eq!(next["state"], "published");
    assert_eq!(road.server.cli(&["token", "keys"]).as_array().unwrap().len(), 2);
    assert_eq!(road.server.cli(&["token", "rotate-key", "--now"])["kid"], next["kid"]);
    assert_eq!(road.server.post(PATH, Some(&token), &rows()).await.0, 200);
    road.server.cli(&["token", "rotate-key", "--revoke"]);
    assert_eq!(road.server.post(PATH, Some(&token), &rows()).await.0, 401);
    // Secrets: the new one and the former both work, until the former is revoked.
    let rotated = road.server.cli(&["principal", "rotate-secret", "caller"]);
    let newest = rotated["client_secret"].as_str().unwrap().to_owned();
    assert!(issue(&road, &[], &secret).0 && issue(&road, &[], &newest).0);
    road.server.cli(&["principal", "revoke-secret", "caller", "--former"]);
    assert!(!issue(&road, &[], &secret).0 && issue(&road, &[], &newest).0);
    let shown = road.server.cli(&["principal", "show", "caller"]);
    assert_eq!(shown["secrets"].as_array().unwrap().len(), 1, "{shown}");
    assert!(!shown.to_string().contains(&newest));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_over_rotations_and_a_revoked_client_is_out_at_once() {
    let road = Arc::new(Road::walk());
    let stop = Arc::new(AtomicBool::new(false));
    let (good, bad) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut callers = Vec::new();
    for _ in 0..4 {
        let (road, stop, good, bad) = (road.clone(), stop.clone(), good.clone(), bad.clone());
        callers.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let token = road.server.token_for(&road.principal).await;
                for _ in 0..20 {
                    let (status, _) = road.server.post(PATH, Some(&token), &rows()).await;
                    if status == 200 { &good } else { &bad }.fetch_add(1, Ordering::Relaxed);
                }
            }
        }));
    }
    let until = async |calls: u64| {
        while good.load(Ordering::Relaxed) + bad.load(Ordering::Relaxed) < calls {
            tokio::task::yield_now().await;
        }
    };
    let (status, other) = road
        .server
        .api(
            http::Method::POST,
            "/api/v1/principals",
            Some(json!({"name": "other", "audience": "api://small"})),
        )
        .await;
    assert_eq!(status, 201, "{other}");
    let token = road.server.token_for(&other).await;
    for rotation in 1..=5 {
        until(rotation * 40).await;
        let ask = json!({ "lead": "0s" });
        let (status, key) =
            road.server.api(http::Method::POST, "/api/v1/signing-keys/rotate", Some(ask)).await;
        assert_eq!(status, 200, "{key}");
    }
    assert_eq!(road.server.post(PATH, Some(&token), &rows()).await.0, 200);
    let asked = Instant::now();
    let (status, _) = road.server.api(http::Method::POST, "/api/v1/principals/other/revoke", None).await;
    let (refused, _) = road.server.post(PATH, Some(&token), &rows()).await;
    let took = asked.elapsed();
    until(300).await;
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    let (good, bad) = (good.load(Ordering::Relaxed), bad.load(Ordering::Relaxed));
    println!(
        "{good} calls answered, {bad} failed, over 5 rotations; revoked and refused {} ms after the command",
        took.as_millis()
    );
    assert_eq!((status, refused, bad), (204, 401, 0));
}
