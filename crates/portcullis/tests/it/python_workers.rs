//! The workers behind a deployment while things go wrong or change: replaced under load, killed, hung, grown, full, scaled.

use super::python::{PATIENCE, Scripts, interpreter, serve, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Numbers of the worker processes of a server, as this machine counts them.
fn workers(s: &Scripts) -> Vec<i32> {
    let data = s.server.dir.canonicalize().unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        if line.contains("portcullis_worker") && line.contains(data.to_str().unwrap()) {
            found.push(id);
        }
    }
    found
}

fn kill(id: i32) {
    _ = kill_process(Pid::from_raw(id).unwrap(), Signal::KILL);
}

fn version(text: &str) -> String {
    format!(
        "VERSION = '{text}'\ndef init():\n    global LOADED\n    LOADED = '{text}'\ndef run(raw): return VERSION + LOADED\n"
    )
}

const WIDE: &str = "instance_count: 2\nrequest_settings: {max_concurrent_requests_per_instance: 50, max_queue_wait_ms: 20000, request_timeout_ms: 30000}\n";

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_callers_see_no_fault_while_a_deployment_is_replaced() {
    let Some(s) = Scripts::start("two_hundred_callers", &[]) else { return };
    s.deploy(&version("a"), WIDE);
    let s = Arc::new(s);
    let stop = Arc::new(AtomicBool::new(false));
    // With the call at the end 200, as many as two workers take and let wait.
    let callers: Vec<_> = (0..199)
        .map(|_| {
            let (s, stop) = (s.clone(), stop.clone());
            tokio::spawn(async move {
                let mut seen = BTreeMap::<String, u32>::new();
                let mut last = String::new();
                while !stop.load(Ordering::Relaxed) {
                    let answer = s.score("{}").await;
                    let status = answer.status().as_u16();
                    last = format!("{status} {}", answer.text().await.unwrap());
                    *seen.entry(last.clone()).or_default() += 1;
                }
                (seen, last)
            })
        })
        .collect();
    for text in ["b", "c"] {
        let (s, text) = (s.clone(), text.to_owned());
        tokio::task::spawn_blocking(move || s.deploy(&version(&text), WIDE)).await.unwrap();
    }
    // A call that begins now sees the last version.
    assert_eq!(s.score("{}").await.text().await.unwrap(), "\"cc\"");
    stop.store(true, Ordering::Relaxed);
    let mut all = BTreeMap::<String, u32>::new();
    for caller in callers {
        let (seen, last) = caller.await.unwrap();
        for (answer, count) in seen {
            *all.entry(answer).or_default() += count;
        }
        assert!(last.ends_with("\"cc\"") || last.ends_with("\"bb\""), "{last}");
    }
    eprintln!("answers while a deployment was replaced twice: {all:?}");
    let expected = ["200 \"aa\"", "200 \"bb\"", "200 \"cc\""];
    assert!(all.keys().all(|answer| expected.contains(&answer.as_str())), "{all:?}");
    // The workers of former versions are gone.
    until("the old workers stay", || workers(&s).len() <= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_workers_are_replaced_and_every_answer_is_true() {
    let settings = [("WORKERS__RESTART_AFTER", "10ms"), ("WORKERS__RESTART_AT_MOST", "50ms")];
    let Some(s) = Scripts::start("killed_workers", &settings) else { return };
    s.deploy(
        "import json\ndef init(): pass\ndef run(raw): return json.loads(raw)['n'] * 2\n",
        "instance_count: 2\nrequest_settings: {max_concurrent_requests_per_instance: 4, max_queue_wait_ms: 20000}\n",
    );
    let s = Arc::new(s);
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let (s, stop) = (s.clone(), stop.clone());
            tokio::spawn(async move {
                let (mut good, mut bad, mut n) = (0_u32, 0_u32, caller * 100_000);
                while !stop.load(Ordering::Relaxed) {
                    n += 1;
                    let answer = s.post("score").json(&json!({ "n": n })).send().await.unwrap();
                    let status = answer.status().as_u16();
                    let text = answer.text().await.unwrap();
                    match status {
                        200 => {
                            assert_eq!(text, (n * 2).to_string());
                            good += 1;
                        }
                        502 | 503 => bad += 1,
                        _ => panic!("{status} {text}"),
                    }
                }
                (good, bad)
            })
        })
        .collect();
    for _ in 0..6 {
        until("no worker serves", || !workers(&s).is_empty());
        let ids = workers(&s);
        kill(ids[ids.len() / 2]);
        let gone = ids[ids.len() / 2];
        until("the worker lives on", || !workers(&s).contains(&gone));
    }
    until("the workers do not come back", || s.show("blue")["instances_ready"] == 2);
    assert_eq!(s.post("score").json(&json!({"n": 4})).send().await.unwrap().text().await.unwrap(), "8");
    stop.store(true, Ordering::Relaxed);
    let (mut good, mut bad) = (0, 0);
    for caller in callers {
        let (g, b) = caller.await.unwrap();
        (good, bad) = (good + g, bad + b);
    }
    eprintln!("6 workers killed under load: {good} right answers, {bad} told as 502 or 503");
    assert!(good > 0 && s.show("blue")["restarts"].as_u64().unwrap() >= 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_leaves_no_worker_and_comes_back_with_them() {
    let Some(s) = Scripts::start("a_killed_server", &[]) else { return };
    // The first start ends once a file is there, which a test can make late.
    s.deploy(&version("a"), "instance_count: 2\n");
    let before = workers(&s);
    assert!(before.len() >= 2, "{before:?}");
    let Scripts { server, key, folder } = s;
    server.kill();
    let lives = |id: &i32| std::path::Path::new(&format!("/proc/{id}")).exists();
    until("a worker outlives its server", || !before.iter().any(lives));
    let python = interpreter("a_killed_server").unwrap();
    let s = Scripts { server: serve(folder.path(), &python, &[]), key, folder };
    let start = Instant::now();
    loop {
        let answer = s.score("{}").await;
        if answer.status() == 200 {
            assert_eq!(answer.text().await.unwrap(), "\"aa\"");
            break;
        }
        // Until then it says so, and when to ask again.
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["retry-after"], "1");
        assert!(start.elapsed() < PATIENCE);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_call_ends_by_its_time_and_its_worker_is_replaced() {
    let Some(s) = Scripts::start("a_hung_call", &[]) else { return };
    // Threads cannot be stopped, so with two of them only a new worker helps.
    s.deploy(
        "import json, os, time\ndef init(): pass\ndef run(raw):\n    while json.loads(raw).get('hang'): time.sleep(1)\n    return 1\n",
        "request_settings: {request_timeout_ms: 300, max_concurrent_requests_per_instance: 2, max_queue_wait_ms: 20000}\n",
    );
    let before = workers(&s);
    let answer = s.score(r#"{"hang": 1}"#).await;
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.headers()["x-ms-run-function-failed"], "True");
    assert_eq!(answer.json::<Value>().await.unwrap()["message"], "Scoring timeout after 300 ms");
    assert_eq!(s.score("{}").await.text().await.unwrap(), "1");
    until("the hung worker stays", || !workers(&s).iter().any(|id| before.contains(id)));
    assert_eq!(s.show("blue")["instances_ready"], 1);
    // One thread alone is stopped where it is.
    s.deploy(
        "import json, time\ndef init(): pass\ndef run(raw):\n    while json.loads(raw).get('hang'): time.sleep(1)\n    return 1\n",
        "request_settings: {request_timeout_ms: 300}\n",
    );
    let answer: Value = s.score(r#"{"hang": 1}"#).await.json().await.unwrap();
    assert_eq!(answer["message"], "Scoring timeout after 300 ms");
    assert_eq!(s.score("{}").await.text().await.unwrap(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_grows_is_replaced_without_a_call_lost() {
    let settings = [("WORKERS__CHECK_EVERY", "50ms")];
    let Some(s) = Scripts::start("a_worker_that_grows", &settings) else { return };
    s.deploy(
        "import json\nKEPT = []\ndef init(): pass\ndef run(raw):\n    n = json.loads(raw).get('grow', 0)\n    if n: KEPT.append(bytearray(n))\n    return len(KEPT)\n",
        "resources: {limits: {memory: 200Mi}}\nrequest_settings: {max_queue_wait_ms: 20000}\n",
    );
    let before = workers(&s);
    assert_eq!(s.score(r#"{"grow": 220000000}"#).await.text().await.unwrap(), "1");
    let start = Instant::now();
    while s.score("{}").await.text().await.unwrap() != "0" {
        assert!(start.elapsed() < PATIENCE);
    }
    until("the heavy worker stays", || !workers(&s).iter().any(|id| before.contains(id)));
    assert_eq!(s.show("blue")["restarts"], 0);
    let told = s.logs(&[]);
    assert!(
        told.iter().any(|l| l["text"] == "worker 1 has reached its limit of memory and is replaced"),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_deployment_answers_429_and_workers_follow_the_load() {
    let Some(s) = Scripts::start("a_full_deployment", &[]) else { return };
    // A call ends when a file is there.
    let script = "import os, time\ndef init(): pass\ndef run(raw):\n    print('begun')\n    while not os.path.exists(os.environ['TMPDIR'] + '/go'): time.sleep(0.01)\n    return 1\n";
    s.deploy(script, "request_settings: {request_timeout_ms: 60000, max_queue_wait_ms: 60000}\n");
    let s = Arc::new(s);
    let call = || {
        let s = s.clone();
        tokio::spawn(async move { s.score("{}").await })
    };
    let first = call();
    until("no call begins", || s.logs(&[]).iter().any(|l| l["text"] == "begun"));
    // Twice one slot of one worker: one is in hand, one may wait, the other is told to come again.
    let (mut second, mut third) = (call(), call());
    let (refused, waits) = tokio::select! {
        answer = &mut second => (answer.unwrap(), third),
        answer = &mut third => (answer.unwrap(), second),
    };
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"1".parse().unwrap()));
    assert_eq!(refused.headers()["x-ms-run-function-failed"], "False");
    assert!(refused.text().await.unwrap().contains("as many as this deployment takes"));
    for pool in std::fs::read_dir(s.server.dir.join("workers")).unwrap().flatten() {
        std::fs::write(pool.path().join("scratch/go"), "").unwrap();
    }
    assert_eq!((first.await.unwrap().status().as_u16(), waits.await.unwrap().status().as_u16()), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_come_and_go_with_the_load() {
    let Some(s) = Scripts::start("workers_come_and_go", &[]) else { return };
    let script = "import time\ndef init(): pass\ndef run(raw):\n    end = time.monotonic() + 0.02\n    while time.monotonic() < end: pass\n    return 1\n";
    s.deploy(
        script,
        "scale_settings: {type: target_utilization, min_instances: 1, max_instances: 3, target_utilization_percentage: 50, polling_interval: 1}\n\
         request_settings: {request_timeout_ms: 60000, max_queue_wait_ms: 60000}\n",
    );
    assert_eq!(s.show("blue")["instances"], 1);
    let s = Arc::new(s);
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let (s, stop) = (s.clone(), stop.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(s.score("{}").await.status(), 200);
                }
            })
        })
        .collect();
    until("no more workers come", || s.show("blue")["instances_ready"].as_u64().unwrap() >= 3);
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    until("the workers stay", || s.show("blue")["instances_ready"] == 1 && workers(&s).len() == 1);
    assert_eq!(s.show("blue")["restarts"], 0);
}

/// Fills the folder of temporary files, in one file or in many.
const FILL: &str = r#"
import json, os
def init(): pass
def run(raw):
    names = json.loads(raw)
    try:
        for name, mib in names.items(): open(os.environ["TMPDIR"] + "/" + name, "wb").write(b"0" * (mib << 20))
        return "written"
    except OSError as error:
        return str(error)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn temporary_files_of_workers_are_bounded() {
    let settings = [("WORKERS__SCRATCH_BYTES", "4194304")];
    let Some(s) = Scripts::start("temporary_files_of_workers_are_bounded", &settings) else { return };
    s.deploy(FILL, "");
    assert!(s.score(r#"{"big": 8}"#).await.text().await.unwrap().contains("File too large"));
    // The worker may be ended before it has answered.
    _ = s.post("score").json(&json!({"a": 3, "b": 3, "c": 3})).send().await;
    until("the worker is ended, and says why", || {
        s.logs(&[]).iter().any(|line| line.to_string().contains("bytes together, 4194304 are allowed"))
    });
    let start = std::time::Instant::now();
    while s.score(r#"{"small": 1}"#).await.text().await.unwrap() != "\"written\"" {
        assert!(start.elapsed().as_secs() < 60, "no worker serves again");
    }
}
