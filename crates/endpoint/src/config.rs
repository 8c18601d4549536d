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
