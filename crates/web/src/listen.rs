//! The listener: accepts, checks each request head on the raw stream, keeps deadlines, stops gracefully.
//!
//! HTTP/1.0, HTTP/1.1 and HTTP/2 with prior knowledge on one port. The strict head check stands between socket and HTTP
//! engine ([`stream`]), because the engine drops a `Content-Length` after a `Transfer-Encoding` before any layer sees it.

mod framing;
mod head;
mod stream;
#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "fuzzing"))]
pub use framing::fuzzing;

use crate::body::{Body, RequestBody};
use crate::config::HttpLimits;
use crate::peer::Peer;
use crate::problem::Problem;
use bytes::Bytes;
use domain::ErrorCode;
use head::REFUSED_METHOD;
use http::{HeaderValue, Request, Response, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use stream::{Checked, Shared};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;

/// The pause after a failed `accept`, as at the limit of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// HTTP/2: how often a silent peer is asked for a sign of life, and how long it may take.
const PING: Duration = Duration::from_secs(20);

/// Something that answers requests; cheap to clone.
pub trait Service: Clone + Send + Sync + 'static {
    /// Answers one request.
    fn call(&self, request: Request<RequestBody>, peer: Peer) -> impl Future<Output = Response<Body>> + Send;
}

/// Serves until `stop` turns true (or its sender is gone), then lets calls in hand finish within the grace time.
pub async fn serve<S: Service>(
    listener: TcpListener,
    service: S,
    limits: HttpLimits,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(limits.connections as usize));
    let connections = TaskTracker::new();
    let limits = Arc::new(limits);
    let builder = builder(&limits);
    loop {
        let next = async {
            // A closed semaphore is impossible here; waiting for ever is its harmless reading.
            let permit = match room.clone().acquire_owned().await {
                Ok(permit) => permit,
                Err(_) => std::future::pending().await,
            };
            (permit, accept(&listener).await)
        };
        let (permit, (stream, peer)) = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            next = next => next,
        };
        let (builder, service, limits, stop) =
            (builder.clone(), service.clone(), limits.clone(), stop.clone());
        connections.spawn(async move {
            connection(&builder, stream, Handling { service, peer, limits }, stop).await;
            drop(permit);
        });
    }
    drop(listener);
    connections.close();
    let grace = limits.shutdown_grace.0 + Duration::from_secs(1);
    if tokio::time::timeout(grace, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "connections were still open after the grace time");
    }
}

/// Waits for the word to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that nobody is left who could say it: stop as well.
    drop(stop.wait_for(|stop| *stop).await.map(|_| ()));
}

/// The next connection. Errors of one connection are passed over, those of the process (no file descriptor) waited out.
async fn accept(listener: &TcpListener) -> (TcpStream, Peer) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                // Answers are written in one piece; without this the last segment may wait for an acknowledgement.
                if let Err(e) = stream.set_nodelay(true) {
                    tracing::debug!(error = %e, "a connection went away at once");
                }
                return (stream, Peer { address });
            }
            Err(e) => {
                tracing::warn!(error = %e, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn builder(limits: &HttpLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Deadlines are the stream's; the engine's own would cost a timer reset a request.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(limits.head_bytes as usize + (64 << 10))
        .pipeline_flush(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.head_bytes)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

struct Handling<S> {
    service: S,
    peer: Peer,
    limits: Arc<HttpLimits>,
}

async fn connection<S: Service>(
    builder: &auto::Builder<TokioExecutor>,
    stream: TcpStream,
    with: Handling<S>,
    mut stop: watch::Receiver<bool>,
) {
    let shared = Arc::new(Shared::new());
    let checked = Checked::new(stream, shared.clone(), with.limits.clone());
    let (service, peer, pause) = (with.service, with.peer, with.limits.body_timeout.0);
    let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
        let guard = InFlight::begin(&shared);
        let service = service.clone();
        async move {
            let response = if request.method().as_str() == REFUSED_METHOD {
                refusal(&guard.0)
            } else {
                service.call(request.map(|body| RequestBody::new(body, pause)), peer).await
            };
            Ok::<_, Infallible>(response.map(|body| Tracked { body, _guard: guard }))
        }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(checked), answer));
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            let grace = with.limits.shutdown_grace.0;
            tokio::time::timeout(grace, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(e) = ended {
        tracing::debug!(peer = %peer.address, error = %e, "connection ended");
    }
}

/// The answer to a head that was refused on the raw stream.
fn refusal(shared: &Shared) -> Response<Body> {
    let problem = match shared.refusal.get() {
        Some(refusal) => Problem::with_status(refusal.status(), ErrorCode::InvalidInput, refusal.text()),
        None => Problem::new(ErrorCode::InvalidInput, "the request is malformed"),
    };
    let mut response = problem.to_response();
    crate::finish::secure(response.headers_mut());
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Counts a request from its head to the end of its answer, so that idle time is told from work.
struct InFlight(Arc<Shared>);

impl InFlight {
    fn begin(shared: &Arc<Shared>) -> Self {
        shared.begin();
        Self(shared.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// An answer's body that ends the count when it is dropped.
struct Tracked {
    body: Body,
    _guard: InFlight,
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
