//! Request ids: which are taken over, which are made, which are echoed (contract IS-11).

use http::{HeaderMap, HeaderName, HeaderValue};
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// The longest a request id may be, in characters; longer ones answer 431.
pub const ID_MAX: usize = 100;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static MS_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
static CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
static TRACE_ID: HeaderName = HeaderName::from_static("traceid");

/// The longest `TraceId` that is echoed; the contract sets no limit, an answer's head needs one.
const TRACE_MAX: usize = 256;

/// The ids of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestIds {
    request: HeaderValue,
    ms_request: HeaderValue,
    client: Option<HeaderValue>,
    trace: Option<HeaderValue>,
}

impl RequestIds {
    /// The `x-request-id`, visible ASCII.
    pub fn request_id(&self) -> &str {
        self.request.to_str().unwrap_or_default()
    }

    /// The caller's own id, when it sent one.
    pub fn client_request_id(&self) -> Option<&str> {
        self.client.as_ref().and_then(|id| id.to_str().ok())
    }

    /// Sets `x-request-id`, `x-ms-request-id` and, when the caller sent them, `x-ms-client-request-id` and `TraceId`.
    pub fn apply(&self, headers: &mut HeaderMap) {
        headers.insert(REQUEST_ID.clone(), self.request.clone());
        headers.insert(MS_REQUEST_ID.clone(), self.ms_request.clone());
        if let Some(client) = &self.client {
            headers.insert(CLIENT_REQUEST_ID.clone(), client.clone());
        }
        if let Some(trace) = &self.trace {
            headers.insert(TRACE_ID.clone(), trace.clone());
        }
    }

    /// Fresh ids, for an answer to a call whose own ids cannot be used.
    pub fn fresh() -> Self {
        let request = fresh_id();
        Self { ms_request: request.clone(), request, client: None, trace: None }
    }
}

/// A request id of more than [`ID_MAX`] characters: answer 431.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the header '{0}' is longer than {ID_MAX} characters")]
pub struct IdTooLong(pub &'static str);

/// Reads the ids of a call: `x-request-id` or a new UUID; `x-ms-request-id`, else the client's id, else the request id.
///
/// Ids that are empty or not visible ASCII count as not sent.
pub fn request_ids(headers: &HeaderMap) -> Result<RequestIds, IdTooLong> {
    let request = sent(headers, &REQUEST_ID, "x-request-id")?;
    let ms_request = sent(headers, &MS_REQUEST_ID, "x-ms-request-id")?;
    let client = sent(headers, &CLIENT_REQUEST_ID, "x-ms-client-request-id")?;
    let request = request.cloned().unwrap_or_else(fresh_id);
    Ok(RequestIds {
        ms_request: ms_request.or(client).unwrap_or(&request).clone(),
        client: client.or(ms_request).cloned(),
        trace: headers.get(&TRACE_ID).filter(|id| id.len() <= TRACE_MAX).cloned(),
        request,
    })
}

fn sent<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    text: &'static str,
) -> Result<Option<&'a HeaderValue>, IdTooLong> {
    match headers.get(name) {
        Some(id) if id.len() > ID_MAX => Err(IdTooLong(text)),
        Some(id) if id.is_empty() || id.to_str().is_err() => Ok(None),
        other => Ok(other),
    }
}

thread_local! {
    /// SplitMix64 state of this thread; request ids must not repeat, they need not be secret.
    static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(std::thread::current().id()));
    static OTHER: Cell<u64> = Cell::new(RandomState::new().hash_one("request ids"));
}

/// A new version 4 UUID without a system call (one a call is what this is for).
fn fresh_id() -> HeaderValue {
    let bits = (u128::from(STATE.with(split_mix)) << 64) | u128::from(OTHER.with(split_mix));
    let id = uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid();
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text: &str = id.hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

/// SplitMix64 (Steele, Lea, Flood 2014).
fn split_mix(state: &Cell<u64>) -> u64 {
    let next = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    state.set(next);
    let mut z = next;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(pairs: &[(&'static str, &str)]) -> Result<RequestIds, IdTooLong> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        request_ids(&headers)
    }

    fn echoed(ids: &RequestIds) -> [Option<String>; 3] {
        let mut headers = HeaderMap::new();
        ids.apply(&mut headers);
        ["x-request-id", "x-ms-request-id", "x-ms-client-request-id"]
            .map(|name| headers.get(name).map(|v| v.to_str().unwrap().to_owned()))
    }

    #[test]
    fn ids_follow_the_contract() {
        let some = |text: &str| Some(text.to_owned());
        let all = ids(&[("x-request-id", "a"), ("x-ms-request-id", "b"), ("x-ms-client-request-id", "c")]);
        assert_eq!(echoed(&all.unwrap()), [some("a"), some("b"), some("c")]);
        let client = ids(&[("x-request-id", "a"), ("x-ms-client-request-id", "c")]);
        assert_eq!(echoed(&client.unwrap()), [some("a"), some("c"), some("c")]);
        let old = ids(&[("x-request-id", "a"), ("x-ms-request-id", "b")]);
        assert_eq!(echoed(&old.unwrap()), [some("a"), some("b"), some("b")]);
        let only = ids(&[("x-request-id", "a")]);
        assert_eq!(echoed(&only.unwrap()), [some("a"), some("a"), None]);
    }

    #[test]
    fn a_missing_id_is_a_new_uuid() {
        let (a, b) = (ids(&[]).unwrap(), ids(&[]).unwrap());
        assert_ne!(a.request_id(), b.request_id());
        let id = uuid::Uuid::parse_str(a.request_id()).unwrap();
        assert_eq!(id.get_version_num(), 4);
        assert_eq!(a.client_request_id(), None);
        assert_ne!(RequestIds::fresh(), RequestIds::fresh());
    }

    #[test]
    fn a_trace_id_is_echoed() {
        let mut headers = HeaderMap::new();
        ids(&[("traceid", "t-1")]).unwrap().apply(&mut headers);
        assert_eq!(headers["traceid"], "t-1");
        assert_eq!(ids(&[("traceid", &"t".repeat(257))]).unwrap().trace, None);
    }

    #[test]
    fn ids_are_bounded() {
        for name in ["x-request-id", "x-ms-request-id", "x-ms-client-request-id"] {
            assert!(ids(&[(name, &"x".repeat(100))]).is_ok());
            assert_eq!(ids(&[(name, &"x".repeat(101))]), Err(IdTooLong(name)));
        }
    }

    #[test]
    fn ids_that_cannot_be_shown_count_as_not_sent() {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(request_ids(&headers).unwrap().request_id().len(), 36);
    }
}
