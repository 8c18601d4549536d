//! Bodies: of requests with a deadline on progress, of answers without an allocation in the usual case.

use bytes::{Bytes, BytesMut};
use domain::{ErrorCode, Fault};
use http::StatusCode;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// Why a request's body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It paused longer than the limit.
    #[error("the body made no progress for {} s", .0.as_secs())]
    Stalled(Duration),
    /// It is longer than allowed.
    #[error("the body is longer than {0} bytes")]
    TooLarge(u64),
    /// The connection broke or the framing was wrong.
    #[error("the body could not be read")]
    Broken(#[source] hyper::Error),
    /// Its coding is none that is taken.
    #[error("Content-Encoding is not one that is taken: send gzip, deflate or identity")]
    Coding,
    /// It inflates to more than allowed.
    #[error("the body inflates to more than {limit} {what}")]
    Inflated {
        /// What is counted.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },
    /// It is not in the coding it claims to be in.
    #[error("the body is not in the coding that Content-Encoding names, or it is cut off")]
    Corrupt,
    /// Too many inflated bodies are in hand.
    #[error("too many compressed bodies at once; try again in a moment")]
    Busy,
}

impl BodyError {
    /// The status to answer with.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Stalled(_) => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge(_) | Self::Inflated { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Broken(_) | Self::Corrupt => StatusCode::BAD_REQUEST,
            Self::Coding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// A short word for the request log.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Stalled(_) => "body stalled",
            Self::TooLarge(_) => "body too large",
            Self::Broken(_) => "body broken",
            Self::Coding => "content encoding",
            Self::Inflated { .. } => "body inflates too far",
            Self::Corrupt => "body not in its coding",
            Self::Busy => "too many compressed bodies",
        }
    }
}

impl From<BodyError> for Fault {
    fn from(error: BodyError) -> Self {
        let code = match error {
            BodyError::TooLarge(_) | BodyError::Inflated { .. } => ErrorCode::TooLarge,
            BodyError::Coding => ErrorCode::UnsupportedMedia,
            BodyError::Busy => ErrorCode::TooManyRequests,
            BodyError::Stalled(_) | BodyError::Broken(_) | BodyError::Corrupt => ErrorCode::InvalidInput,
        };
        Self::new(code, error.to_string())
    }
}

/// A request's body as the listener hands it on.
#[derive(Debug)]
pub struct RequestBody {
    inner: hyper::body::Incoming,
    pause: Duration,
    // Armed only while the client keeps us waiting; a body that came with its head never touches the timer.
    timer: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    pub(crate) fn new(inner: hyper::body::Incoming, pause: Duration) -> Self {
        Self { inner, pause, timer: None }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            self.timer = None;
            return Poll::Ready(frame.map(|f| f.map_err(BodyError::Broken)));
        }
        let pause = self.pause;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Some(Err(BodyError::Stalled(pause))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Reads a whole body of at most `limit` bytes. A body in one piece is not copied.
pub async fn collect<B, E>(mut body: B, limit: u64) -> Result<Bytes, E>
where
    B: HttpBody<Data = Bytes, Error = E> + Unpin,
    E: From<BodyError>,
{
    if body.size_hint().lower() > limit {
        return Err(BodyError::TooLarge(limit).into());
    }
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let so_far = first.len().max(all.len());
        if (so_far + data.len()) as u64 > limit {
            return Err(BodyError::TooLarge(limit).into());
        }
        if so_far == 0 {
            first = data;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&data);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// An answer's body: bytes at hand, or any stream.
#[derive(Debug)]
pub enum Body {
    /// Bytes at hand; their length is told to the client.
    Bytes(Option<Bytes>),
    /// A stream of the control plane.
    Stream(axum::body::Body),
}

impl Default for Body {
    fn default() -> Self {
        Self::Bytes(None)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(Some(bytes).filter(|b| !b.is_empty()))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            Self::Bytes(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Stream(stream) => Pin::new(stream).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.is_none(),
            Self::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Bytes(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Stream(stream) => stream.size_hint(),
        }
    }
}
