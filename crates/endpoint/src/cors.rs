//! CORS, only when origins are configured (contract IS-14).

use crate::config::Limits;
use crate::outcome::SmallHeaders;
use http::header::{HeaderMap, ORIGIN};

/// The CORS headers of an answer that no model made: a refusal, a document, a page. A browser shows its script none without
/// them.
pub fn cors(limits: &Limits, headers: &HeaderMap) -> SmallHeaders {
    let mut extra = SmallHeaders::default();
    allow(limits, headers, &mut extra);
    extra
}

/// Adds what a browser needs to an answer: nothing when CORS is off, `vary` always when it is on, and the allowed origin
/// when the caller's is one of the configured ones.
pub fn allow(limits: &Limits, headers: &HeaderMap, extra: &mut SmallHeaders) {
    if limits.origins.is_empty() {
        return;
    }
    extra.vary = true;
    let Some(origin) = headers.get(ORIGIN) else { return };
    if limits.origins.iter().any(|o| o == origin || o == "*") {
        extra.origin = Some(origin.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn answered(configured: &[&'static str], origin: Option<&'static str>) -> SmallHeaders {
        let limits = Limits {
            rows: 1,
            depth: 64,
            healthy: String::new(),
            origins: configured.iter().map(|o| HeaderValue::from_static(o)).collect(),
        };
        let mut headers = HeaderMap::new();
        if let Some(origin) = origin {
            headers.insert(ORIGIN, HeaderValue::from_static(origin));
        }
        cors(&limits, &headers)
    }

    #[test]
    fn off_means_no_header_at_all() {
        assert_eq!(answered(&[], Some("https://a")), SmallHeaders::default());
    }

    #[test]
    fn only_configured_origins_are_echoed() {
        assert_eq!(answered(&["https://a"], Some("https://a")).origin.unwrap(), "https://a");
        assert_eq!(answered(&["https://a"], Some("https://b")).origin, None);
        assert!(answered(&["https://a"], Some("https://b")).vary);
        assert_eq!(answered(&["*"], Some("https://b")).origin.unwrap(), "https://b");
        assert_eq!(answered(&["*"], None).origin, None);
    }
}
