//! The listener: accepts, checks each request head on the raw stream, keeps deadlines, stops gracefully.
//!
//! HTTP/1.0, HTTP/1.1 and HTTP/2 on one port, in the clear or over TLS. The strict head check stands between socket (or
//! TLS) and HTTP engine ([`stream`]), because the engine drops a `Content-Length` after a `Transfer-Encoding` before any
//! layer sees it.

mod flight;
mod framing;
mod head;
mod stream;
mod talk;
#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "fuzzing"))]
pub use framing::fuzzing;

use crate::body::{Body, RequestBody};
use crate::config::HttpLimits;
use crate::peer::{Link, Peer};
use crate::tls::{Greeting, Tls};
use http::{Request, Response};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use talk::{Engines, talk};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;

/// The pause after a failed `accept`, as at the limit of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
    engines: Engines,
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
    let engines = Engines::new(&limits);
    let front = Arc::new(Front { service, limits: Arc::new(limits), tls, engines });
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
