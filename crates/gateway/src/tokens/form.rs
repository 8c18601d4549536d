//! The form of a request to the token service: small, of the right type, each parameter at most once (RFC 6749 §3.2).

use super::failure::Failure;
use http::{HeaderMap, Request, header};
use std::collections::BTreeMap;
use web::RequestBody;

/// The longest form in bytes: a token and some.
const FORM_MAX: u64 = 64 << 10;

/// A request's parameters.
#[derive(Debug, Default)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads the body of a request.
    pub(super) async fn read(request: Request<RequestBody>) -> Result<(HeaderMap, Self), Failure> {
        let (parts, body) = request.into_parts();
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Failure::request(
                900_144,
                "The request must be sent as Content-Type: application/x-www-form-urlencoded.",
            ));
        }
        // Parameters in the URL end up in logs (RFC 6749 §2.3.1); none is read from there.
        let bytes =
            web::collect(body, FORM_MAX).await.map_err(|e| Failure::request(900_144, e.to_string()))?;
        Ok((parts.headers, Self::parse(&bytes)?))
    }

    fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        let mut all = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(bytes) {
            if all.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(Failure::request(90015, "A parameter is sent more than once."));
            }
        }
        // A parameter without a value counts as not sent.
        all.retain(|_, value| !value.is_empty());
        Ok(Self(all))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_stand_once() {
        let form = Form::parse(b"a=1&b=x%20y+z&c=").unwrap();
        assert_eq!((form.get("a"), form.get("b"), form.get("c")), (Some("1"), Some("x y z"), None));
        assert!(Form::parse(b"a=1&a=1").is_err() && Form::parse(b"a=&a=1").is_err());
    }
}
