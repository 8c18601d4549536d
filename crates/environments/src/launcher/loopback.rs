//! The loopback of a new network namespace: brought up by one netlink message (rtnetlink(7)), since nothing else is there.

use rustix::io::{read, write};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::io;
use std::net::{Ipv4Addr, TcpListener};

const NEW_LINK: u16 = 16;
const REQUEST_AND_ANSWER: u16 = 5;
const UP: u32 = 1;
/// Index of the loopback in every network namespace.
const LOOPBACK: i32 = 1;

/// Brings the loopback up.
pub fn up() -> io::Result<()> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let mut message = Vec::with_capacity(32);
    message.extend_from_slice(&32u32.to_ne_bytes());
    message.extend_from_slice(&NEW_LINK.to_ne_bytes());
    message.extend_from_slice(&REQUEST_AND_ANSWER.to_ne_bytes());
    // Sequence and sender, then family, padding and type of the link: none.
    message.extend_from_slice(&[0; 12]);
    message.extend_from_slice(&LOOPBACK.to_ne_bytes());
    message.extend_from_slice(&UP.to_ne_bytes());
    message.extend_from_slice(&UP.to_ne_bytes());
    write(&socket, &message)?;
    let mut answer = [0; 64];
    let length = read(&socket, &mut answer)?;
    // The answer's header has 16 bytes, then comes a negative error number or 0.
    match answer.get(16..20).filter(|_| length >= 20).and_then(|bytes| bytes.try_into().ok()) {
        Some(number) => match i32::from_ne_bytes(number) {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(-error)),
        },
        None => Err(io::Error::other("an answer of the kernel is too short")),
    }
}

/// A listener on a port of the loopback.
pub fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}
