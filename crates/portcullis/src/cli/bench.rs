//! `bench ENDPOINT|URL`: load with keep-alive connections; requests per second, latency percentiles, errors by kind.

use crate::cli::Global;
use crate::cli::bench_connect::Connector;
use crate::cli::bench_load::{Load, Report, Target, run};
use crate::cli::endpoint::expect_reachable;
use crate::client::{ClientTls, segment};
use crate::session::Session;
use crate::show::{Printer, bar, number, table};
use bytes::Bytes;
use clap::Args;
use domain::{Endpoint, Fault, ModelVersion, Span};
use http::{HeaderName, HeaderValue, Uri};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// `bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// An endpoint's name (scored with its key and its own sample row), or a URL of http or https
    pub target: String,
    /// Connections kept open, each with one call in flight
    #[arg(long, default_value_t = 32)]
    pub connections: usize,
    /// How long
    #[arg(long, default_value = "10s", conflicts_with = "count")]
    pub duration: Span,
    /// How many calls in all, instead of a duration
    #[arg(long)]
    pub count: Option<u64>,
    /// Calls a second over all connections, latency counted from the moment each was due; as fast as possible when left out
    #[arg(long, value_parser = rate)]
    pub rate: Option<f64>,
    /// Rows a request (endpoints only)
    #[arg(long, default_value_t = 1)]
    pub rows: usize,
    /// The body to POST; without one a URL is fetched by GET
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// A header, NAME: VALUE; repeat for several
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| format!("'{text}' is no number"))?;
    if (0.01..=1e6).contains(&rate) {
        Ok(rate)
    } else {
        Err("write 0.01 to 1000000 calls a second".to_owned())
    }
}

impl Bench {
    /// Whether the target is a URL.
    pub fn is_url(&self) -> bool {
        self.target.starts_with("http://") || self.target.starts_with("https://")
    }

    fn load(&self) -> Load {
        Load {
            connections: self.connections.clamp(1, 10_000),
            duration: self.duration.0,
            count: self.count,
            rate: self.rate,
        }
    }

    /// Loads a URL.
    pub async fn run_url(&self, global: &Global) -> Result<ExitCode, Fault> {
        let body = match &self.body {
            Some(file) => Some(Bytes::from(
                std::fs::read(file).map_err(|e| Fault::invalid(format!("{}: {e}", file.display())))?,
            )),
            None => None,
        };
        let report =
            run(&self.target_at(&self.target, body, &crate::session::flags(global))?, &self.load()).await?;
        present(Printer::new(global.json), &report);
        expect_one_good(&report).map(|()| ExitCode::SUCCESS)
    }

    /// Loads an endpoint by its direct door with its primary key.
    pub async fn run_endpoint(&self, session: &Session) -> Result<(), Fault> {
        let client = &session.client;
        let route = format!("/api/v1/endpoints/{}", segment(&self.target));
        let endpoint: Endpoint = client.get(&route).await?;
        expect_reachable(&endpoint)?;
        let keys: Value = client.get(&format!("{route}/keys")).await?;
        let body = match &self.body {
            Some(file) => Bytes::from(
                std::fs::read(file).map_err(|e| Fault::invalid(format!("{}: {e}", file.display())))?,
            ),
            None => Bytes::from(sample(session, &endpoint, self.rows).await?),
        };
        let mut target = self.target_at(
            &format!("{}/endpoints/{}/score", client.base(), endpoint.name),
            Some(body),
            &session.tls,
        )?;
        let bearer = format!("Bearer {}", keys["primaryKey"].as_str().unwrap_or_default());
        let value =
            HeaderValue::from_str(&bearer).map_err(|_| Fault::internal("a key that is no header value"))?;
        target.headers.push((http::header::AUTHORIZATION, value));
        let report = run(&target, &self.load()).await?;
        present(session.out, &report);
        expect_one_good(&report)
    }

    fn target_at(&self, url: &str, body: Option<Bytes>, tls: &ClientTls) -> Result<Target, Fault> {
        let uri: Uri = url.parse().map_err(|e| Fault::invalid(format!("{url}: {e}")))?;
        let mut headers = Vec::new();
        for text in &self.headers {
            let wrong = || Fault::invalid(format!("-H '{text}': write NAME: VALUE"));
            let (name, value) = text.split_once(':').ok_or_else(wrong)?;
            let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong())?;
            headers.push((name, HeaderValue::from_str(value.trim()).map_err(|_| wrong())?));
        }
        Ok(Target { connector: Connector::new(&uri, tls)?, uri, headers, body })
    }
}

/// A request of `rows` equal rows made of the signature's examples.
async fn sample(session: &Session, endpoint: &Endpoint, rows: usize) -> Result<Vec<u8>, Fault> {
    let route = format!("/api/v1/endpoints/{}/deployments", endpoint.name);
    let deployments: Vec<domain::Deployment> = session.client.get(&route).await?;
    let first = deployments
        .first()
        .ok_or_else(|| Fault::invalid(format!("endpoint '{}' has no deployment", endpoint.name)))?;
    let version: ModelVersion = session
        .client
        .get(&format!("/api/v1/models/{}/versions/{}", segment(first.model.as_str()), first.version))
        .await?;
    let row: serde_json::Map<String, Value> =
        version.signature.inputs.iter().map(|f| (f.name.clone(), f.example.clone())).collect();
    let body = json!({ "data": vec![Value::Object(row); rows.max(1)] });
    serde_json::to_vec(&body).map_err(|e| Fault::internal(e.to_string()))
}

/// A load of refusals measures nothing.
fn expect_one_good(report: &Report) -> Result<(), Fault> {
    if report.errors.values().sum::<u64>() < report.calls {
        return Ok(());
    }
    let kinds: Vec<&str> = report.errors.keys().map(String::as_str).collect();
    Err(Fault::conflict(format!("no call succeeded: {}", kinds.join(", "))))
}

fn millis(duration: Duration) -> String {
    format!("{:.3} ms", duration.as_secs_f64() * 1e3)
}

fn present(out: Printer, report: &Report) {
    out.value(&report.json(), |_| {
        let latency = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9].map(|p| [format!("p{}", number(p)), millis(report.percentile(p))]);
        let errors: Vec<[String; 2]> = report.errors.iter().map(|(kind, count)| [kind.clone(), count.to_string()]).collect();
        let failed = if errors.is_empty() { "no errors".to_owned() } else { table(&["error", "count"], errors) };
        let steps = report.steps(12);
        let largest = steps.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
        let drawn = steps.iter().map(|(upto, count)| [format!("≤ {}", millis(*upto)), count.to_string(), bar(*count as f64 / largest as f64, 32)]);
        format!(
            "{} calls in {:.2} s over {} connections: {:.0} requests/s, {} bytes each\n\n{}\n\n{}\n\n{failed}",
            report.calls,
            report.elapsed.as_secs_f64(),
            report.connections,
            report.per_second(),
            report.mean_bytes(),
            table(&["latency", ""], latency),
            table(&["", "calls", ""], drawn),
        )
    });
}
