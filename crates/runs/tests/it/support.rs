//! A data directory with a small table, the child's program, and ways to wait for events.

use domain::{Actor, DataVersion, Job, Name, Span};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use portcullis_runs::{CommandConfig, Config, Jobs, Program, SubmitAutoml};
use serde_json::Value;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::Store;

/// The example `worker`, which `cargo test` builds beside the tests.
pub fn worker() -> Program {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().unwrap().parent().unwrap().join("examples/worker");
    assert!(path.is_file(), "the example worker is not built: run cargo test without --test");
    Program { path, arguments: Vec::new() }
}

/// The same; a search that begins from nothing waits after its second trial until it is killed.
pub fn held() -> Program {
    Program { arguments: vec!["hold".into()], ..worker() }
}

/// A program that cannot be started.
pub fn nothing() -> Program {
    Program { path: PathBuf::from("/nonexistent/worker"), arguments: Vec::new() }
}

pub fn config() -> Config {
    Config {
        concurrency: 1,
        max_queued: 10,
        max_attempts: 5,
        threads: 2,
        nice: 5,
        memory_bytes: 4 << 30,
        file_bytes: 1 << 30,
        max_time: Span(Duration::from_secs(600)),
        cancel_grace: Span(Duration::from_secs(5)),
        command: CommandConfig {
            concurrency: 1,
            cpu_seconds: 0,
            open_files: 0,
            processes: 0,
            network: false,
            read_paths: Vec::new(),
            log_bytes: 1 << 20,
            folder_bytes: 1 << 30,
        },
    }
}

/// Rows whose label depends on both numbers.
fn table(rows: u32) -> String {
    (0..rows).fold("x,y,colour,label\n".to_owned(), |text, n| {
        let (x, y) = (n.wrapping_mul(2_654_435_761) % 1000, n.wrapping_mul(40_503) % 1000);
        let label = if (x + y + n % 7 * 60) % 2000 > 1000 { "yes" } else { "no" };
        format!("{text}{x},{y},{},{label}\n", ["red", "green", "blue"][n as usize % 3])
    })
}

/// A store in `dir` with the table `points`.
pub async fn store(dir: &Path, rows: u32) -> (Store, DataVersion) {
    let store = Store::open(dir).await.unwrap();
    let text = table(rows).into_bytes();
    let version = register(&store, Name::new("points").unwrap(), text).await;
    (store, version)
}

async fn register(store: &Store, name: Name, text: Vec<u8>) -> DataVersion {
    let seconds = |n| Span(Duration::from_secs(n));
    // Reaches nothing: the table comes from memory.
    let outbound = outbound::Config {
        allow: Vec::new(),
        connect_timeout: seconds(1),
        idle_timeout: seconds(1),
        timeout: seconds(1),
        max_bytes: 1,
        max_redirects: 0,
    };
    let assets = data::Assets::new(store.clone(), outbound::Client::new(&outbound).unwrap());
    let source = data::Source::Reader(Box::new(Cursor::new(text)));
    let registered =
        assets.register(name, source, data::ReadOptions::default(), String::new(), &Actor::admin()).await;
    registered.unwrap().0
}

/// A search on the table.
pub fn ask(trials: u32) -> SubmitAutoml {
    SubmitAutoml { max_trials: Some(trials), ..SubmitAutoml::new(Name::new("points").unwrap(), "label") }
}

pub async fn submit(jobs: &Jobs, ask: SubmitAutoml) -> Job {
    jobs.submit(ask, &Actor::admin()).await.unwrap()
}

/// Passes events over until one of this kind.
pub async fn until(events: &mut BoxStream<'static, Value>, kind: &str) -> Value {
    loop {
        let event = events.next().await.unwrap_or_else(|| panic!("no {kind} event came"));
        if event["event"] == kind {
            return event;
        }
    }
}

/// Waits for the end of a job.
pub async fn ended(jobs: &Jobs, job: &Job) -> Job {
    until(&mut jobs.watch(&job.id).await.unwrap(), "end").await;
    jobs.show(&job.id).await.unwrap()
}

/// The process of a job: the one that works in its folder.
pub fn process(dir: &Path, job: &Job) -> Option<i32> {
    let folder = dir.canonicalize().unwrap().join("runs").join(job.id.as_str());
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let works_there = std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == folder);
        entry.file_name().to_str().filter(|_| works_there).and_then(|name| name.parse().ok())
    })
}
