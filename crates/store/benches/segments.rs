//! CPU a request-log row costs: paced at 20,000 rows/s, and as fast as it goes.
//!
//! `cargo bench -p portcullis-store --bench segments [-- SECONDS]`. CPU is the whole process's, user and system, by
//! `/proc/self/stat` (10 ms steps), the making of the rows included and also told alone.

use domain::Timestamp;
use portcullis_store::{RequestFilter, RequestRow, SegmentConfig, SegmentWriter, Segments, Text};
use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rows a second of the paced part.
const RATE: u32 = 20_000;
/// Rows a batch: what gathers in 25 ms and in 100 ms.
const BATCHES: [u32; 2] = [500, 2_000];
/// Clock ticks a second, fixed on Linux.
const TICKS: f64 = 100.0;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let seconds: f64 = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(5.0);
    let mut out = std::io::stdout();
    let names = Shared::new();
    let made = per_row(seconds, &mut || {
        std::hint::black_box(batch(&names, 1_000));
        1_000
    })?;
    writeln!(out, "making a row alone: {made:.3} us CPU")?;
    for size in BATCHES {
        for paced in [true, false] {
            writeln!(out, "batches of {size}, {}", if paced { "paced" } else { "as fast as it goes" })?;
            measure(&mut out, &names, Run { seconds, size, paced }).await?;
        }
    }
    Ok(())
}

/// One measurement.
struct Run {
    seconds: f64,
    size: u32,
    paced: bool,
}

async fn measure(out: &mut impl Write, names: &Shared, run: Run) -> Outcome<()> {
    let dir = tempfile::tempdir()?;
    let (query_time, query_rows) = ("10s".parse()?, 10_000);
    let limits = SegmentConfig { rows: 1_000_000, max_bytes: 2 << 30, query_time, query_rows };
    let mut writer = SegmentWriter::open(dir.path(), &limits).await?;
    let (start, cpu) = (Instant::now(), cpu_seconds()?);
    let mut rows = 0_u32;
    while start.elapsed().as_secs_f64() < run.seconds {
        writer.append(&batch(names, run.size)).await?;
        rows += run.size;
        if run.paced {
            let due = start + Duration::from_secs_f64(f64::from(rows) / f64::from(RATE));
            tokio::time::sleep_until(due.into()).await;
        }
    }
    let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    writer.close().await?;
    let files = std::fs::read_dir(dir.path().join("requests"))?.flatten();
    let bytes: u64 = files.flat_map(|e| e.metadata()).map(|m| m.len()).sum();
    let rows = f64::from(rows);
    let (each, speed, share) = (cpu * 1e6 / rows, rows / wall, 100.0 * cpu / wall);
    let size = bytes as f64 / rows;
    writeln!(
        out,
        "    {each:.3} us CPU a row, {speed:.0} rows/s, {share:.1} % of a core, {size:.0} bytes a row"
    )?;
    if run.paced { Ok(()) } else { query(out, &Segments::new(dir.path(), &limits)).await }
}

/// What reading costs on the log that was just written.
async fn query(out: &mut impl Write, segments: &Segments) -> Outcome<()> {
    for sql in [
        "SELECT count(*) FROM requests",
        "SELECT EndpointName, count(*), avg(TotalDurationMs) FROM requests GROUP BY 1",
    ] {
        let start = Instant::now();
        segments.sql(sql).await?;
        writeln!(out, "{:>8.1} ms  {sql}", start.elapsed().as_secs_f64() * 1e3)?;
    }
    let start = Instant::now();
    segments.query(&RequestFilter { limit: 100, ..RequestFilter::default() }).await?;
    writeln!(out, "{:>8.1} ms  the newest 100 rows", start.elapsed().as_secs_f64() * 1e3)?;
    Ok(())
}

/// µs of CPU for each of the rows that a step makes.
fn per_row(seconds: f64, step: &mut dyn FnMut() -> u32) -> Outcome<f64> {
    let (start, cpu, mut rows) = (Instant::now(), cpu_seconds()?, 0_u64);
    while start.elapsed().as_secs_f64() < seconds / 5.0 {
        rows += u64::from(step());
    }
    Ok((cpu_seconds()? - cpu) * 1e6 / rows as f64)
}

/// User and system time of this process.
fn cpu_seconds() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<f64>().ok()).sum();
    Ok(ticks / TICKS)
}

/// Texts that the gateway makes once.
struct Shared {
    endpoint: Arc<str>,
    path: Arc<str>,
    agent: Arc<str>,
    principal: Arc<str>,
}

impl Shared {
    fn new() -> Self {
        Self {
            endpoint: "german-credit".into(),
            path: "/credit/v1/score".into(),
            agent: "python-requests/2.32.3".into(),
            principal: "quickstart-client".into(),
        }
    }
}

fn batch(shared: &Shared, size: u32) -> Vec<RequestRow> {
    (0..size).map(|number| row(shared, number)).collect()
}

/// A row as a published call makes it: two ids of its own, the rest shared or constant.
fn row(shared: &Shared, number: u32) -> RequestRow {
    let text = |text: &Arc<str>| Text::Shared(Arc::clone(text));
    RequestRow {
        time: Timestamp::now(),
        operation: "score".into(),
        method: "POST".into(),
        path: text(&shared.path),
        protocol: "HTTP/1.1".into(),
        endpoint: text(&shared.endpoint),
        deployment: text(&shared.endpoint),
        api: text(&shared.path),
        auth_type: "AADToken".into(),
        identity: text(&shared.principal),
        status: 200,
        reason: "ok".into(),
        model_status: 200,
        model_reason: "ok".into(),
        request_bytes: 445,
        response_bytes: 61,
        user_agent: text(&shared.agent),
        request_id: format!("{number:032x}").into(),
        client_request_id: Text::EMPTY,
        total_us: 150,
        read_us: 9,
        model_us: 12,
        response_us: 3,
        throttle_us: 0,
        location: Text::EMPTY,
        model_name: text(&shared.endpoint),
        model_version: 1,
        principal: text(&shared.principal),
        trace_id: format!("{number:032x}").into(),
        rows: 1,
    }
}
