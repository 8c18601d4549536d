//! Changes under load: keys, publishing, deploying and revoking cost no call (security.md, "Figures to reach").
//!
//! 500 calls a second for a few seconds; PORTCULLIS_LOAD_SECONDS=60 makes it the long run.

use crate::support::{Road, binary};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const RATE: &str = "500";

fn seconds() -> u64 {
    std::env::var("PORTCULLIS_LOAD_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(6)
}

/// A steady load as a process of its own.
struct Load(Child, &'static str);

impl Load {
    fn start(name: &'static str, url: &str, bearer: &str, body: &Path) -> Self {
        let mut command = binary();
        command.args(["bench", url, "--rate", RATE, "--connections", "16", "--json", "--duration"]);
        command.arg(format!("{}s", seconds())).arg("--body").arg(body);
        command.args(["-H", &format!("Authorization: Bearer {bearer}")]);
        Self(command.stdout(Stdio::piped()).spawn().unwrap(), name)
    }

    /// Waits for its end; every call must have been made and none have failed.
    fn end(self) -> Value {
        let output = self.0.wait_with_output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["errors"], json!({}), "{}: {report}", self.1);
        let expected = RATE.parse::<u64>().unwrap() * seconds();
        assert_eq!(report["calls"], json!(expected), "{}", self.1);
        eprintln!("{}: {expected} calls, 0 failed, {}", self.1, report["latency_ms"]);
        report
    }
}

#[tokio::test]
async fn no_call_fails_while_keys_apis_deployments_and_clients_change() {
    // The test's own client rests for as long as the load goes on.
    let road = Road::walk_with(&[("LIMITS__HTTP__IDLE_TIMEOUT", "10m")]);
    let server = &road.server;
    let folder = tempfile::tempdir().unwrap();
    let body = folder.path().join("row.json");
    std::fs::write(&body, json!({ "data": [Road::row()] }).to_string()).unwrap();
    let token = server.token_for(&road.principal).await;
    let other =
        server.cli(&["principal", "create", "other", "--role", "scorer", "--audience", "api://small"]);
    let others_token = server.token_for(&other).await;

    let begun = Instant::now();
    let published =
        Load::start("published API, token", &format!("{}/team/small/score", server.url), &token, &body);
    let secondary = road.keys["secondaryKey"].as_str().unwrap();
    let direct =
        Load::start("direct door, key", &format!("{}/endpoints/small/score", server.url), secondary, &body);
    let mut rounds = 0;
    while begun.elapsed() < Duration::from_secs(seconds()).saturating_sub(Duration::from_secs(1)) {
        server.cli(&["endpoint", "regenerate-key", "small", "--key", "primary"]);
        let publish = ["api", "publish", "--endpoint", "small", "--path", "team/small", "--audience"];
        server.cli(&[&publish[..], &["api://small"]].concat());
        let name = format!("green{rounds}");
        let deployment =
            ["deployment", "create", "--endpoint", "small", "--model", "small:1", "--name", &name];
        server.cli(&[&deployment[..], &["--all-traffic"]].concat());
        // The token service keeps at most so many keys that are still accepted.
        if rounds < 10 {
            server.cli(&["token", "rotate-key", "--now"]);
        }
        rounds += 1;
    }
    published.end();
    direct.end();
    eprintln!("{rounds} rounds of regenerate-key, publish, deploy; the first ten also of rotate-key");
    assert!(rounds > 0);

    let data = json!({ "data": [Road::row()] });
    assert_eq!(server.post("/team/small/score", Some(&others_token), &data).await.0, 200);
    let load = Load::start(
        "while another client is revoked",
        &format!("{}/team/small/score", server.url),
        &token,
        &body,
    );
    server.cli(&["principal", "revoke", "other"]);
    // The command has returned: from here on the client is out, without waiting.
    assert_eq!(server.post("/team/small/score", Some(&others_token), &data).await.0, 401);
    load.end();
}

#[tokio::test]
async fn no_call_fails_while_traffic_moves_and_is_mirrored() {
    let road = Road::walk_with(&[("LIMITS__HTTP__IDLE_TIMEOUT", "10m")]);
    let server = &road.server;
    let folder = tempfile::tempdir().unwrap();
    let body = folder.path().join("row.json");
    std::fs::write(&body, json!({ "data": [Road::row()] }).to_string()).unwrap();
    server.cli(&["deployment", "create", "--endpoint", "small", "--model", "small:1", "--name", "green"]);
    let begun = Instant::now();
    let load =
        Load::start("direct door", &format!("{}/endpoints/small/score", server.url), road.key(), &body);
    let mut moves = 0;
    while begun.elapsed() < Duration::from_secs(seconds()).saturating_sub(Duration::from_secs(1)) {
        for (traffic, mirror) in
            [("blue=90 green=10", "green=50"), ("blue=0 green=100", ""), ("blue=100", "green=50")]
        {
            let words = ["endpoint", "update", "small", "--traffic", traffic, "--mirror-traffic", mirror];
            server.cli(&words);
            moves += 1;
        }
    }
    load.end();
    let mirror = &server.cli(&["endpoint", "show", "small"])["mirror"];
    eprintln!("{moves} moves; mirrored: {mirror}");
    assert!(moves > 3 && mirror["equal"].as_u64() > Some(0), "{mirror}");
    assert_eq!((mirror["different"].as_u64(), mirror["failed"].as_u64()), (Some(0), Some(0)), "{mirror}");
}
