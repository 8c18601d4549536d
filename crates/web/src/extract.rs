//! Extractors of the control plane whose refusals are problems.

use crate::decode::{Coding, Inflate};
use crate::problem::Problem;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use bytes::Bytes;
use domain::ErrorCode;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The largest JSON body when the surrounding service stated no [`BodyLimit`].
const DEFAULT_BODY_BYTES: u64 = 8 << 20;
/// The most rows a page may have.
const PAGE_MAX: u32 = 1000;
/// The rows of a page when not stated.
const PAGE_DEFAULT: u32 = 100;

/// The largest JSON body in bytes (`limits.body_bytes`), as an extension of the request.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit(pub u64);

/// A JSON body. Refused: another content type (415), too long (413), no JSON (400), another shape (422, naming the field).
#[derive(Debug, Clone, Copy)]
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                ErrorCode::UnsupportedMedia,
                "send the body as Content-Type: application/json",
            ));
        }
        let bytes = whole_body(request).await?;
        parse(&bytes).map(Self)
    }
}

/// Whether a request says that its body is JSON.
pub fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(kind)) = headers.get(header::CONTENT_TYPE).map(|v| v.to_str()) else {
        return false;
    };
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json")
}

/// Reads a whole body of the control plane of at most [`BodyLimit`] bytes on the wire; a compressed one is inflated where the
/// surrounding service says within which limits.
pub async fn whole_body(request: Request) -> Result<Bytes, Problem> {
    let limit = request.extensions().get::<BodyLimit>().map_or(DEFAULT_BODY_BYTES, |l| l.0);
    let coding = Coding::of(request.headers())?;
    let inflate = request.extensions().get::<Inflate>().cloned();
    let body = request.into_body().map_err(|e| unreadable(&e));
    match (coding, inflate) {
        (Coding::Identity, _) => crate::collect(body, limit).await,
        (coding, Some(inflate)) => inflate.collect(coding, body, limit).await,
        (_, None) => Err(crate::BodyError::Coding.into()),
    }
}

/// The problem of a body that broke off or stalled.
fn unreadable(error: &(dyn std::error::Error + 'static)) -> Problem {
    let mut cause = Some(error);
    while let Some(e) = cause {
        if let Some(stalled @ crate::BodyError::Stalled(_)) = e.downcast_ref() {
            return Problem::with_status(
                StatusCode::REQUEST_TIMEOUT,
                ErrorCode::InvalidInput,
                stalled.to_string(),
            );
        }
        cause = e.source();
    }
    Problem::new(ErrorCode::InvalidInput, "the body could not be read")
}

/// Reads JSON of a file; the error names the field and what is expected, line and column.
pub fn read_json<T: DeserializeOwned>(text: &str) -> Result<T, domain::Fault> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let told = |path: &str, error: &serde_json::Error| {
        let words = error.to_string();
        let (what, _) = words.split_once(" at line ").unwrap_or((&words, ""));
        let field = if path.is_empty() || path == "." { String::new() } else { format!("{path}: ") };
        domain::Fault::invalid(format!("line {}, column {}: {field}{what}", error.line(), error.column()))
    };
    let value = serde_path_to_error::deserialize(&mut reader)
        .map_err(|e| told(&e.path().to_string(), &e.into_inner()))?;
    reader.end().map_err(|e| told("", &e))?;
    Ok(value)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|e| {
        let pointer = pointer(e.path());
        let inner = e.into_inner();
        if inner.is_data() {
            let place = if pointer.is_empty() { "the body".to_owned() } else { format!("'{pointer}'") };
            Problem::new(ErrorCode::Unprocessable, format!("{place}: {inner}"))
                .field(pointer, inner.to_string())
        } else {
            Problem::new(ErrorCode::InvalidInput, format!("the body is no JSON: {inner}"))
        }
    })?;
    reader.end().map_err(|e| Problem::new(ErrorCode::InvalidInput, format!("the body is no JSON: {e}")))?;
    Ok(value)
}

/// A path inside a document as a JSON Pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |mut text, segment| {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("/{index}")),
            Segment::Map { key } => text.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
        text
    })
}

/// `?limit=&after=`: a page of a list, after the item named last on the page before.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// How many items, 1 to 1,000; 100 when left out.
    #[serde(default = "page_default")]
    pub limit: u32,
    /// The last item of the page before.
    #[serde(default)]
    pub after: Option<String>,
}

fn page_default() -> u32 {
    PAGE_DEFAULT
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut http::request::Parts, state: &S) -> Result<Self, Problem> {
        let Query(page) = Query::<Self>::from_request_parts(parts, state)
            .await
            .map_err(|e| Problem::new(ErrorCode::InvalidInput, e.body_text()))?;
        if (1..=PAGE_MAX).contains(&page.limit) {
            return Ok(page);
        }
        Err(Problem::new(ErrorCode::InvalidInput, format!("limit is {}: write 1 to {PAGE_MAX}", page.limit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(rename = "a/b")]
        _number: u8,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        _list: Vec<Inner>,
    }

    async fn ask(kind: &str, body: &str, limit: u64) -> Problem {
        let mut request = Request::new(axum::body::Body::from(body.to_owned()));
        request.headers_mut().insert(header::CONTENT_TYPE, kind.parse().unwrap());
        request.extensions_mut().insert(BodyLimit(limit));
        JsonBody::<Outer>::from_request(request, &()).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_wrong_field_is_named_by_its_pointer() {
        let problem = ask("application/json", r#"{"_list":[{"a/b":1},{"a/b":"x"}]}"#, 100).await;
        assert_eq!((problem.status, problem.errors[0].pointer.as_str()), (422, "/_list/1/a~1b"));
    }

    #[tokio::test]
    async fn refusals_have_their_statuses() {
        let long = format!("{{\"_list\":[{}]}}", " ".repeat(100));
        for (kind, body, status) in [
            ("text/plain", "{}", 415),
            ("application/json", "{", 400),
            ("application/json", "{\"_list\":[]} x", 400),
            ("application/json; charset=utf-8", "{\"other\":1}", 422),
            ("application/json", "{\"_list\":[],\"_list\":[]}", 422),
            ("application/json", long.as_str(), 413),
        ] {
            assert_eq!(ask(kind, body, 100).await.status, status, "{kind} {body}");
        }
    }
}
