//! The main job: `quickstart --once`, twice, on the shipped table, and on another one.

use crate::support::{binary, small_table};
use serde_json::{Value, json};
use std::path::Path;

fn quickstart(dir: &Path, more: &[&str]) -> (bool, String, String) {
    let output = binary()
        .args(["quickstart", "--once", "--listen", "127.0.0.1:0", "--max-trials", "3", "--data-dir"])
        .arg(dir)
        .args(more)
        .env("PATH", "")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn it_walks_the_road_and_goes_on_from_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let (ok, out, err) = quickstart(&dir, &[]);
    assert!(ok, "{out}\n{err}");
    for part in [
        "german-credit:1",
        "1000 rows",
        "Checking account",
        "VotingEnsemble",
        "curl -s",
        "urllib",
        "/docs",
        "401",
        "200",
    ] {
        assert!(out.contains(part), "'{part}' is missing in\n{out}");
    }
    assert!(out.contains(r#""{\"result\": [\""#), "{out}");

    let (ok, out, err) = quickstart(&dir, &[]);
    assert!(ok, "{out}\n{err}");
    for part in [
        "already there",
        "not trained again",
        "endpoint german-credit is there",
        "is deployed",
        "is published",
    ] {
        assert!(out.contains(part), "'{part}' is missing in\n{out}");
    }
}

#[test]
fn it_takes_any_table_and_speaks_json() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("My Table.csv");
    std::fs::write(&table, small_table(200, 3)).unwrap();
    let (ok, out, err) = quickstart(
        &folder.path().join("data"),
        &["--json", "--data", table.to_str().unwrap(), "--target", "y"],
    );
    assert!(ok, "{out}\n{err}");
    let told: Value = serde_json::from_str(&out).unwrap();
    let statuses: Vec<&Value> =
        told["proof"]["calls"].as_array().unwrap().iter().map(|c| &c["status"]).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 200, 200].map(|s| json!(s)).iter().collect::<Vec<_>>());
    assert!(told["proof"]["log"].as_array().unwrap().len() >= 6);
}

#[test]
fn a_target_that_is_not_there_fails_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("t.csv");
    std::fs::write(&table, small_table(50, 3)).unwrap();
    let (ok, _, err) =
        quickstart(&folder.path().join("data"), &["--data", table.to_str().unwrap(), "--target", "z"]);
    assert!(!ok);
    assert!(err.contains("'z'"), "{err}");
}
