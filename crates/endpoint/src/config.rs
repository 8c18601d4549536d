//! The `[endpoint]` section of the settings, and its prepared form for the scoring path.

use domain::Fault;
use http::HeaderValue;
use serde::{Deserialize, Serialize};

/// Settings of the scoring protocols.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The most rows one request may bring.
    pub rows: usize,
    /// The deepest nesting of a JSON body, 4 to 100.
    pub depth: usize,
    /// The text `GET /endpoints/{name}/` answers.
    pub healthy: String,
    /// Origins that browsers may call from (`https://host[:port]`, or `*`); empty switches CORS off.
    pub cors_origins: Vec<String>,
    /// The file of ONNX Runtime's library, for models that our own engine does not cover; empty: they are refused.
    pub onnxruntime_library: String,
    /// Copies of calls for another deployment.
    pub mirror: MirrorConfig,
    /// Payloads that are kept.
    pub collector: CollectorConfig,
}

/// Section `endpoint.mirror`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MirrorConfig {
    /// Copies that wait at most; further ones are dropped and counted.
    pub queue_calls: usize,
    /// Bytes of their bodies together.
    pub queue_bytes: usize,
    /// Answers that differed, kept for each endpoint: the newest.
    pub sample: usize,
}

/// Section `endpoint.collector`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectorConfig {
    /// Calls that wait for the writer at most; further ones are dropped and counted.
    pub queue_calls: usize,
    /// Bytes of their bodies together.
    pub queue_bytes: usize,
    /// The largest request or answer that is kept, in bytes.
    pub payload_bytes: usize,
    /// Bytes of all files together; beyond it nothing more is kept until files are taken away.
    pub max_bytes: u64,
}

/// [`Config`], checked and made ready; what [`crate::score`] reads.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The most rows one request may bring.
    pub rows: usize,
    /// The deepest nesting of a JSON body.
    pub depth: usize,
    /// The text of the health answer.
    pub healthy: String,
    /// Allowed origins; `*` allows every one; empty switches CORS off.
    pub origins: Vec<HeaderValue>,
}

impl Limits {
    /// No limit on rows, the default depth, no CORS: for callers that own what they score, as the command line.
    pub fn unbounded() -> Self {
        Self { rows: usize::MAX, depth: 64, healthy: "Healthy".to_owned(), origins: Vec::new() }
    }
}

impl Config {
    /// Checks the settings and prepares them.
    pub fn limits(&self) -> Result<Limits, Fault> {
        if self.rows == 0 {
            return Err(Fault::invalid("endpoint.rows must be at least 1"));
        }
        // The JSON reader itself gives up at 128; the deepest shape of our own takes 4.
        if !(4..=100).contains(&self.depth) {
            return Err(Fault::invalid("endpoint.depth must be between 4 and 100"));
        }
        let (mirror, collector) = (&self.mirror, &self.collector);
        if [mirror.queue_calls, mirror.queue_bytes, collector.queue_calls, collector.queue_bytes].contains(&0)
        {
            return Err(Fault::invalid(
                "endpoint.mirror and endpoint.collector: queue_calls and queue_bytes must be at least 1",
            ));
        }
        let origin = |text: &String| {
            HeaderValue::from_str(text)
                .map_err(|_| Fault::invalid(format!("endpoint.cors_origins: '{text}' is not an origin")))
        };
        Ok(Limits {
            rows: self.rows,
            depth: self.depth,
            healthy: self.healthy.clone(),
            origins: self.cors_origins.iter().map(origin).collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            rows: 10,
            depth: 64,
            healthy: "Healthy".into(),
            cors_origins: vec!["https://a.example".into()],
            onnxruntime_library: String::new(),
            mirror: MirrorConfig { queue_calls: 1, queue_bytes: 1, sample: 1 },
            collector: CollectorConfig { queue_calls: 1, queue_bytes: 1, payload_bytes: 1, max_bytes: 1 },
        }
    }

    #[test]
    fn impossible_settings_are_refused() {
        assert!(config().limits().is_ok());
        let none = Config { rows: 0, ..config() };
        assert!(none.limits().is_err());
        let deep = Config { depth: 101, ..config() };
        assert!(deep.limits().is_err());
        let odd = Config { cors_origins: vec!["a\nb".into()], ..config() };
        assert!(odd.limits().is_err());
    }
}
