//! What the request log costs at a steady rate: the caller's side of `log()`, and CPU a row end to end.
//!
//! `cargo bench -p portcullis-telemetry --bench log`; the figures are printed, nothing is asserted.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its figures and may stop at any fault"
)]

use domain::{Span, Timestamp};
use portcullis_telemetry::{Metrics, RequestLog, RequestLogConfig, RequestRow, TraceContext};
use std::fs;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{SegmentConfig, Store};

/// Rows a second of the steady load, and for how long.
const RATE: u32 = 20_000;
const SECONDS: u32 = 5;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        steady(&store).await;
        store.close().await;
    });
    metrics();
}

fn start(store: &Store) -> RequestLog {
    let config = RequestLogConfig {
        queue_rows: 16_384,
        batch_rows: 1024,
        flush_every: Span(Duration::from_millis(200)),
    };
    let limits = SegmentConfig {
        rows: 2_000_000,
        max_bytes: 4 << 30,
        query_time: Span(Duration::from_secs(5)),
        query_rows: 10_000,
    };
    RequestLog::start(store, &config, &limits).unwrap()
}

/// A row as the gateway makes it: names shared, ids of this call alone.
fn row(names: &[Arc<str>; 6], number: u32) -> RequestRow {
    RequestRow {
        time: Timestamp(1_700_000_000_000_000 + i64::from(number)),
        operation: "score".into(),
        method: "POST".into(),
        path: names[0].clone().into(),
        protocol: "HTTP/1.1".into(),
        endpoint: names[1].clone().into(),
        deployment: names[2].clone().into(),
        api: names[3].clone().into(),
        auth_type: "AADToken".into(),
        identity: names[4].clone().into(),
        status: 200,
        reason: "ok".into(),
        model_status: 200,
        request_bytes: 445,
        response_bytes: 33,
        user_agent: "python-requests/2.32".into(),
        request_id: format!("7d444840-9dc0-11d1-b245-{number:012}").into(),
        total_us: 140,
        read_us: 12,
        model_us: 9,
        model_name: names[5].clone().into(),
        model_version: 1,
        principal: names[4].clone().into(),
        trace_id: TraceContext::fresh().trace_id_hex().into(),
        rows: 1,
        ..RequestRow::default()
    }
}

fn names() -> [Arc<str>; 6] {
    ["/credit/score", "german-credit", "blue", "credit", "quickstart-client", "german-credit"].map(Arc::from)
}

async fn steady(store: &Store) {
    let (names, log) = (names(), start(store));
    let idle = cpu_seconds();
    produce(&log, &names, false).await;
    let producer = cpu_seconds() - idle;
    let before = cpu_seconds();
    let calls = produce(&log, &names, true).await;
    log.flush().await;
    let whole = cpu_seconds() - before;
    let rows = f64::from(RATE * SECONDS);
    println!(
        "{RATE} rows/s for {SECONDS} s: {:.2} µs CPU a row end to end, of these {:.2} µs the producer's own; written {}, dropped {}",
        whole / rows * 1e6,
        producer / rows * 1e6,
        log.counters().written(),
        log.counters().dropped()
    );
    println!("log(), the caller's side: {:.0} ns a call", calls.as_secs_f64() / rows * 1e9);
    let bytes: u64 = fs::read_dir(store.dir().join("requests"))
        .unwrap()
        .map(|f| f.unwrap().metadata().unwrap().len())
        .sum();
    println!("on disk: {:.0} bytes a row", bytes as f64 / rows);
    log.close().await;
}

/// Makes rows at the rate, in steps of a millisecond; gives the time spent in `log()`.
async fn produce(log: &RequestLog, names: &[Arc<str>; 6], keep: bool) -> Duration {
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    let mut calls = Duration::ZERO;
    for step in 0..SECONDS * 1000 {
        tick.tick().await;
        let made: Vec<_> = (0..RATE / 1000).map(|n| row(names, step * 1000 + n)).collect();
        let begin = Instant::now();
        for row in made {
            if keep { log.log(row) } else { _ = black_box(row) }
        }
        calls += begin.elapsed();
    }
    calls
}

fn metrics() {
    let metrics = Metrics::new(Arc::default());
    let handle = metrics.handle("POST", "/endpoints/{endpoint}/score", "german-credit");
    let count = 5_000_000;
    let begin = Instant::now();
    for n in 0..count {
        metrics.observe(black_box(&handle), 200, f64::from(n % 1000) * 1e-5);
    }
    println!("metrics.observe(): {:.1} ns", begin.elapsed().as_nanos() as f64 / f64::from(count));
    let begin = Instant::now();
    for _ in 0..count {
        metrics.refused(black_box("expired"));
    }
    println!("metrics.refused(): {:.1} ns", begin.elapsed().as_nanos() as f64 / f64::from(count));
}

/// CPU seconds of this process so far, all threads.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 1..].split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}
