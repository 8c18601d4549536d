//! The socket as the HTTP engine sees it: only bytes of checked requests come through, and every wait has a deadline.

use super::framing::Follower;
use super::head::{REFUSED_METHOD, Refusal};
use crate::config::HttpLimits;
use bytes::{Buf, BytesMut};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

/// After an answer that ends a connection, so many bytes still coming are read and dropped: closing over unread bytes would
/// reset the connection and could destroy the answer on its way.
const LINGER_BYTES: usize = 256 << 10;
/// How long that may take.
const LINGER: Duration = Duration::from_secs(1);
/// The pause after which an engine is given up when there are too many; a shorter `rest_after` would only cost time.
const SHORTEST_REST: Duration = Duration::from_millis(1);
/// The bytes first offered to a read. TLS clears all it is offered, so that an engine's buffer takes no more memory than what
/// comes; a client that sends much gets more.
const ROOM: usize = 2048;

/// What the stream and the service of one connection share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Why the last request was refused.
    pub(super) refusal: OnceLock<Refusal>,
    /// Requests whose answer is not yet complete.
    in_flight: AtomicUsize,
    opened: Instant,
    /// When the last answer was complete, in milliseconds after `opened`.
    quiet_since: AtomicU64,
    /// Calls answered, and calls that the client gave up before.
    answered: AtomicU32,
    given_up: AtomicU32,
    given_up_max: u32,
    /// Set when nothing is in hand and nothing came for a while, so that the engine may be given up.
    at_rest: AtomicBool,
    /// HTTP/1 engines of the whole listener, and how many may be kept in a pause.
    engines: Arc<AtomicUsize>,
    engines_max: usize,
    /// Told when the client gives up too many: opening calls only to reset them costs it nothing, but us.
    pub(super) fed_up: Notify,
}

impl Shared {
    pub(super) fn new(limits: &HttpLimits, engines: Arc<AtomicUsize>) -> Self {
        Self {
            refusal: OnceLock::new(),
            in_flight: AtomicUsize::new(0),
            opened: Instant::now(),
            quiet_since: AtomicU64::new(0),
            answered: AtomicU32::new(0),
            given_up: AtomicU32::new(0),
            given_up_max: limits.given_up,
            at_rest: AtomicBool::new(false),
            engines,
            engines_max: limits.engines as usize,
            fed_up: Notify::new(),
        }
    }

    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an HTTP/1 engine until what is returned goes.
    pub(super) fn engine(&self) -> EngineCount {
        self.engines.fetch_add(1, Ordering::Relaxed);
        EngineCount(self.engines.clone())
    }

    /// Whether the engine may be given up; asked after it was polled, and true once.
    pub(super) fn takes_rest(&self) -> bool {
        self.at_rest.load(Ordering::Relaxed) && self.at_rest.swap(false, Ordering::Relaxed)
    }

    /// Requests that came to an end, round the number's end.
    fn ended(&self) -> u32 {
        self.answered.load(Ordering::Relaxed).wrapping_add(self.given_up.load(Ordering::Relaxed))
    }

    pub(super) fn end(&self, answered: bool) {
        let counter = if answered { &self.answered } else { &self.given_up };
        let count = counter.fetch_add(1, Ordering::Relaxed);
        let fair = self.answered.load(Ordering::Relaxed).saturating_add(self.given_up_max);
        if !answered && count >= fair {
            self.fed_up.notify_one();
        }
        let age = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.quiet_since.store(age, Ordering::Relaxed);
        self.in_flight.fetch_sub(1, Ordering::Release);
    }
}

/// One of the listener's HTTP/1 engines.
pub(super) struct EngineCount(Arc<AtomicUsize>);

impl Drop for EngineCount {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a reader waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// The rest of a head.
    Head,
    /// The next request, while the engine is kept for it.
    Pause,
    /// The next request.
    Idle,
    /// Nothing: a request is in hand.
    Busy,
}

/// What a connection's next bytes are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Http1,
    Http2,
    /// None come: the client is gone, or was silent for too long.
    Over,
}

/// A socket that hands on only checked requests.
pub(super) struct Checked<T> {
    inner: T,
    follower: Follower,
    shared: Arc<Shared>,
    limits: Arc<HttpLimits>,
    /// Bytes read and not handed on: the first `passed` of them may be.
    held: BytesMut,
    passed: usize,
    /// The bytes offered to the next read.
    room: usize,
    refused: bool,
    ended: bool,
    /// Whether bytes were handed on since the engine was last judged to be of use.
    engaged: bool,
    closing: bool,
    deadline: Option<(Waiting, Instant)>,
    timer: Option<Pin<Box<Sleep>>>,
    write_timer: Option<Pin<Box<Sleep>>>,
    lingered: usize,
    linger_timer: Option<Pin<Box<Sleep>>>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Checked<T> {
    pub(super) fn new(inner: T, shared: Arc<Shared>, limits: Arc<HttpLimits>) -> Self {
        Self {
            inner,
            follower: Follower::new(limits.head_bytes as usize),
            shared,
            limits,
            held: BytesMut::new(),
            passed: 0,
            room: ROOM,
            refused: false,
            ended: false,
            engaged: false,
            closing: false,
            deadline: None,
            timer: None,
            write_timer: None,
            lingered: 0,
            linger_timer: None,
        }
    }

    /// In place of a refused head the engine gets a request that no client can send; the service answers it with the
    /// refusal, in its turn behind the answers before it, and the connection closes.
    fn refuse(&mut self, refusal: Refusal) -> io::Result<()> {
        if !self.follower.between() {
            return Err(io::Error::new(ErrorKind::InvalidData, refusal.text()));
        }
        self.shared.refusal.get_or_init(|| refusal);
        self.refused = true;
        self.held.truncate(self.passed);
        self.held.extend_from_slice(REFUSED_METHOD.as_bytes());
        self.held.extend_from_slice(b" / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n");
        self.passed = self.held.len();
        Ok(())
    }

    /// Reads straight into the engine's buffer; what is not yet judged moves to `held`. The bytes that came.
    fn read_direct(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let before = buffer.filled().len();
        ready!(self.read_some(cx, buffer))?;
        let fresh = &buffer.filled()[before..];
        let came = fresh.len();
        let progress = self.follower.advance(fresh);
        if progress.pass < came {
            self.held.extend_from_slice(&fresh[progress.pass..]);
            buffer.set_filled(before + progress.pass);
        }
        if let Some(refusal) = progress.refusal {
            self.refuse(refusal)?;
        }
        Poll::Ready(Ok(came))
    }

    /// Reads into as much of the buffer as may be of use.
    fn read_some(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.room >= buffer.remaining() {
            let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
            if read.is_pending() {
                self.room = ROOM;
            }
            return read;
        }
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(self.room));
        let read = Pin::new(&mut self.inner).poll_read(cx, &mut part);
        let came = part.filled().len();
        buffer.advance(came);
        self.room = match &read {
            Poll::Ready(_) if came == self.room => self.room * 2,
            Poll::Ready(_) => self.room,
            Poll::Pending => ROOM,
        };
        read
    }

    /// Reads more behind an unfinished head. The bytes that came.
    fn read_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.held.reserve(4096);
        let came = ready!(tokio_util::io::poll_read_buf(Pin::new(&mut self.inner), cx, &mut self.held))?;
        let progress = self.follower.advance(&self.held);
        self.passed = progress.pass;
        if let Some(refusal) = progress.refusal {
            self.refuse(refusal)?;
        }
        Poll::Ready(Ok(came))
    }

    /// Whether nothing is held that begins a request.
    fn silent(&self) -> bool {
        self.follower.blank(&self.held)
    }

    fn waiting(&self) -> Waiting {
        if self.shared.in_flight.load(Ordering::Acquire) > 0 {
            Waiting::Busy
        } else if !self.follower.raw() && (!self.silent() || self.follower.fresh()) {
            Waiting::Head
        } else if self.engaged && !self.follower.raw() {
            Waiting::Pause
        } else {
            Waiting::Idle
        }
    }

    /// Whether the engine holds nothing: no request it was handed is open, no byte of an answer waits to be written.
    fn at_rest(&self) -> bool {
        let shared = &self.shared;
        !self.refused
            && !self.ended
            && !self.closing
            && self.silent()
            && self.write_timer.is_none()
            && shared.in_flight.load(Ordering::Acquire) == 0
            && self.follower.done(shared.ended())
    }

    /// When a wait that begins now is too long. A busy one only looks again then: nobody wakes a reader when an answer ends.
    fn deadline_of(&self, kind: Waiting) -> Instant {
        let shared = &self.shared;
        match kind {
            Waiting::Head if self.follower.fresh() => shared.opened + self.limits.head_timeout.0,
            Waiting::Head => Instant::now() + self.limits.head_timeout.0,
            Waiting::Busy => Instant::now() + self.look_again(),
            Waiting::Pause => self.quiet_since() + self.look_again(),
            Waiting::Idle => self.quiet_since() + self.limits.idle_timeout.0,
        }
    }

    /// How long a busy connection, or one whose engine is kept, may go without a look.
    fn look_again(&self) -> Duration {
        let idle = self.limits.idle_timeout.0;
        if self.follower.raw() {
            idle
        } else if self.shared.engines.load(Ordering::Relaxed) > self.shared.engines_max {
            SHORTEST_REST
        } else {
            self.limits.rest_after.0.min(idle).max(SHORTEST_REST)
        }
    }

    fn quiet_since(&self) -> Instant {
        self.shared.opened + Duration::from_millis(self.shared.quiet_since.load(Ordering::Relaxed))
    }

    /// Nothing to read: ready when the wait is over.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let kind = self.waiting();
            let at = match self.deadline {
                Some((same, at)) if same == kind => at,
                _ => self.deadline_of(kind),
            };
            self.deadline = Some((kind, at));
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            // Left running from wait to wait; set anew only when it would ring too late, or rang too early.
            if timer.deadline() > at {
                timer.as_mut().reset(at);
            }
            ready!(timer.as_mut().poll(cx));
            if Instant::now() < at {
                timer.as_mut().reset(at);
            } else if kind == Waiting::Busy {
                self.deadline = None;
            } else if kind == Waiting::Pause {
                self.engaged = false;
                self.shared.at_rest.store(self.at_rest(), Ordering::Relaxed);
            } else {
                return Poll::Ready(());
            }
        }
    }

    /// Waits for a request, and holds no room while none comes. Begins a connection, and goes on with one whose engine was
    /// given up.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Next>> {
        loop {
            if self.passed > 0 {
                let next = if self.follower.raw() { Next::Http2 } else { Next::Http1 };
                return Poll::Ready(Ok(next));
            }
            if self.ended {
                return Poll::Ready(Ok(Next::Over));
            }
            match self.read_held(cx) {
                Poll::Ready(came) => self.ended = came? == 0,
                Poll::Pending => {
                    if self.held.is_empty() {
                        self.held = BytesMut::new();
                    }
                    ready!(self.poll_deadline(cx));
                    self.late()?;
                }
            }
        }
    }

    /// Takes back what an engine read and did not use.
    pub(super) fn take_back(&mut self, unused: &[u8]) {
        if !unused.is_empty() {
            let mut held = BytesMut::from(unused);
            held.extend_from_slice(&self.held);
            self.held = held;
            self.passed += unused.len();
        }
    }

    /// The wait was too long: an unfinished head is answered, a silent connection just ends.
    fn late(&mut self) -> io::Result<()> {
        self.deadline = None;
        if self.silent() || !self.follower.between() {
            self.ended = true;
            return Ok(());
        }
        self.refuse(Refusal::Late)
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let clean = self.follower.between() && self.held.is_empty() && !self.refused;
        let mut scratch = [0; 4096];
        while !clean && !self.ended && self.lingered < LINGER_BYTES {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.inner).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => self.lingered += buffer.filled().len(),
                Poll::Ready(_) => break,
                Poll::Pending => {
                    let timer = self.linger_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
                    return timer.as_mut().poll(cx);
                }
            }
        }
        Poll::Ready(())
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Checked<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        loop {
            if this.passed > 0 {
                let n = this.passed.min(buffer.remaining());
                buffer.put_slice(&this.held[..n]);
                this.held.advance(n);
                this.passed -= n;
                // Most reads go past it; an idle connection must not keep its room.
                if this.held.is_empty() {
                    this.held = BytesMut::new();
                }
            }
            if buffer.filled().len() > before {
                this.deadline = None;
                this.engaged = true;
                return Poll::Ready(Ok(()));
            }
            if this.refused {
                return Poll::Pending;
            }
            if this.ended || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            let read = if this.held.is_empty() { this.read_direct(cx, buffer) } else { this.read_held(cx) };
            match read {
                Poll::Ready(came) => this.ended = came? == 0,
                Poll::Pending => {
                    ready!(this.poll_deadline(cx));
                    this.late()?;
                }
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Checked<T> {
    /// Ends a write that made no progress for too long: a client that does not read its answer.
    fn judge_write<R>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.write_timer = None;
            return written;
        }
        let pause = self.limits.body_timeout.0;
        let timer = self.write_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Checked<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.judge_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.judge_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.judge_write(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.closing = true;
        let shut = Pin::new(&mut self.inner).poll_shutdown(cx);
        ready!(self.judge_write(cx, shut))?;
        ready!(self.poll_linger(cx));
        Poll::Ready(Ok(()))
    }
}
