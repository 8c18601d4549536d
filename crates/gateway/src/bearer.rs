//! Credentials of a request: exactly one `Authorization: Bearer` header (RFC 6750 §2.1), nothing else, nowhere else.

use http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use std::sync::Arc;
use web::ClientCertificate;

/// Why a request carries no usable credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoBearer {
    /// None at all, an empty token, or another scheme.
    Absent,
    /// Two headers, or something that cannot be a token: 400.
    Malformed,
}

/// Takes the token out of a request's headers. The scheme is compared without case.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, NoBearer> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let value = all.next().ok_or(NoBearer::Absent)?;
    if all.next().is_some() {
        return Err(NoBearer::Malformed);
    }
    let value = value.to_str().map_err(|_| NoBearer::Malformed)?;
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    let token = rest.trim_matches(' ');
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(NoBearer::Absent);
    }
    if token.bytes().all(is_b64token) { Ok(token) } else { Err(NoBearer::Malformed) }
}

/// The client certificate that the caller's connection has shown.
pub(crate) fn certificate(extensions: &Extensions) -> Option<&ClientCertificate> {
    extensions.get::<Arc<ClientCertificate>>().map(AsRef::as_ref)
}

/// The characters of `b64token`.
fn is_b64token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

/// The challenge of a refusal (RFC 6750 §3): no `error` when nothing was sent.
pub(crate) fn challenge(error: Option<&'static str>) -> HeaderValue {
    HeaderValue::from_static(match error {
        None => "Bearer realm=\"portcullis\"",
        Some("invalid_request") => "Bearer realm=\"portcullis\", error=\"invalid_request\"",
        Some("insufficient_scope") => "Bearer realm=\"portcullis\", error=\"insufficient_scope\"",
        Some(_) => "Bearer realm=\"portcullis\", error=\"invalid_token\"",
    })
}

/// The status that goes with an error code of RFC 6750.
pub(crate) fn status(error: Option<&'static str>) -> StatusCode {
    match error {
        Some("invalid_request") => StatusCode::BAD_REQUEST,
        Some("insufficient_scope") => StatusCode::FORBIDDEN,
        _ => StatusCode::UNAUTHORIZED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&'static str]) -> Result<String, NoBearer> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        bearer(&headers).map(str::to_owned)
    }

    #[test]
    fn one_header_one_scheme_one_token() {
        for good in ["Bearer a.b-c", "bearer a.b-c", "BEARER   a.b-c "] {
            assert_eq!(read(&[good]), Ok("a.b-c".to_owned()));
        }
        for absent in
            [vec![], vec![""], vec!["Bearer"], vec!["Bearer "], vec!["Basic YTpi"], vec!["Bearera b"]]
        {
            assert_eq!(read(&absent), Err(NoBearer::Absent), "{absent:?}");
        }
        for bad in
            [vec!["Bearer a", "Bearer a"], vec!["Bearer a b"], vec!["Bearer a,b"], vec!["Bearer \"a\""]]
        {
            assert_eq!(read(&bad), Err(NoBearer::Malformed), "{bad:?}");
        }
    }
}
