//! Jobs end to end: a real store, a real child process, a small generated table.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at any fault, also in its helpers")]

mod support;

use domain::{Actor, ErrorCode, Fault, JobStatus, ModelName, Name, RunId, Task, Version};
use futures_util::StreamExt;
use portcullis_runs::{FILES, Jobs, Program};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};
use store::Store;
use support::{ask, config, ended, held, nothing, process, store, submit, until, worker};

/// More trials than any test waits for.
const LONG: u32 = 1000;

#[tokio::test]
async fn a_search_ends_with_trials_files_and_a_registered_model() {
    let dir = tempfile::tempdir().unwrap();
    let (store, data) = store(dir.path(), 300).await;
    let jobs = Jobs::start_with(store.clone(), &config(), worker()).await.unwrap();
    let mut wanted = ask(3);
    wanted.register_as = Some(Name::new("points-model").unwrap());
    let job = submit(&jobs, wanted).await;
    assert_eq!(job.status, JobStatus::Queued);

    let seen: Vec<Value> = jobs.watch(&job.id).await.unwrap().collect().await;
    let count = |kind: &str| seen.iter().filter(|e| e["event"] == kind).count();
    assert_eq!((count("plan"), count("trial"), count("end")), (1, 3, 1), "{seen:#?}");
    assert_eq!(seen.last().unwrap()["status"], "Completed");

    let job = jobs.show(&job.id).await.unwrap();
    assert_eq!((job.status, job.error), (JobStatus::Completed, None));
    assert!(job.metrics["AUC_weighted"] > 0.5);
    assert_eq!(job.result["metric"], "AUC_weighted");
    assert!(jobs.trials(&job.id).await.unwrap().len() >= 3);
    for file in FILES {
        assert!(!jobs.file(&job.id, file).await.unwrap().is_empty(), "{file}");
    }
    assert!(!dir.path().join("runs").join(job.id.as_str()).exists(), "the folder is cleared");

    let model = store.model_version(&ModelName::new("points-model").unwrap(), None).await.unwrap();
    assert_eq!((model.version, model.run), (Version(1), Some(job.id.clone())));
    assert_eq!(model.lineage.unwrap().data_digest, data.digest);
    assert_eq!(job.result["model"], json!({"name": "points-model", "version": 1}));

    let past: Vec<Value> = jobs.watch(&job.id).await.unwrap().collect().await;
    assert!(past.iter().filter(|e| e["event"] == "trial").count() >= 3);
    assert_eq!(past.last().unwrap()["event"], "end");
    jobs.stop().await;
    store.close().await;
}

#[tokio::test]
async fn a_late_watcher_sees_all_and_a_cancelled_job_leaves_no_process() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = store(dir.path(), 300).await;
    let jobs = Jobs::start_with(store.clone(), &config(), worker()).await.unwrap();
    let running = submit(&jobs, ask(LONG)).await;
    let waiting = submit(&jobs, ask(LONG)).await;
    let mut early = jobs.watch(&running.id).await.unwrap();
    let first = until(&mut early, "trial").await;

    let mut late = jobs.watch(&running.id).await.unwrap();
    assert_eq!(late.next().await.unwrap()["status"], "Running");
    until(&mut late, "plan").await;
    assert_eq!(until(&mut late, "trial").await, first);

    let mut hopeful = jobs.watch(&waiting.id).await.unwrap();
    let cancelled = jobs.cancel(&waiting.id, &Actor::admin()).await.unwrap();
    assert_eq!(cancelled.status, JobStatus::Canceled);
    assert_eq!(hopeful.next().await.unwrap()["event"], "end");
    assert!(hopeful.next().await.is_none());

    assert!(process(dir.path(), &running).is_some());
    let asked = jobs.cancel(&running.id, &Actor::admin()).await.unwrap();
    assert_eq!(asked.status, JobStatus::Cancelling);
    assert_eq!(until(&mut late, "end").await["status"], "Canceled");
    assert!(process(dir.path(), &running).is_none());
    let again = jobs.cancel(&running.id, &Actor::admin()).await.unwrap_err();
    assert_eq!(Fault::from(again).code, ErrorCode::Conflict);
    jobs.stop().await;
    store.close().await;
}

#[tokio::test]
async fn a_killed_process_is_taken_up_again_from_its_finished_trials() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = store(dir.path(), 300).await;
    let jobs = Jobs::start_with(store.clone(), &config(), held()).await.unwrap();
    let job = submit(&jobs, ask(20)).await;
    let mut events = jobs.watch(&job.id).await.unwrap();
    let first = until(&mut events, "trial").await;
    until(&mut events, "trial").await;
    let pid = process(dir.path(), &job).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    // The next process tells the finished trials again, with the seconds they took: it has not done them again.
    until(&mut events, "plan").await;
    // They come by number; before the kill they came as they ended, on two threads.
    let again = loop {
        let trial = until(&mut events, "trial").await;
        if trial["number"] == first["number"] {
            break trial;
        }
    };
    assert_eq!(again["seconds"], first["seconds"]);
    let job = ended(&jobs, &job).await;
    assert_eq!((job.status, job.error), (JobStatus::Completed, None));
    assert!(jobs.trials(&job.id).await.unwrap().len() >= 20);
    assert!(!dir.path().join("runs").join(job.id.as_str()).exists(), "the folder is cleared");
    jobs.stop().await;
    store.close().await;
}

#[tokio::test]
async fn a_killed_process_fails_its_job_when_it_may_not_begin_again_and_the_next_one_runs() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = store(dir.path(), 300).await;
    let once = portcullis_runs::Config { max_attempts: 1, ..config() };
    let jobs = Jobs::start_with(store.clone(), &once, worker()).await.unwrap();
    let job = submit(&jobs, ask(LONG)).await;
    until(&mut jobs.watch(&job.id).await.unwrap(), "trial").await;
    let pid = process(dir.path(), &job).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let job = ended(&jobs, &job).await;
    assert_eq!(job.status, JobStatus::Failed);
    assert!(job.error.unwrap().contains("killed from outside"));

    let next = submit(&jobs, ask(1)).await;
    assert_eq!(ended(&jobs, &next).await.status, JobStatus::Completed);
    jobs.stop().await;
    store.close().await;
}

#[tokio::test]
async fn a_job_whose_server_stopped_begins_again_with_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = store(dir.path(), 300).await;
    let jobs = Jobs::start_with(first.clone(), &config(), held()).await.unwrap();
    let job = submit(&jobs, ask(30)).await;
    until(&mut jobs.watch(&job.id).await.unwrap(), "trial").await;
    jobs.stop().await;
    drop(jobs);
    assert_eq!(first.job(&job.id).await.unwrap().status, JobStatus::Running);
    first.close().await;
    drop(first);

    let second = reopened(dir.path()).await;
    let jobs = Jobs::start_with(second.clone(), &config(), held()).await.unwrap();
    let job = ended(&jobs, &job).await;
    assert_eq!(job.status, JobStatus::Completed);
    let trials = jobs.trials(&job.id).await.unwrap();
    assert!(trials.is_sorted_by_key(|t| t.number) && trials.len() >= 30);
    jobs.stop().await;
    second.close().await;
}

#[tokio::test]
async fn a_result_that_was_complete_is_kept_and_not_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let (first, data) = store(dir.path(), 300).await;
    let jobs = Jobs::start_with(first.clone(), &config(), nothing()).await.unwrap();
    let mut wanted = ask(2);
    wanted.register_as = Some(Name::new("m").unwrap());
    let job = submit(&jobs, wanted).await;
    until(&mut jobs.watch(&job.id).await.unwrap(), "status").await;
    jobs.stop().await;
    drop(jobs);

    // What the child had done when the server was killed.
    let folder = first.dir().join("runs").join(job.id.as_str());
    std::fs::create_dir_all(&folder).unwrap();
    let order = json!({
        "data": first.artifacts().path(&data.digest).unwrap(), "format": data.format, "columns": data.columns,
        "spec": {"target": "label", "max_trials": 2, "seed": 42}, "output": folder,
        "limits": {"nice": 0, "memory_bytes": 0, "file_bytes": 0},
    });
    let mut child = Command::new(worker().path).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut lifeline = child.stdin.take().unwrap();
    writeln!(lifeline, "{order}").unwrap();
    assert!(child.wait().unwrap().success());
    first.close().await;
    drop(first);

    let second = reopened(dir.path()).await;
    let jobs = Jobs::start_with(second.clone(), &config(), nothing()).await.unwrap();
    let job = ended(&jobs, &job).await;
    assert_eq!((job.status, job.error), (JobStatus::Completed, None));
    assert_eq!(second.model_version(&ModelName::new("m").unwrap(), None).await.unwrap().run, Some(job.id));
    jobs.stop().await;
    second.close().await;
}

#[tokio::test]
async fn a_child_ends_when_its_server_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (store, data) = store(dir.path(), 300).await;
    let order = json!({
        "data": store.artifacts().path(&data.digest).unwrap(), "format": data.format, "columns": data.columns,
        "spec": {"target": "label", "max_trials": LONG, "seed": 42}, "output": dir.path(),
        "limits": {"nice": 0, "memory_bytes": 0, "file_bytes": 0},
    });
    let mut child = Command::new(worker().path).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut lifeline = child.stdin.take().unwrap();
    writeln!(lifeline, "{order}").unwrap();
    drop(lifeline);
    assert_eq!(child.wait().unwrap().code(), Some(3));
    store.close().await;
}

#[tokio::test]
async fn a_process_without_memory_or_program_fails_its_job_truthfully() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = store(dir.path(), 300).await;
    let small = portcullis_runs::Config { memory_bytes: 1 << 20, ..config() };
    let jobs = Jobs::start_with(store.clone(), &small, worker()).await.unwrap();
    let job = submit(&jobs, ask(2)).await;
    let job = ended(&jobs, &job).await;
    assert_eq!(job.status, JobStatus::Failed);
    let error = job.error.unwrap();
    assert!(error.contains("memory"), "{error}");
    jobs.stop().await;

    let once = portcullis_runs::Config { max_attempts: 1, ..config() };
    let jobs = Jobs::start_with(store.clone(), &once, nothing()).await.unwrap();
    let job = submit(&jobs, ask(2)).await;
    let job = ended(&jobs, &job).await;
    assert_eq!(job.status, JobStatus::Failed);
    assert!(job.error.unwrap().contains("cannot be started"));
    jobs.stop().await;

    let silent = Program { path: "/bin/true".into(), arguments: Vec::new() };
    let jobs = Jobs::start_with(store.clone(), &config(), silent).await.unwrap();
    let job = submit(&jobs, ask(2)).await;
    assert_eq!(ended(&jobs, &job).await.status, JobStatus::Failed);
    jobs.stop().await;
    store.close().await;
}

#[tokio::test]
async fn an_impossible_submission_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = store(dir.path(), 300).await;
    let jobs = Jobs::start_with(store.clone(), &config(), nothing()).await.unwrap();
    let refused = async |change: &dyn Fn(&mut portcullis_runs::SubmitAutoml)| {
        let mut wanted = ask(2);
        change(&mut wanted);
        Fault::from(jobs.submit(wanted, &Actor::admin()).await.unwrap_err())
    };
    assert_eq!(refused(&|a| a.data = Name::new("nowhere").unwrap()).await.code, ErrorCode::NotFound);
    assert_eq!(refused(&|a| a.data_version = Some(Version(9))).await.code, ErrorCode::NotFound);
    assert!(refused(&|a| a.target = "nothing".to_owned()).await.message.contains("nothing"));
    assert!(refused(&|a| a.max_trials = Some(0)).await.message.contains("max_trials"));
    assert!(refused(&|a| a.exclude = vec!["label".to_owned()]).await.message.contains("exclude"));
    for (name, task, known, other) in [
        ("AUC", None, "AUC_weighted", "r2_score"),
        ("r2_score", None, "accuracy", "spearman_correlation"),
        ("accuracy", Some(Task::Regression), "r2_score", "AUC_weighted"),
    ] {
        let fault = refused_metric(&jobs, name, task).await;
        assert_eq!(fault.code, ErrorCode::InvalidInput);
        let says = |part: &str| fault.message.contains(part);
        assert!(says(&format!("'{name}'")) && says(known) && !says(other), "{}", fault.message);
    }
    assert!(jobs.list(10).await.unwrap().is_empty());
    let unknown = RunId::generate();
    assert_eq!(jobs.watch(&unknown).await.err().map(|e| Fault::from(e).code), Some(ErrorCode::NotFound));

    let full = portcullis_runs::Config { max_queued: 0, ..config() };
    let jobs = Jobs::start_with(store.clone(), &full, nothing()).await.unwrap();
    let fault = Fault::from(jobs.submit(ask(2), &Actor::admin()).await.unwrap_err());
    assert_eq!(fault.code, ErrorCode::TooManyRequests);
    store.close().await;
}

/// The refusal of a search for a text target by this metric.
async fn refused_metric(jobs: &Jobs, metric: &str, task: Option<Task>) -> Fault {
    let mut wanted = ask(2);
    (wanted.metric, wanted.task) = (Some(metric.to_owned()), task);
    Fault::from(jobs.submit(wanted, &Actor::admin()).await.unwrap_err())
}

/// Opens a data directory whose former owner is ending: its last statements may still hold the lock.
async fn reopened(dir: &std::path::Path) -> Store {
    loop {
        match Store::open(dir).await {
            Err(store::Error::Locked { .. }) => tokio::task::yield_now().await,
            other => return other.unwrap(),
        }
    }
}
