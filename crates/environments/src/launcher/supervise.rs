//! The outer process: hands the order on, ends everything when told to or when the server is gone, says how it was.

use super::confine::{SELF, code};
use super::{Budget, NOT_STARTED, Network, ORDER_MAX, ORPHANED, Order, Report, STOP};
use super::{budget, family, pids, relay, say};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often the memory of all processes together is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// `worker launch`: carries out the order that stands on standard input; gives the program's exit code, 128 and the number of the
/// signal that ended it, [`NOT_STARTED`] or [`ORPHANED`].
pub fn supervise() -> u8 {
    watch().unwrap_or_else(|error| {
        say(&error.to_string());
        NOT_STARTED
    })
}

/// The gate and all behind it.
#[derive(Debug)]
struct Group {
    id: Pid,
    /// Set once its number may belong to somebody else.
    ended: Mutex<bool>,
    orphaned: AtomicBool,
    memory: AtomicU64,
    disk: AtomicU64,
}

impl Group {
    fn signal(&self, signal: Signal) {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // Before it has a session of its own it is alone.
        if !*ended && kill_process_group(self.id, signal).is_err() {
            _ = kill_process(self.id, signal);
        }
    }
}

fn watch() -> io::Result<u8> {
    nix::sys::prctl::set_child_subreaper(true)?;
    let mut input = BufReader::new(io::stdin());
    let mut line = Vec::new();
    input.by_ref().take(ORDER_MAX).read_until(b'\n', &mut line)?;
    let order: Order = serde_json::from_slice(&line)
        .map_err(|e| io::Error::other(format!("the order on standard input cannot be read: {e}")))?;
    if order.argv.is_empty() {
        return Err(io::Error::other("the order names no program"));
    }
    let counted = counted(order.limits.processes);
    let child = gate(&order, counted.as_ref())?;
    let group = Arc::new(Group {
        id: Pid::from_child(&child),
        ended: Mutex::new(false),
        orphaned: AtomicBool::new(false),
        memory: AtomicU64::new(0),
        disk: AtomicU64::new(0),
    });
    guard("lifeline", &group, {
        let grace = order.grace.0;
        move |group| lifeline(input, group, grace)
    })?;
    if order.limits.memory_bytes > 0 {
        let most = order.limits.memory_bytes;
        guard("memory", &group, move |group| look(group, most))?;
    }
    for one in order.files.iter().flat_map(|files| &files.budgets).filter(|one| one.bytes > 0) {
        let one = one.clone();
        guard("disk", &group, move |group| weigh(group, &one))?;
    }
    let status = wait_for(child, &group)?;
    drop(counted);
    Ok(report(&order, &group, status))
}

fn guard(name: &str, group: &Arc<Group>, run: impl FnOnce(&Arc<Group>) + Send + 'static) -> io::Result<()> {
    let group = group.clone();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&group)).map(drop)
}

/// A control group for the program; none when its processes are counted otherwise, or cannot be.
fn counted(most: u64) -> Option<pids::Group> {
    if most == 0 {
        return None;
    }
    let group = pids::Group::with(most);
    if let Err(error) = &group
        && rustix::process::geteuid().is_root()
    {
        say(&format!(
            "the number of processes is not limited: no control group can be made ({error}), and the kernel counts none of root's"
        ));
    }
    group.ok()
}

/// Starts the gate; its standard input is a socket by which it gets the order and hands back listeners.
fn gate(order: &Order, counted: Option<&pids::Group>) -> io::Result<Child> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new(SELF);
    command.arg0("portcullis").args(["worker", "gate"]).stdin(Stdio::from(OwnedFd::from(theirs)));
    let child = command.spawn()?;
    drop(command);
    // Before it has its order it starts nothing.
    if let Some(Err(error)) = counted.map(|group| group.take(child.id())) {
        say(&format!("the number of processes is not limited: {error}"));
    }
    let mut text = serde_json::to_vec(order)?;
    text.push(b'\n');
    (&ours).write_all(&text)?;
    if let Network::Relayed(relays) = &order.network
        && !relays.is_empty()
    {
        let relays = relays.clone();
        std::thread::Builder::new().name("relay".to_owned()).spawn(move || relay::serve(&ours, &relays))?;
    }
    Ok(child)
}

/// Reads what the server asks for; at the end of standard input the server is gone, and so is everything here.
fn lifeline(input: impl BufRead, group: &Arc<Group>, grace: Duration) {
    for line in input.lines().map_while(Result::ok) {
        if line == STOP {
            group.signal(Signal::TERM);
            let group = group.clone();
            let killer = move || {
                std::thread::sleep(grace);
                group.signal(Signal::KILL);
            };
            if std::thread::Builder::new().spawn(killer.clone()).is_err() {
                killer();
            }
        }
    }
    group.orphaned.store(true, Ordering::SeqCst);
    group.signal(Signal::KILL);
}

fn look(group: &Arc<Group>, most: u64) {
    loop {
        std::thread::sleep(LOOK);
        let used = family::memory();
        if used > most {
            say(&format!(
                "the processes use {used} bytes of memory together, {most} are allowed: they are ended"
            ));
            group.memory.store(used, Ordering::SeqCst);
            group.signal(Signal::KILL);
            return;
        }
    }
}

fn weigh(group: &Arc<Group>, budget: &Budget) {
    let (taken, most) = (budget::exceeded(&budget.folders, budget.bytes), budget.bytes);
    say(&format!("the files take {taken} bytes together, {most} are allowed: the processes are ended"));
    group.disk.store(taken, Ordering::SeqCst);
    group.signal(Signal::KILL);
}

/// Waits for the gate, then ends what it left behind before its number is given away.
fn wait_for(mut child: Child, group: &Group) -> io::Result<ExitStatus> {
    let seen = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(error) = waitid(WaitId::Pid(group.id), seen) {
        if error != rustix::io::Errno::INTR {
            return Err(error.into());
        }
    }
    group.signal(Signal::KILL);
    *group.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
    let status = child.wait()?;
    family::end();
    Ok(status)
}

fn report(order: &Order, group: &Group, status: ExitStatus) -> u8 {
    let number = code(status.code(), status.signal());
    let some = |bytes: &AtomicU64| Some(bytes.load(Ordering::SeqCst)).filter(|bytes| *bytes > 0);
    let signal = status.signal().or_else(|| (number > 128).then(|| i32::from(number) - 128));
    let report = Report {
        code: if signal.is_none() { Some(i32::from(number)) } else { None },
        signal,
        memory_bytes: some(&group.memory),
        disk_bytes: some(&group.disk),
    };
    if let Some(path) = &order.report {
        let written =
            serde_json::to_vec(&report).map_err(io::Error::from).and_then(|text| std::fs::write(path, text));
        if let Err(error) = written {
            say(&format!("{}: {error}", path.display()));
        }
    }
    if group.orphaned.load(Ordering::SeqCst) { ORPHANED } else { number }
}
