//! The Host and Origin allow-list of the control plane: a page of another site that resolves its name to our address
//! (DNS rebinding), or that posts to us from a browser, gets nothing.

use crate::problem::Problem;
use domain::ErrorCode;
use http::request::Parts;
use http::{StatusCode, header};

/// The names under which this server may be addressed, lower case, without port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// The loopback names and those given, as names or as URLs.
    pub fn new<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Self {
        let given = names.into_iter().map(|n| {
            let text = n.as_ref();
            let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
            host_of(rest.split('/').next().unwrap_or_default()).to_ascii_lowercase()
        });
        let own = ["localhost", "127.0.0.1", "[::1]"].into_iter().map(str::to_owned);
        Self(own.chain(given).filter(|n| !n.is_empty()).collect())
    }

    fn hold(&self, authority: &str) -> bool {
        let host = host_of(authority);
        self.0.iter().any(|known| known.eq_ignore_ascii_case(host))
    }

    /// Refuses a request for another host (421) or from a page of another origin (403).
    pub fn check(&self, parts: &Parts) -> Result<(), Problem> {
        let named = parts.headers.get(header::HOST).map(|v| v.to_str().unwrap_or_default());
        let asked = parts.uri.authority().map(http::uri::Authority::as_str);
        for authority in [named, asked].into_iter().flatten() {
            if !self.hold(authority) {
                return Err(Problem::with_status(
                    StatusCode::MISDIRECTED_REQUEST,
                    ErrorCode::InvalidInput,
                    "this server does not answer for this host: add the name to gateway.hosts",
                ));
            }
        }
        let Some(origin) = parts.headers.get(header::ORIGIN) else {
            return Ok(());
        };
        let ours =
            origin.to_str().ok().and_then(|o| o.split_once("://")).is_some_and(|(_, rest)| self.hold(rest));
        if ours {
            return Ok(());
        }
        Err(Problem::new(ErrorCode::Forbidden, "a page of another origin may not call the control plane"))
    }
}

/// An authority without its port.
fn host_of(authority: &str) -> &str {
    if authority.starts_with('[') {
        return authority.find(']').map_or(authority, |end| &authority[..=end]);
    }
    authority.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(host: &str, origin: Option<&str>) -> u16 {
        let mut request = http::Request::builder().header(header::HOST, host);
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Hosts::new(["https://ml.example.com/"]).check(&parts).map_or_else(|p| p.status, |()| 200)
    }

    #[test]
    fn only_known_hosts_and_their_own_pages() {
        for (host, origin, wanted) in [
            ("127.0.0.1:8780", None, 200),
            ("LOCALHOST", None, 200),
            ("[::1]:99", None, 200),
            ("ml.example.com", Some("https://ml.example.com"), 200),
            ("evil.example", None, 421),
            ("127.0.0.1.evil.example", None, 421),
            ("localhost:1", Some("https://evil.example"), 403),
            ("localhost:1", Some("null"), 403),
            ("", None, 421),
        ] {
            assert_eq!(status(host, origin), wanted, "{host} {origin:?}");
        }
    }
}
