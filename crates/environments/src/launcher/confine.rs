//! The two inner processes: the gate, which takes namespaces, and the first process in them, which starts the program.

use super::{NOT_STARTED, ORDER_MAX, Order, limits, namespaces, relay, root, say, syscalls};
use nix::sys::signal::{SigSet, Signal as Blocked};
use rustix::process::{Pid, WaitOptions, WaitStatus, getppid, setsid, wait};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

/// The program of the inner processes: this one, whatever happened to its file.
pub(super) const SELF: &str = "/proc/self/exe";

/// `worker gate`: reads the order from the socket that is its standard input, hands listeners back, and gives way to the first
/// process or, without namespaces, to the program. Gives an exit code only when that fails or has ended.
pub fn gate() -> u8 {
    answer(pass())
}

fn pass() -> io::Result<u8> {
    tie()?;
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let order = order(&socket)?;
    setsid()?;
    if let Err(error) = namespaces::enter(&order.network) {
        say(&format!(
            "no namespaces in this kernel ({error}): the network is bounded by port and kind of socket only, sockets by path are \
             reached, processes of outside are seen"
        ));
        limits::limit(&order.limits, false);
        limits::renounce();
        limits::shut_in(order.files.as_ref(), &order.network, false);
        syscalls::filter(matches!(order.network, super::Network::Relayed(_)));
        return Err(program(&order).exec());
    }
    // New credentials forget whose end is ours (prctl(2)).
    tie()?;
    relay::hand_over(&order.network, &socket)?;
    drop(socket);
    // The signals that ask to end are for the program; ours end when it has.
    asking().thread_block()?;
    let mut first = Command::new(SELF);
    let mut first = first.arg0("portcullis").args(["worker", "first"]).stdin(Stdio::piped()).spawn()?;
    let mut text = serde_json::to_vec(&order)?;
    text.push(b'\n');
    if let Some(mut input) = first.stdin.take() {
        input.write_all(&text)?;
    }
    let status = first.wait()?;
    Ok(code(status.code(), status.signal()))
}

/// `worker first`: the first process of the namespaces. Starts the program, waits for it and for whatever loses its parent.
pub fn first_process() -> u8 {
    answer(start())
}

fn start() -> io::Result<u8> {
    tie()?;
    // What is blocked here would be blocked in the program; the first process of a namespace ignores these by itself.
    asking().thread_unblock()?;
    let order = order(io::stdin())?;
    own_root(&order)?;
    limits::limit(&order.limits, true);
    limits::renounce();
    limits::shut_in(order.files.as_ref(), &order.network, true);
    syscalls::filter(false);
    let child = program(&order).spawn().map_err(|error| named(&order, &error))?;
    let child = Pid::from_child(&child);
    loop {
        if let Some((id, status)) = wait(WaitOptions::empty())?
            && id == child
            && let Some(code) = ended(status)
        {
            return Ok(code);
        }
    }
}

/// A root with nothing in it but what is allowed; where mounts are refused, landlock alone guards the files.
fn own_root(order: &Order) -> io::Result<()> {
    let Some(files) = &order.files else {
        namespaces::mount_processes();
        return Ok(());
    };
    match root::enter(files, order.limits.memory_bytes) {
        Ok(()) => Ok(()),
        Err(root::Left::AsItWas(error)) => {
            say(&format!(
                "no root of its own ({error}): files are refused instead of absent, sockets by path are reached"
            ));
            namespaces::mount_processes();
            Ok(())
        }
        Err(root::Left::Broken(error)) => {
            Err(io::Error::new(error.kind(), format!("a root of its own cannot be made: {error}")))
        }
    }
}

/// The signals that ask to end.
fn asking() -> SigSet {
    [Blocked::SIGTERM, Blocked::SIGINT, Blocked::SIGHUP].into_iter().collect()
}

/// The end of the parent is the end of this process, also when it came before we asked.
fn tie() -> io::Result<()> {
    let parent = getppid();
    nix::sys::prctl::set_pdeathsig(Blocked::SIGKILL)?;
    if getppid() == parent { Ok(()) } else { Err(io::Error::other("the supervisor is gone")) }
}

fn order(input: impl Read) -> io::Result<Order> {
    let mut line = Vec::new();
    BufReader::new(input.take(ORDER_MAX)).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

fn program(order: &Order) -> Command {
    let mut arguments = order.argv.iter();
    let mut command = Command::new(arguments.next().map_or("", String::as_str));
    command.args(arguments).env_clear().envs(&order.env).current_dir(&order.cwd).stdin(Stdio::null());
    command
}

fn named(order: &Order, error: &io::Error) -> io::Error {
    let program = order.argv.first().map_or("", String::as_str);
    io::Error::new(error.kind(), format!("'{program}' cannot be started in {}: {error}", order.cwd.display()))
}

fn ended(status: WaitStatus) -> Option<u8> {
    (status.exited() || status.signaled()).then(|| code(status.exit_status(), status.terminating_signal()))
}

/// As a shell tells it: 128 and the signal's number.
pub(super) fn code(code: Option<i32>, signal: Option<i32>) -> u8 {
    let number = match (code, signal) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => i32::from(NOT_STARTED),
    };
    u8::try_from(number).unwrap_or(NOT_STARTED)
}

fn answer(ended: io::Result<u8>) -> u8 {
    ended.unwrap_or_else(|error| {
        say(&error.to_string());
        NOT_STARTED
    })
}
