//! The listener: accepts, checks each request head on the raw stream, keeps deadlines, stops gracefully.
//!
//! HTTP/1.0, HTTP/1.1 and HTTP/2 on one port, in the clear or over TLS. The strict head check stands between socket (or
//! TLS) and HTTP engine ([`stream`]), because the engine drops a `Content-Length` after a `Transfer-Encoding` before any
//! layer sees it.

mod flight;
mod framing;
mod head;
mod stream;
#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "fuzzing"))]
pub use framing::fuzzing;

use crate::body::{Body, RequestBody};
use crate::config::HttpLimits;
use crate::peer::{Link, Peer};
use crate::problem::Problem;
use crate::tls::{Greeting, Tls};
use domain::ErrorCode;
use flight::InFlight;
use head::REFUSED_METHOD;
use http::{HeaderValue, Request, Response, header};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use stream::{Checked, Shared};
use tokio::io::{AsyncRead, AsyncWrite};
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

/// What all connections of a listener share.
struct Front<S> {
    service: S,
    limits: Arc<HttpLimits>,
    tls: Option<Arc<Tls>>,
    engine: Engine,
}

/// Serves until `stop` turns true (or its sender is gone), then lets calls in hand finish within the grace time. With `tls`,
/// whoever does not speak it is told so.
pub async fn serve<S: Service>(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    service: S,
    limits: HttpLimits,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(limits.connections as usize));
    let connections = TaskTracker::new();
    let engine = engine(&limits);
    let front = Arc::new(Front { service, limits: Arc::new(limits), tls, engine });
    let keeping = front.tls.clone().map(|tls| tokio::spawn(async move { tls.keep().await }));
    loop {
        let next = async {
            // A closed semaphore is impossible here; waiting for ever is its harmless reading.
            let permit = match room.clone().acquire_owned().await {
                Ok(permit) => permit,
                Err(_) => std::future::pending().await,
            };
            (permit, accept(&listener).await)
        };
        let (permit, (stream, address)) = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            next = next => next,
        };
        let (front, stop) = (front.clone(), stop.clone());
        connections.spawn(async move {
            connection(front, stream, address, stop).await;
            drop(permit);
        });
    }
    drop(listener);
    if let Some(keeping) = keeping {
        keeping.abort();
    }
    connections.close();
    let grace = front.limits.shutdown_grace.0 + Duration::from_secs(1);
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
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut told = false;
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                // Answers are written in one piece; without this the last segment may wait for an acknowledgement.
                if let Err(e) = stream.set_nodelay(true) {
                    tracing::debug!(error = %e, "a connection went away at once");
                }
                return (stream, address);
            }
            Err(e) => {
                // Told once in a row: at the limit of file descriptors this comes twenty times a second.
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(error = %e, "a connection could not be accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The HTTP engine, set up once. The client's first bytes say what it speaks, also after ALPN: until they come, a connection
/// holds none of the engine's buffers.
type Engine = auto::Builder<TokioExecutor>;

fn engine(limits: &HttpLimits) -> Engine {
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
        .max_pending_accept_reset_streams(limits.pending_resets)
        .max_local_error_reset_streams(limits.error_resets)
        .initial_connection_window_size(limits.window_bytes)
        .initial_stream_window_size(limits.window_bytes)
        .max_send_buf_size(limits.send_buffer_bytes)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

/// One connection, from its first byte on.
async fn connection<S: Service>(
    front: Arc<Front<S>>,
    stream: TcpStream,
    address: SocketAddr,
    mut stop: watch::Receiver<bool>,
) {
    let Some(tls) = &front.tls else {
        return talk(&front, stream, Peer::new(address, Link::Plain), stop).await;
    };
    // Boxed: the states of the handshake and of either talk are some kilobytes, and only one is needed at a time.
    let greeting = Box::pin(tokio::time::timeout(front.limits.head_timeout.0, tls.greet(stream)));
    let greeting = tokio::select! {
        biased;
        () = stopped(&mut stop) => return,
        greeting = greeting => greeting,
    };
    match greeting {
        Ok(Ok(Greeting::Secure { stream, certificate })) => {
            let peer = Peer { address, link: Link::Tls, certificate };
            Box::pin(talk(&front, stream, peer, stop)).await;
        }
        Ok(Ok(Greeting::Plain(stream))) => {
            Box::pin(talk(&front, stream, Peer::new(address, Link::PlainAtTls), stop)).await;
        }
        Ok(Ok(Greeting::Done)) => {}
        Ok(Err(e)) => tracing::debug!(peer = %address, error = %e, "no handshake"),
        Err(_) => tracing::debug!(peer = %address, "the handshake was not complete in time"),
    }
}

/// Requests and answers on one connection.
async fn talk<S: Service, T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    front: &Front<S>,
    stream: T,
    peer: Peer,
    mut stop: watch::Receiver<bool>,
) {
    let limits = &front.limits;
    let shared = Arc::new(Shared::new(limits));
    let checked = Checked::new(stream, shared.clone(), limits.clone());
    let (peer, pause) = (&peer, limits.body_timeout.0);
    // Browsers take the word of a server on another machine only; on loopback it would bind every other program there.
    let hsts = front.tls.as_ref().and_then(|tls| tls.hsts());
    let hsts = hsts.filter(|_| peer.link == Link::Tls && !peer.address.ip().to_canonical().is_loopback());
    let answer = service_fn(|request: Request<hyper::body::Incoming>| {
        let guard = InFlight::begin(&shared);
        let (service, peer, hsts) = (front.service.clone(), peer.clone(), hsts.cloned());
        let ordered = request.version() < http::Version::HTTP_2;
        async move {
            let mut response = if request.method().as_str() == REFUSED_METHOD {
                refusal(&guard.shared)
            } else {
                service.call(request.map(|body| RequestBody::new(body, pause)), peer).await
            };
            // What was not read of such a request ends its connection, so a client must not count on it.
            if ordered && matches!(response.status().as_u16(), 408 | 413 | 415) {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            if let Some(hsts) = hsts {
                response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, hsts);
            }
            Ok::<_, Infallible>(response.map(|body| guard.answer(body)))
        }
    });
    let mut connection = pin!(front.engine.serve_connection(TokioIo::new(checked), answer));
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = shared.fed_up.notified() => {
            tracing::warn!(peer = %peer.address, "connection closed: the client gave up too many of its calls");
            return;
        }
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            let grace = limits.shutdown_grace.0;
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
