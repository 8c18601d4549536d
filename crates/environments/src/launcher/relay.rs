//! The way out of a network namespace: listeners made inside, handed to the supervisor outside, who connects on.

use super::{Network, Relay, loopback, say};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Ports that one program may have relayed.
pub const RELAYS_MAX: usize = 8;
/// Connections through one port at the same time.
const CONNECTIONS_MAX: usize = 64;

/// Inside: brings the loopback up and hands listeners over, in the order of the relays.
pub fn hand_over(network: &Network, to: &UnixStream) -> io::Result<()> {
    let Network::Relayed(relays) = network else { return Ok(()) };
    loopback::up()?;
    let listeners =
        relays.iter().map(|relay| loopback::listen(relay.port)).collect::<io::Result<Vec<_>>>()?;
    if listeners.is_empty() {
        return Ok(());
    }
    let descriptors: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(RELAYS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other(format!("more than {RELAYS_MAX} relays")));
    }
    sendmsg(to, &[IoSlice::new(b"l")], &mut control, SendFlags::empty())?;
    Ok(())
}

/// Outside: waits for the listeners and serves them for the life of the process.
pub fn serve(from: &UnixStream, relays: &[Relay]) {
    match receive(from) {
        Ok(listeners) => {
            for (listener, relay) in listeners.into_iter().zip(relays.iter().copied()) {
                let started = std::thread::Builder::new().spawn(move || accept(&listener, relay.to));
                if let Err(error) = started {
                    say(&format!("{} cannot be relayed: {error}", relay.to));
                }
            }
        }
        Err(error) => say(&format!("nothing can be relayed: {error}")),
    }
}

/// The listeners; none when the other side ended or needs none.
fn receive(from: &UnixStream) -> io::Result<Vec<TcpListener>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(RELAYS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(from, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut listeners = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            listeners.extend(descriptors.map(|fd: OwnedFd| TcpListener::from(fd)));
        }
    }
    Ok(listeners)
}

fn accept(listener: &TcpListener, to: SocketAddr) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        match listener.accept() {
            Ok((inside, _)) if open.load(Ordering::Relaxed) < CONNECTIONS_MAX => {
                open.fetch_add(1, Ordering::Relaxed);
                let open = open.clone();
                let started = std::thread::Builder::new().spawn(move || {
                    if let Err(error) = join(&inside, to) {
                        say(&format!("{to} cannot be reached: {error}"));
                    }
                    open.fetch_sub(1, Ordering::Relaxed);
                });
                if let Err(error) = started {
                    say(&format!("{to} cannot be relayed: {error}"));
                }
            }
            // Dropped: the program sees a closed connection.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                say(&format!("{to} is relayed no longer: {error}"));
                return;
            }
        }
    }
}

/// Carries bytes both ways until both sides are done.
fn join(inside: &TcpStream, to: SocketAddr) -> io::Result<()> {
    let outside = TcpStream::connect(to)?;
    std::thread::scope(|scope| {
        scope.spawn(|| carry(inside, &outside));
        carry(&outside, inside);
    });
    Ok(())
}

fn carry(mut from: &TcpStream, mut to: &TcpStream) {
    // A broken connection is seen by both ends themselves.
    _ = io::copy(&mut from, &mut to);
    _ = to.shutdown(Shutdown::Write);
}
