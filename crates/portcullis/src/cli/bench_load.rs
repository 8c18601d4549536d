//! The load itself: N tasks, each with one HTTP/1.1 connection and one call in flight.

use crate::cli::bench_connect::Connector;
use bytes::Bytes;
use domain::{ErrorCode, Fault};
use hdrhistogram::Histogram;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The longest latency the histogram keeps apart, in microseconds.
const LONGEST: u64 = 120_000_000;

/// What is called.
#[derive(Clone)]
pub struct Target {
    /// Where.
    pub uri: Uri,
    /// How it is reached.
    pub connector: Connector,
    /// Headers of every call.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// POSTed as JSON; GET without one.
    pub body: Option<Bytes>,
}

/// How much.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Connections kept open.
    pub connections: usize,
    /// How long, unless a count is given.
    pub duration: Duration,
    /// How many calls in all.
    pub count: Option<u64>,
    /// Calls a second over all connections, each due at its own moment; as fast as answers come when none.
    pub rate: Option<f64>,
}

/// What was seen.
#[derive(Debug)]
pub struct Report {
    /// Calls answered, whatever the status.
    pub calls: u64,
    /// Wall time of the load.
    pub elapsed: Duration,
    /// Connections kept open.
    pub connections: usize,
    /// Kind of failure → count: a status from 400, or what broke.
    pub errors: BTreeMap<String, u64>,
    bytes: u64,
    latency: Histogram<u64>,
}

impl Report {
    fn new(connections: usize) -> Result<Self, Fault> {
        let latency =
            Histogram::new_with_bounds(1, LONGEST, 3).map_err(|e| Fault::internal(e.to_string()))?;
        Ok(Self {
            calls: 0,
            elapsed: Duration::ZERO,
            connections,
            errors: BTreeMap::new(),
            bytes: 0,
            latency,
        })
    }

    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.bytes += other.bytes;
        for (kind, count) in &other.errors {
            *self.errors.entry(kind.clone()).or_default() += count;
        }
        let _ = self.latency.add(&other.latency);
    }

    /// The latency that `p` percent of the calls did not pass.
    pub fn percentile(&self, p: f64) -> Duration {
        Duration::from_micros(self.latency.value_at_quantile(p / 100.0))
    }

    /// Answered calls a second.
    pub fn per_second(&self) -> f64 {
        self.calls as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Mean size of an answer's body in bytes.
    pub fn mean_bytes(&self) -> u64 {
        self.bytes.checked_div(self.calls).unwrap_or_default()
    }

    /// The histogram in up to `most` steps of equal width up to p99.9; the last step takes the rest.
    pub fn steps(&self, most: u64) -> Vec<(Duration, u64)> {
        let top = self.latency.value_at_quantile(0.999).max(most);
        let mut steps: Vec<(Duration, u64)> = self
            .latency
            .iter_linear(top.div_ceil(most))
            .map(|s| (Duration::from_micros(s.value_iterated_to()), s.count_since_last_iteration()))
            .collect();
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let rest: u64 = steps.iter().skip(most).map(|(_, count)| count).sum();
        steps.truncate(most);
        if let Some(last) = steps.last_mut() {
            last.1 += rest;
        }
        steps
    }

    /// The report as JSON; latencies in milliseconds.
    pub fn json(&self) -> Value {
        let ms = |p: f64| self.percentile(p).as_secs_f64() * 1e3;
        let steps: Vec<Value> = self
            .steps(20)
            .iter()
            .map(|(upto, count)| json!({ "up_to_ms": upto.as_secs_f64() * 1e3, "count": count }))
            .collect();
        json!({
            "calls": self.calls, "seconds": self.elapsed.as_secs_f64(), "connections": self.connections,
            "requests_per_second": self.per_second(), "errors": self.errors,
            "latency_ms": { "p50": ms(50.0), "p75": ms(75.0), "p90": ms(90.0), "p95": ms(95.0), "p99": ms(99.0), "p99.9": ms(99.9),
                            "max": self.latency.max() as f64 / 1e3, "mean": self.latency.mean() / 1e3 },
            "histogram": steps,
        })
    }
}

/// Loads the target and reports.
pub async fn run(target: &Target, load: &Load) -> Result<Report, Fault> {
    let start = Instant::now();
    let end = if load.count.is_some() { None } else { Some(start + load.duration) };
    let plan = Arc::new(Plan {
        taken: AtomicU64::new(0),
        count: load.count.unwrap_or(u64::MAX),
        start,
        end,
        rate: load.rate,
    });
    let tasks: Vec<_> =
        (0..load.connections).map(|_| tokio::spawn(worker(target.clone(), plan.clone()))).collect();
    let mut report = Report::new(load.connections)?;
    for task in tasks {
        report.add(&task.await.map_err(|e| Fault::internal(e.to_string()))??);
    }
    report.elapsed = start.elapsed();
    if report.calls == 0 {
        let kinds: Vec<&str> = report.errors.keys().map(String::as_str).collect();
        return Err(Fault::new(
            ErrorCode::Unavailable,
            format!("{}: no call was answered: {}", target.uri, kinds.join(", ")),
        ));
    }
    Ok(report)
}

/// The calls to make, handed out one by one over all connections.
struct Plan {
    taken: AtomicU64,
    count: u64,
    start: Instant,
    end: Option<Instant>,
    rate: Option<f64>,
}

impl Plan {
    /// Waits for the next call's turn and gives the moment its latency counts from; none when all is done.
    ///
    /// At a fixed rate that is the moment it was due, not when a connection was free for it: a slow answer must not hide the
    /// wait of those behind it (Tene, "How NOT to measure latency": coordinated omission).
    async fn next(&self) -> Option<Instant> {
        let at = self.taken.fetch_add(1, Ordering::Relaxed);
        let due = match self.rate {
            Some(rate) => self.start + Duration::from_secs_f64(at as f64 / rate),
            None => Instant::now(),
        };
        if at >= self.count || self.end.is_some_and(|end| due >= end) {
            return None;
        }
        if self.rate.is_none() {
            return Some(due);
        }
        tokio::time::sleep_until(due.into()).await;
        Some(due)
    }
}

async fn worker(target: Target, plan: Arc<Plan>) -> Result<Report, Fault> {
    /// Connections that may fail in a row before a worker gives up.
    const TRIES: u32 = 5;
    let mut report = Report::new(1)?;
    let mut broken = 0;
    let mut connection: Option<SendRequest<Full<Bytes>>> = None;
    while broken < TRIES {
        let Some(begun) = plan.next().await else { break };
        let mut sender = match connection.take() {
            Some(sender) => sender,
            None => match target.connector.connect(&target.uri).await {
                Ok(sender) => sender,
                Err(kind) => {
                    broken += 1;
                    *report.errors.entry(kind).or_default() += 1;
                    continue;
                }
            },
        };
        match call(&mut sender, &target).await {
            Ok((status, bytes)) => {
                broken = 0;
                report.calls += 1;
                report.bytes += bytes;
                let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(LONGEST);
                report.latency.saturating_record(micros);
                if status >= 400 {
                    *report.errors.entry(format!("status {status}")).or_default() += 1;
                }
                connection = Some(sender);
            }
            Err(kind) => {
                broken += 1;
                *report.errors.entry(kind).or_default() += 1;
            }
        }
    }
    Ok(report)
}

async fn call(sender: &mut SendRequest<Full<Bytes>>, target: &Target) -> Result<(u16, u64), String> {
    let method = if target.body.is_some() { Method::POST } else { Method::GET };
    let path = target.uri.path_and_query().map_or("/", |p| p.as_str());
    let host = target.uri.authority().map_or("localhost", |a| a.as_str());
    let mut request = Request::builder().method(method).uri(path).header(http::header::HOST, host);
    if target.body.is_some() {
        request = request.header(http::header::CONTENT_TYPE, "application/json");
    }
    for (name, value) in &target.headers {
        request = request.header(name, value);
    }
    let request = request
        .body(Full::new(target.body.clone().unwrap_or_default()))
        .map_err(|e| format!("building: {e}"))?;
    sender.ready().await.map_err(|e| format!("broken: {e}"))?;
    let answer = sender.send_request(request).await.map_err(|e| format!("broken: {e}"))?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.map_err(|e| format!("broken: {e}"))?;
    Ok((status, body.to_bytes().len() as u64))
}
