//! The settings of section `outbound`.

use crate::error::{Error, Result};
use crate::range::Range;
use domain::Span;
use serde::{Deserialize, Serialize};

/// Section `outbound` of the settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address ranges that may be reached although they are not public.
    pub allow: Vec<Range>,
    /// Time to resolve a name and to connect, TLS included.
    pub connect_timeout: Span,
    /// The longest silence before and between pieces of an answer.
    pub idle_timeout: Span,
    /// Time for a whole answer.
    pub timeout: Span,
    /// The most bytes of an answer.
    pub max_bytes: u64,
    /// Redirects followed on the same host (0–10).
    pub max_redirects: u8,
}

/// The most redirects the settings may allow.
const REDIRECTS_MAX: u8 = 10;

impl Config {
    /// Refuses what cannot be.
    pub(crate) fn check(&self) -> Result<()> {
        let spans = [
            ("connect_timeout", self.connect_timeout),
            ("idle_timeout", self.idle_timeout),
            ("timeout", self.timeout),
        ];
        if let Some((name, _)) = spans.iter().find(|(_, span)| span.0.is_zero()) {
            return Err(Error::Setting(format!("outbound.{name} must be longer than 0s")));
        }
        if self.max_redirects > REDIRECTS_MAX {
            return Err(Error::Setting(format!("outbound.max_redirects must be 0 to {REDIRECTS_MAX}")));
        }
        Ok(())
    }
}
