//! What of a deployment's calls is kept, and for how long one file is written.

use crate::error::Fault;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most collections and captured headers.
const MANY: usize = 16;
/// The longest name of a collection or header.
const NAME_MAX: usize = 64;
/// What names of headers contain that carry secrets.
const SECRET: [&str; 8] =
    ["authorization", "cookie", "token", "secret", "password", "credential", "signature", "certificate"];

/// One collection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    /// Whether it is written.
    pub enabled: bool,
    /// The part of the calls, when it differs from the collector's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling_rate: Option<f64>,
}

/// How often a new file begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rolling {
    /// Every minute.
    Minute,
    /// Every hour.
    #[default]
    Hour,
    /// Every day.
    Day,
}

/// What of a deployment's calls is kept (contract E3, `data_collector`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DataCollector {
    /// `model_inputs`, `model_outputs`, `request` and `response` are written by the server; other names by scripts.
    pub collections: BTreeMap<String, Collection>,
    /// The part of the calls that is kept, 0 to 1.
    #[serde(default = "all")]
    pub sampling_rate: f64,
    /// How often a new file begins.
    #[serde(default)]
    pub rolling_rate: Rolling,
    /// Request headers that go along with `request`; never ones that carry secrets.
    #[serde(default)]
    pub capture_headers: Vec<String>,
}

fn all() -> f64 {
    1.0
}

impl DataCollector {
    /// Refuses rates out of range, names that are no names, and headers that carry secrets.
    pub fn check(&self) -> Result<(), Fault> {
        let rates = self.collections.values().filter_map(|c| c.sampling_rate).chain([self.sampling_rate]);
        for rate in rates {
            if !(0.0..=1.0).contains(&rate) {
                return Err(wrong(&format!("sampling_rate is {rate}: it is a part of the calls, 0 to 1")));
            }
        }
        if self.collections.len() > MANY || self.capture_headers.len() > MANY {
            return Err(wrong(&format!("there are more than {MANY} collections or captured headers")));
        }
        if let Some(name) = self.collections.keys().find(|name| !is_name(name)) {
            return Err(wrong(&format!("'{}' is no name of a collection", clip(name))));
        }
        for header in &self.capture_headers {
            if !is_name(header) {
                return Err(wrong(&format!("'{}' is no name of a header", clip(header))));
            }
            if is_secret(header) {
                return Err(wrong(&format!(
                    "the header '{header}' carries secrets, which are never kept; leave it out"
                )));
            }
        }
        Ok(())
    }

    /// Whether anything is kept: then scripts' own collectors write too.
    pub fn is_on(&self) -> bool {
        self.collections.keys().any(|name| self.rate(name) > 0.0)
    }

    /// What scripts alone keep, by the designations of their collector: all of it, a file a day.
    pub fn of_scripts() -> Self {
        let on = |name: &&str| ((*name).to_owned(), Collection { enabled: true, sampling_rate: None });
        Self {
            collections: ["inputs", "predictions", "labels", "signals", "general"].iter().map(on).collect(),
            sampling_rate: all(),
            rolling_rate: Rolling::Day,
            capture_headers: Vec::new(),
        }
    }

    /// The part of the calls of which a collection keeps a record; 0 when it is off.
    pub fn rate(&self, collection: &str) -> f64 {
        match self.collections.get(collection) {
            Some(c) if c.enabled => c.sampling_rate.unwrap_or(self.sampling_rate),
            _ => 0.0,
        }
    }
}

/// Whether a header's name says that it carries a secret.
pub fn is_secret(header: &str) -> bool {
    let name = header.to_ascii_lowercase();
    name.ends_with("key") || SECRET.iter().any(|part| name.contains(part))
}

fn is_name(text: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
    !text.is_empty() && text.len() <= NAME_MAX && text.bytes().all(plain)
}

fn wrong(text: &str) -> Fault {
    Fault::invalid(format!("data_collector: {text}"))
}

fn clip(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collector(headers: &[&str], rate: f64) -> DataCollector {
        DataCollector {
            collections: BTreeMap::from([(
                "request".into(),
                Collection { enabled: true, sampling_rate: None },
            )]),
            sampling_rate: rate,
            rolling_rate: Rolling::Hour,
            capture_headers: headers.iter().map(|h| (*h).to_owned()).collect(),
        }
    }

    #[test]
    fn secrets_are_never_captured() {
        assert!(collector(&["X-Request-Id", "User-Agent"], 1.0).check().is_ok());
        for header in [
            "Authorization",
            "proxy-authorization",
            "Cookie",
            "Set-Cookie",
            "Ocp-Apim-Subscription-Key",
            "X-Api-Key",
            "X-Amz-Security-Token",
            "X-Client-Secret",
            "apikey",
            "X-Forwarded-Client-Certificate",
        ] {
            assert!(collector(&[header], 1.0).check().is_err(), "{header}");
        }
        assert!(collector(&["a b"], 1.0).check().is_err());
    }

    #[test]
    fn rates_are_parts() {
        assert!(collector(&[], 1.5).check().is_err());
        assert!(collector(&[], f64::NAN).check().is_err());
        assert_eq!(collector(&[], 0.5).rate("request"), 0.5);
        assert_eq!(collector(&[], 0.5).rate("response"), 0.0);
    }
}
