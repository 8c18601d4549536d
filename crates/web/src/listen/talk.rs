//! Requests and answers on one connection: which engine speaks, and for how long it is held.
//!
//! An engine's buffers are most of what a connection costs, so there is none before the first request, and HTTP/1.1 gives
//! its own up in a longer pause: the stream, which alone knows where a request ends, is taken back and waits by itself.

use super::flight::{InFlight, Tracked};
use super::head::REFUSED_METHOD;
use super::stream::{Checked, Next, Shared};
use super::{Front, Service, stopped};
use crate::body::{Body, RequestBody};
use crate::config::HttpLimits;
use crate::peer::{Link, Peer};
use crate::problem::Problem;
use domain::ErrorCode;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

/// HTTP/2: how often a silent peer is asked for a sign of life, and how long it may take.
const PING: Duration = Duration::from_secs(20);

/// The HTTP engines, set up once.
pub(super) struct Engines {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    /// HTTP/1 engines just now.
    alive: Arc<AtomicUsize>,
}

impl Engines {
    pub(super) fn new(limits: &HttpLimits) -> Self {
        let mut http1 = http1::Builder::new();
        // Deadlines are the stream's; the engine's own would cost a timer reset a request.
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_buf_size(limits.head_bytes as usize + (64 << 10))
            .pipeline_flush(true);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
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
        Self { http1, http2, alive: Arc::default() }
    }
}

/// What an engine is driven beside.
struct Turn<'a> {
    shared: &'a Shared,
    limits: &'a HttpLimits,
    address: SocketAddr,
    stop: &'a mut watch::Receiver<bool>,
}

/// Requests and answers on one connection, until it ends.
pub(super) async fn talk<S: Service, T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    front: &Front<S>,
    stream: T,
    peer: Peer,
    mut stop: watch::Receiver<bool>,
) {
    let limits = &*front.limits;
    let shared = Arc::new(Shared::new(limits, front.engines.alive.clone()));
    let mut checked = Checked::new(stream, shared.clone(), front.limits.clone());
    loop {
        let next = tokio::select! {
            biased;
            () = stopped(&mut stop) => Ok(Next::Over),
            next = poll_fn(|cx| checked.poll_next(cx)) => next,
        };
        let turn = Turn { shared: &shared, limits, address: peer.address, stop: &mut stop };
        // Boxed: while nothing is said, an engine's room is not held.
        let back = match next {
            Ok(Next::Http1) => {
                Box::pin(speak_http1(&front.engines, checked, answerer(front, &shared, &peer), turn)).await
            }
            Ok(Next::Http2) => {
                Box::pin(speak_http2(&front.engines, checked, answerer(front, &shared, &peer), turn)).await
            }
            Ok(Next::Over) => {
                drop(tokio::time::timeout(limits.shutdown_grace.0, checked.shutdown()).await);
                None
            }
            Err(e) => {
                tracing::debug!(peer = %peer.address, error = %e, "connection ended");
                None
            }
        };
        match back {
            Some(back) => checked = back,
            None => return,
        }
    }
}

/// What answers the requests of a connection.
fn answerer<S: Service>(
    front: &Front<S>,
    shared: &Arc<Shared>,
    peer: &Peer,
) -> impl HttpService<Incoming, ResBody = Tracked, Error = Infallible, Future: Send + 'static> + use<S> {
    let pause = front.limits.body_timeout.0;
    // Browsers take the word of a server on another machine only; on loopback it would bind every other program there.
    let hsts = front.tls.as_ref().and_then(|tls| tls.hsts()).cloned();
    let hsts = hsts.filter(|_| peer.link == Link::Tls && !peer.address.ip().to_canonical().is_loopback());
    let (service, shared, peer) = (front.service.clone(), shared.clone(), peer.clone());
    service_fn(move |request: Request<Incoming>| {
        let guard = InFlight::begin(&shared);
        let (service, peer, hsts) = (service.clone(), peer.clone(), hsts.clone());
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
    })
}

/// HTTP/1 until the connection ends, or until it pauses: then its stream is given back.
async fn speak_http1<T, A>(
    engines: &Engines,
    checked: Checked<T>,
    answer: A,
    turn: Turn<'_>,
) -> Option<Checked<T>>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: HttpService<Incoming, ResBody = Tracked, Error = Infallible>,
{
    let _count = turn.shared.engine();
    let mut engine = engines.http1.serve_connection(TokioIo::new(checked), answer);
    if !drive(Pin::new(&mut engine), turn).await {
        return None;
    }
    let parts = engine.into_parts();
    let mut checked = parts.io.into_inner();
    checked.take_back(&parts.read_buf);
    Some(checked)
}

/// HTTP/2 until the connection ends.
async fn speak_http2<T, A>(
    engines: &Engines,
    checked: Checked<T>,
    answer: A,
    turn: Turn<'_>,
) -> Option<Checked<T>>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: HttpService<Incoming, ResBody = Tracked, Error = Infallible, Future: Send + 'static>,
{
    let mut engine = pin!(engines.http2.serve_connection(TokioIo::new(checked), answer));
    drive(engine.as_mut(), turn).await;
    None
}

/// Lets an engine work. Whether it may be given up because its connection pauses; else the connection is over.
async fn drive<C: GracefulConnection<Error = hyper::Error>>(mut engine: Pin<&mut C>, turn: Turn<'_>) -> bool {
    let Turn { shared, limits, address, stop } = turn;
    let working = poll_fn(|cx| match engine.as_mut().poll(cx) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        Poll::Pending if shared.takes_rest() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    let ended = tokio::select! {
        biased;
        ended = working => match ended {
            Some(ended) => ended,
            None => return true,
        },
        () = shared.fed_up.notified() => {
            tracing::warn!(peer = %address, "connection closed: the client gave up too many of its calls");
            return false;
        }
        () = stopped(stop) => {
            engine.as_mut().graceful_shutdown();
            tokio::time::timeout(limits.shutdown_grace.0, engine).await.unwrap_or(Ok(()))
        }
    };
    if let Err(e) = ended {
        tracing::debug!(peer = %address, error = %e, "connection ended");
    }
    false
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
