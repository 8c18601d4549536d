//! kill -9 of a process that writes, again and again: what it acknowledged is there, nothing is half there, the directory
//! opens at once.

#![expect(clippy::unwrap_used, reason = "a test program from end to end, not only in its test functions")]

use domain::{Actor, Name, Timestamp};
use portcullis_store::{NewDataVersion, NewTask, Store, TaskState};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const DIR: &str = "PORTCULLIS_TEST_KILL_DIR";
const ROUNDS: usize = 15;

fn name() -> Name {
    Name::new("table").unwrap()
}

/// Not a test by itself: the process that is killed. Every line it prints acknowledges the version of that number.
#[tokio::test]
async fn child_that_writes_until_killed() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let store = Store::open(Path::new(&dir)).await.unwrap();
    let mut out = std::io::stdout();
    loop {
        let digest = store.artifacts().put(uuid::Uuid::new_v4().as_bytes()).unwrap();
        let new = NewDataVersion {
            name: name(),
            digest,
            bytes: 16,
            rows: 1,
            format: serde_json::Value::Null,
            columns: Vec::new(),
            profile: serde_json::Value::Null,
            description: String::new(),
        };
        let (version, _) = store.add_data_version(new, &Actor::system(), Timestamp::now()).await.unwrap();
        let key = version.version.to_string();
        store.tasks().push(&NewTask::new("kind", serde_json::Value::Null, key)).await.unwrap();
        writeln!(out, "acknowledged {}", version.version).unwrap();
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let (mut acknowledged, mut opened) = (0, Vec::new());
    for round in 0..ROUNDS {
        acknowledged = killed_after(dir.path(), 1 + round * 3).max(acknowledged);
        let start = Instant::now();
        let store = Store::open(dir.path()).await.unwrap();
        opened.push(start.elapsed());
        let versions = store.data_versions(&name()).await.unwrap();
        let newest = versions[0].version.0;
        assert!(newest >= acknowledged, "{newest} < {acknowledged}");
        assert_eq!(versions.len(), newest as usize);
        assert_eq!(store.verify_ledger(None).await.unwrap().entries, i64::from(newest));
        for version in &versions {
            store.artifacts().read(&version.digest).unwrap();
        }
        let tasks = store.tasks().list("kind", 10_000).await.unwrap();
        assert!(tasks.len() >= acknowledged as usize && tasks.iter().all(|t| t.state == TaskState::Queued));
        assert_eq!(leftovers(&dir.path().join("artifacts")), 0);
    }
    // A single one may be held up by what else the machine does.
    opened.sort_unstable();
    assert!(opened[ROUNDS / 2] < Duration::from_secs(1), "{opened:?}");
}

/// Runs the child in the directory, kills it after some lines; gives the last version it acknowledged.
fn killed_after(dir: &Path, lines: usize) -> u32 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_writes_until_killed", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut heard = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let number = |line: String| line.rsplit_once("acknowledged ").and_then(|(_, n)| n.parse::<u32>().ok());
    let mut last = heard.by_ref().filter_map(number).nth(lines - 1).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // What stood in the pipe was acknowledged too; a line cut by the kill was not.
    for version in heard.filter_map(number) {
        last = last.max(version.min(last + 1));
    }
    last
}

fn leftovers(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).unwrap().flatten().map(|e| e.file_name());
    names.filter(|n| n.to_string_lossy().starts_with('.')).count()
}
