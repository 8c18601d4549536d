//! The ledger: checked, kept, replayed; and no secret anywhere but where it is told once.

use crate::support::{Road, Server, binary};
use serde_json::{Value, json};
use std::path::Path;

#[tokio::test]
async fn the_ledger_verifies_while_serving_and_restored() {
    let road = Road::walk();
    let check = road.server.cli(&["ledger", "verify"]);
    let head = road.server.cli(&["ledger", "show", "--head"]);
    assert_eq!((&check["wrong"], &check["head"]), (&Value::Null, &head));
    assert_eq!(check["entries"], head["sequence"]);
    let digest = head["digest"].as_str().unwrap();
    road.server.cli(&["endpoint", "create", "later"]);
    road.server.cli(&["ledger", "verify", "--kept", digest]);
    let foreign = "ab".repeat(32);
    let output = road.server.try_cli(&["ledger", "verify", "--kept", &foreign]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cut off"));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.tar");
    road.server.cli(&["backup", "create", file.to_str().unwrap()]);
    let dir = folder.path().join("restored");
    for args in [["backup", "restore", file.to_str().unwrap()], ["ledger", "verify", "--json"]] {
        let output = binary().args(args).arg("--data-dir").arg(&dir).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The callers of a report as text.
fn callers(report: &Value) -> Vec<String> {
    let text = |c: &Value| format!("{} {} {}", c["caller"], c["role"], c["api"]).replace('"', "");
    report["callers"].as_array().unwrap().iter().map(text).collect()
}

/// The values of a report's facts of one kind and name.
fn values(report: &Value, kind: &str, name: &str) -> Vec<Value> {
    let facts = report["facts"].as_array().unwrap().iter();
    facts.filter(|f| f["kind"] == kind && f["name"] == name).map(|f| f["value"].clone()).collect()
}

#[tokio::test]
async fn one_command_tells_who_could_call_and_which_version_answered() {
    let road = Road::walk();
    let server = &road.server;
    let before = server.cli(&["ledger", "access", "small"]);
    let body = json!({ "data": [Road::row()] });
    let token = server.token_for(&road.principal).await;
    for _ in 0..3 {
        assert_eq!(server.post("/team/small/score", Some(&token), &body).await.0, 200);
    }
    assert_eq!(server.post("/endpoints/small/score", Some(road.key()), &body).await.0, 200);
    server.cli(&["endpoint", "regenerate-key", "small", "--key", "primary"]);
    server.cli(&[
        "principal",
        "create",
        "guest",
        "--role",
        "scorer",
        "--on",
        "endpoint:small",
        "--audience",
        "api://small",
    ]);
    server.cli(&["principal", "create", "stranger", "--audience", "api://elsewhere"]);
    server.cli(&["principal", "revoke", "caller"]);

    let now = server.cli(&["ledger", "access", "small"]);
    assert_eq!(callers(&before), ["caller scorer on workspace team/small"]);
    assert_eq!(callers(&now), ["guest scorer on endpoint:small team/small"]);
    let day = before["from"].as_str().unwrap().split('T').next().unwrap().to_owned();
    let report = server.cli(&["ledger", "access", "small", "--at", &day]);
    assert_eq!(
        callers(&report),
        ["caller scorer on workspace team/small", "guest scorer on endpoint:small team/small"]
    );
    let fact = |kind: &str, name: &str| values(&report, kind, name);
    assert_eq!(fact("deployment", "blue"), [json!({ "model": "small", "version": 1 })]);
    assert_eq!(fact("key", "primary"), [json!({ "generation": 0 }), json!({ "generation": 1 })]);
    assert_eq!(fact("setting", "public_network_access"), [json!({ "value": "enabled" })]);
    assert_eq!(fact("traffic", "traffic"), [json!({ "blue": 100 })]);
    let calls = report["calls"].as_array().unwrap();
    let counted: Vec<Value> = calls
        .iter()
        .map(|c| {
            json!([
                c["deployment"],
                c["version"],
                c["api"],
                c["auth"],
                c["principal"],
                c["status"],
                c["calls"]
            ])
        })
        .collect();
    assert_eq!(counted[0], json!(["blue", "1", "team/small", "AADToken", "caller", 200, 3]), "{calls:?}");
    assert_eq!(counted[1], json!(["blue", "1", null, "Key", null, 200, 1]), "{calls:?}");

    unknown_is_told(server);
    let wrong = server.try_cli(&["ledger", "access", "small", "--at", "yesterday"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("write a day as 2026-03-03"));
}

/// What was not there is told apart from what nobody could call.
fn unknown_is_told(server: &Server) {
    for (name, at) in [("small", "2020-03-03T12:00Z"), ("smal", "2090-03-03")] {
        let unknown = server.try_cli(&["ledger", "access", name, "--at", at]);
        assert_eq!(unknown.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&unknown.stderr).contains("knows no endpoint"));
    }
}

/// Every file below a folder that holds one of the texts.
fn files_with(folder: &Path, texts: &[(&str, String)]) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap_or_default();
            for (what, text) in texts {
                if bytes.windows(text.len()).any(|part| part == text.as_bytes()) {
                    found.push(format!("{what} in {}", path.display()));
                }
            }
        }
    }
    found
}

#[tokio::test]
async fn no_secret_is_found_in_the_data_directory_or_told_twice() {
    let road = Road::walk_with(&[("TELEMETRY__SERVER_LOG__LEVEL", "debug")]);
    let server = &road.server;
    let token = server.token_for(&road.principal).await;
    let body = json!({ "data": [Road::row()] });
    assert_eq!(server.post("/team/small/score", Some(&token), &body).await.0, 200);
    assert_eq!(server.post("/endpoints/small/score", Some(road.key()), &body).await.0, 200);
    let keys = server.cli(&["endpoint", "regenerate-key", "small", "--key", "secondary"]);
    let text = |value: &Value, member: &str| value[member].as_str().unwrap().to_owned();
    let secrets = [
        ("a client secret", text(&road.principal, "client_secret")),
        ("a token", token),
        ("a primary key", text(&road.keys, "primaryKey")),
        ("a former key", text(&road.keys, "secondaryKey")),
        ("a regenerated key", text(&keys, "secondaryKey")),
        ("a private key", "PRIVATE KEY".to_owned()),
    ];
    for (what, secret) in &secrets {
        assert!(secret.len() > 10, "{what}");
    }
    for args in [
        &["principal", "list"][..],
        &["endpoint", "show", "small"],
        &["endpoint", "list"],
        &["api", "list"],
        &["role", "list"],
        &["ledger", "show"],
        &["ledger", "access", "small"],
        &["logs", "small"],
        &["deployment", "list", "small"],
    ] {
        let told = server.cli(args).to_string();
        for (what, secret) in &secrets {
            assert!(!told.contains(secret.as_str()), "{args:?} tells {what}");
        }
    }
    assert_eq!(files_with(&server.dir, &secrets), [""; 0]);
    let logged = std::fs::read_to_string(server.dir.join("logs/server.log")).unwrap();
    assert!(logged.contains("DEBUG"), "the log at debug level was looked through: {logged}");
    // The two files that are secrets themselves are their owner's alone, all others sealed.
    for entry in std::fs::read_dir(server.dir.join("secrets")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() != "master-key" {
            assert!(std::fs::read(&path).unwrap().starts_with(b"sealed-1:"), "{}", path.display());
        }
    }
    let admin = [("the admin token", server.token.clone())];
    let places = files_with(&server.dir, &admin);
    assert!(places.iter().all(|place| place.ends_with("/admin-token")), "{places:?}");
}
