//! What a SageMaker container answers besides (contract D): for `serve-model`, which is such a container's program.

use http::{HeaderName, HeaderValue, Request, Response};
use web::{Body, RequestBody};

static ATTRIBUTES: HeaderName = HeaderName::from_static("x-amzn-sagemaker-custom-attributes");
static VARIANT: HeaderName = HeaderName::from_static("x-amzn-invoked-production-variant");
/// The longest text of attributes.
const ATTRIBUTES_MAX: usize = 1024;

/// What is kept of a request until its answer.
pub(crate) enum Head {
    /// `/ping`: the status is all that is looked at.
    Ping,
    /// `/invocations`, with the attributes to send back.
    Invocations(Option<HeaderValue>),
}

impl Head {
    /// Of a request; none when it is of another protocol.
    pub(crate) fn of(request: &Request<RequestBody>) -> Option<Self> {
        match request.uri().path() {
            "/ping" => Some(Self::Ping),
            "/invocations" => {
                let printable = |c: &u8| (b' '..=b'~').contains(c);
                let fits = |v: &&HeaderValue| v.len() <= ATTRIBUTES_MAX && v.as_bytes().iter().all(printable);
                Some(Self::Invocations(request.headers().get(&ATTRIBUTES).filter(fits).cloned()))
            }
            _ => None,
        }
    }

    /// Finishes the answer.
    pub(crate) fn answer(self, variant: &str, response: &mut Response<Body>) {
        match self {
            Self::Ping if response.status().is_success() => *response.body_mut() = Body::default(),
            Self::Ping => {}
            Self::Invocations(attributes) => {
                if let Ok(variant) = HeaderValue::from_str(variant) {
                    response.headers_mut().insert(VARIANT.clone(), variant);
                }
                if let Some(attributes) = attributes {
                    response.headers_mut().insert(ATTRIBUTES.clone(), attributes);
                }
            }
        }
    }
}
