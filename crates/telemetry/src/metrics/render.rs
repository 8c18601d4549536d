//! The text of `/metrics`: Prometheus 0.0.4, or OpenMetrics 1.0 for a scraper that prefers it.

use super::{BOUNDS, Histogram, Inner, Metrics, STATUSES, process};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

/// `Content-Type` of the Prometheus text form.
pub const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
/// `Content-Type` of the OpenMetrics text form.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Kind of a metric family, as named in its `# TYPE` line.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

struct Text {
    out: String,
    open: bool,
}

impl Metrics {
    /// The content type and the metrics as text, in the form that the request's `Accept` header (empty when absent) prefers.
    pub fn render(&self, accept: &str) -> (&'static str, String) {
        let open = prefers_openmetrics(accept);
        let mut text = Text { out: String::with_capacity(16 * 1024), open };
        let inner: &Inner = &self.0;
        text.build(inner.version);
        text.process(inner.started);
        text.requests(self);
        text.rows(self);
        text.gate(inner);
        text.beside(self);
        text.log(inner);
        if open {
            text.out.push_str("# EOF\n");
        }
        (if open { OPENMETRICS } else { PROMETHEUS }, text.out)
    }
}

impl Text {
    /// Writes the head of a family. `name` comes without `_total` and `_info`, which the two forms place differently.
    fn family(&mut self, name: &str, kind: Kind, unit: &str, help: &str) {
        let (suffix, word) = match (kind, self.open) {
            (Kind::Counter, false) => ("_total", "counter"),
            (Kind::Info, false) => ("_info", "gauge"),
            (Kind::Counter, true) => ("", "counter"),
            (Kind::Info, true) => ("", "info"),
            (Kind::Gauge, _) => ("", "gauge"),
            (Kind::Histogram, _) => ("", "histogram"),
        };
        _ = writeln!(self.out, "# HELP {name}{suffix} {help}");
        _ = writeln!(self.out, "# TYPE {name}{suffix} {word}");
        if self.open && !unit.is_empty() {
            _ = writeln!(self.out, "# UNIT {name} {unit}");
        }
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: &str) {
        self.out.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            self.out.push(if at == 0 { '{' } else { ',' });
            _ = write!(self.out, "{label}=\"");
            escape(&mut self.out, text);
            self.out.push('"');
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        _ = writeln!(self.out, " {value}");
    }

    fn build(&mut self, version: &str) {
        self.family("portcullis_build", Kind::Info, "", "The running program.");
        self.sample("portcullis_build_info", &[("version", version)], "1");
    }

    fn process(&mut self, started: f64) {
        if let Some(bytes) = process::resident_bytes() {
            self.family("process_resident_memory_bytes", Kind::Gauge, "bytes", "Resident memory size.");
            self.sample("process_resident_memory_bytes", &[], &bytes.to_string());
        }
        if let Some(seconds) = process::cpu_seconds() {
            self.family("process_cpu_seconds", Kind::Counter, "seconds", "User and system CPU time spent.");
            self.sample("process_cpu_seconds_total", &[], &seconds.to_string());
        }
        self.family("process_start_time_seconds", Kind::Gauge, "seconds", "Start of the process since 1970.");
        self.sample("process_start_time_seconds", &[], &format!("{started:.3}"));
    }

    fn requests(&mut self, metrics: &Metrics) {
        let name = "http_server_request_duration_seconds";
        self.family(name, Kind::Histogram, "seconds", "Duration of HTTP server requests.");
        for series in metrics.series().iter() {
            for (slot, histogram) in series.statuses.iter().enumerate() {
                let Some(histogram) = histogram.get() else {
                    continue;
                };
                let status = STATUSES.get(slot).map_or_else(|| "_OTHER".to_owned(), u16::to_string);
                let labels = [
                    ("http_request_method", series.method.as_str()),
                    ("http_route", series.route.as_str()),
                    ("http_response_status_code", status.as_str()),
                    ("ml_endpoint_name", series.endpoint.as_str()),
                ];
                self.histogram(name, &labels, histogram);
            }
        }
    }

    fn histogram(&mut self, name: &str, labels: &[(&str, &str); 4], histogram: &Histogram) {
        let bucket = format!("{name}_bucket");
        let mut count = 0;
        for (at, cell) in histogram.buckets.iter().enumerate() {
            count += cell.load(Relaxed);
            let bound = match (BOUNDS.get(at), self.open) {
                (Some(bound), true) => format!("{bound:?}"),
                (Some(bound), false) => bound.to_string(),
                (None, _) => "+Inf".to_owned(),
            };
            let [method, route, status, endpoint] = *labels;
            self.sample(&bucket, &[method, route, status, endpoint, ("le", &bound)], &count.to_string());
        }
        // The sum is read after the buckets: a call counted in between shows in the sum first, never the reverse for long.
        let nanos = histogram.nanos.load(Relaxed);
        let sum = format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
        self.sample(&format!("{name}_sum"), labels, &sum);
        self.sample(&format!("{name}_count"), labels, &count.to_string());
    }

    fn rows(&mut self, metrics: &Metrics) {
        self.family("portcullis_scored_rows", Kind::Counter, "", "Rows scored by models.");
        // Handles of one endpoint share their counter: take each endpoint once.
        let endpoints: BTreeMap<String, u64> = metrics
            .series()
            .iter()
            .filter(|s| !s.endpoint.is_empty())
            .map(|s| (s.endpoint.clone(), s.scored_rows.load(Relaxed)))
            .collect();
        for (endpoint, rows) in endpoints {
            let labels = [("ml_endpoint_name", endpoint.as_str())];
            self.sample("portcullis_scored_rows_total", &labels, &rows.to_string());
        }
    }

    fn gate(&mut self, inner: &Inner) {
        self.family("portcullis_gate_refusals", Kind::Counter, "", "Calls refused by the gate, by reason.");
        for reason in &inner.reasons {
            if let Some(name) = reason.name.get() {
                let count = reason.count.load(Relaxed).to_string();
                self.sample("portcullis_gate_refusals_total", &[("reason", name)], &count);
            }
        }
    }

    fn beside(&mut self, metrics: &Metrics) {
        let help = "Calls mirrored to another deployment, by how its answer compares.";
        self.family("portcullis_mirrored_calls", Kind::Counter, "", help);
        for (endpoint, counts) in metrics.all_mirrored().iter() {
            let outcomes = [
                ("equal", &counts.equal),
                ("different", &counts.different),
                ("failed", &counts.failed),
                ("dropped", &counts.dropped),
            ];
            for (outcome, count) in outcomes {
                let labels = [("ml_endpoint_name", endpoint.as_str()), ("outcome", outcome)];
                self.sample("portcullis_mirrored_calls_total", &labels, &count.load(Relaxed).to_string());
            }
        }
        self.family(
            "portcullis_collected_payloads",
            Kind::Counter,
            "",
            "Payloads kept for deployments, by outcome.",
        );
        let collected = metrics.collected();
        for (outcome, count) in [("written", &collected.written), ("dropped", &collected.dropped)] {
            let count = count.load(Relaxed).to_string();
            self.sample("portcullis_collected_payloads_total", &[("outcome", outcome)], &count);
        }
    }

    fn log(&mut self, inner: &Inner) {
        let log = &inner.log;
        self.family("portcullis_request_log_rows", Kind::Counter, "", "Rows written to the request log.");
        self.sample("portcullis_request_log_rows_total", &[], &log.written().to_string());
        let help = "Request-log rows lost because the queue was full or the disk refused them.";
        self.family("portcullis_request_log_dropped", Kind::Counter, "", help);
        self.sample("portcullis_request_log_dropped_total", &[], &log.dropped().to_string());
    }
}

/// Escapes a label's value: backslash, quote and line feed.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

/// Whether an `Accept` header weighs OpenMetrics above plain text; equal weights go to OpenMetrics if it is named.
fn prefers_openmetrics(accept: &str) -> bool {
    let weight = |kind: &str| {
        accept
            .split(',')
            .filter_map(|part| {
                let mut fields = part.split(';').map(str::trim);
                let found = fields.next()?.eq_ignore_ascii_case(kind);
                let q = fields.find_map(|f| f.strip_prefix("q=").or(f.strip_prefix("Q=")));
                found.then(|| q.map_or(1.0, |q| q.parse().unwrap_or(0.0)))
            })
            .fold(None, |best: Option<f64>, q| Some(best.map_or(q, |b| b.max(q))))
    };
    let open = weight("application/openmetrics-text").unwrap_or(0.0);
    let plain = weight("text/plain").unwrap_or(0.0);
    open > 0.0 && open >= plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Metrics {
        let metrics = Metrics::new(std::sync::Arc::default());
        let handle = metrics.handle("POST", "/endpoints/{endpoint}/score", "we\"ird\\na\nme");
        metrics.observe(&handle, 200, 0.004);
        metrics.observe(&handle, 200, 0.3);
        metrics.observe(&handle, 299, 60.0);
        metrics.scored(&handle, 7);
        metrics.refused("expired");
        metrics.refused("expired");
        metrics
    }

    #[test]
    fn the_prometheus_form() {
        let (kind, text) = sample().render("");
        assert_eq!(kind, PROMETHEUS);
        let labels = r#"http_request_method="POST",http_route="/endpoints/{endpoint}/score""#;
        let endpoint = r#"ml_endpoint_name="we\"ird\\na\nme""#;
        let name = "http_server_request_duration_seconds";
        for line in [
            "# TYPE http_server_request_duration_seconds histogram".to_owned(),
            format!(r#"{name}_bucket{{{labels},http_response_status_code="200",{endpoint},le="0.005"}} 1"#),
            format!(r#"{name}_bucket{{{labels},http_response_status_code="200",{endpoint},le="0.5"}} 2"#),
            format!(r#"{name}_bucket{{{labels},http_response_status_code="200",{endpoint},le="10"}} 2"#),
            format!(r#"{name}_bucket{{{labels},http_response_status_code="200",{endpoint},le="+Inf"}} 2"#),
            format!(r#"{name}_sum{{{labels},http_response_status_code="200",{endpoint}}} 0.304000000"#),
            format!(r#"{name}_count{{{labels},http_response_status_code="_OTHER",{endpoint}}} 1"#),
            format!("portcullis_scored_rows_total{{{endpoint}}} 7"),
            "# TYPE portcullis_gate_refusals_total counter".to_owned(),
            r#"portcullis_gate_refusals_total{reason="expired"} 2"#.to_owned(),
            "# TYPE portcullis_build_info gauge".to_owned(),
            format!(r#"portcullis_build_info{{version="{}"}} 1"#, env!("CARGO_PKG_VERSION")),
        ] {
            assert!(text.lines().any(|l| l == line), "missing {line} in\n{text}");
        }
        assert!(!text.contains("# EOF"));
    }

    #[test]
    fn the_openmetrics_form() {
        let (kind, text) = sample().render("application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
        assert_eq!(kind, OPENMETRICS);
        assert!(text.ends_with("# EOF\n"));
        for line in [
            "# TYPE portcullis_gate_refusals counter",
            "# TYPE portcullis_build info",
            "# UNIT http_server_request_duration_seconds seconds",
        ] {
            assert!(text.lines().any(|l| l == line), "missing {line} in\n{text}");
        }
        assert!(text.contains(r#"le="10.0""#) && text.contains(r#"le="1.0""#));
    }

    #[test]
    fn the_accept_header_is_weighed() {
        for (accept, open) in [
            ("*/*", false),
            ("text/plain", false),
            ("application/openmetrics-text", true),
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
                true,
            ),
            ("application/openmetrics-text;q=0.1, text/plain;q=0.9", false),
            ("application/openmetrics-text;q=0", false),
        ] {
            assert_eq!(prefers_openmetrics(accept), open, "{accept}");
        }
    }

    #[test]
    fn the_process_is_described() {
        if !std::path::Path::new("/proc/self/stat").exists() {
            println!("skipped: the_process_is_described needs /proc");
            return;
        }
        let (_, text) = Metrics::new(std::sync::Arc::default()).render("");
        for name in
            ["process_resident_memory_bytes ", "process_cpu_seconds_total ", "process_start_time_seconds "]
        {
            let line = text.lines().find(|l| l.starts_with(name)).unwrap();
            assert!(line[name.len()..].parse::<f64>().unwrap() >= 0.0, "{line}");
        }
    }
}
