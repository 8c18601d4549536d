//! The parent's side of the child process that trains: start it with nothing but its order, read what it tells, end it.
//!
//! The child is a process group of its own with a cleared environment. It cannot outlive this process: its standard input is
//! a pipe that only we hold open, and the child ends when that ends, also after a kill -9 of ours. It cannot outlive the
//! [`Child`] either: dropped, the group is killed.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::order::{Failed, Order};
use crate::results;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::Instant;

/// Bytes of one line of the child at most.
const LINE_MAX: usize = 8 * 1024 * 1024;
/// Variables the child gets from our environment; all others (secrets may stand there) it never sees.
const INHERITED: [&str; 6] = ["PATH", "LANG", "LC_ALL", "HOME", "TMPDIR", "RUST_LOG"];

/// How the child is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program's file.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl Program {
    /// `worker automl` of the running program, also when its file was replaced since it started.
    pub fn current() -> Result<Self> {
        let path = std::env::current_exe().map_err(Error::Start)?;
        let running = PathBuf::from("/proc/self/exe");
        let path = if path.exists() { path } else { running };
        Ok(Self { path, arguments: ["worker", "automl"].map(OsString::from).into() })
    }
}

/// How the child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with all results written.
    Finished,
    /// Without results; why, for the user.
    Failed(String),
    /// From outside, without results; why, for the user. What it had finished is not lost.
    Killed(String),
    /// Because it was told to.
    Canceled,
}

/// What the child does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// It tells something.
    Event(Value),
    /// It has ended.
    Ended(Ended),
}

/// A running child.
#[derive(Debug)]
pub struct Child {
    process: tokio::process::Child,
    group: Group,
    stdout: BufReader<ChildStdout>,
    line: Vec<u8>,
    failed: Option<String>,
    deadline: Instant,
    grace: Duration,
    memory_bytes: u64,
    output: PathBuf,
    log: PathBuf,
    /// Held open for the child's life: see the module's head.
    _lifeline: ChildStdin,
}

impl Child {
    /// Starts the child and hands it its order; what it writes on standard error goes to `log`.
    pub async fn start(program: &Program, order: &Order, log: &Path, config: &Config) -> Result<Self> {
        let errors = File::create(log).map_err(|e| Error::io(log, e))?;
        let mut command = Command::new(&program.path);
        command
            .args(&program.arguments)
            .env_clear()
            .envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .current_dir(&order.output)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .process_group(0)
            .kill_on_drop(true);
        if order.spec.threads > 0 {
            // What the boosting library does beside its one thread, as looking through a table before it.
            command.env("RAYON_NUM_THREADS", order.spec.threads.to_string());
        }
        let mut process = command.spawn().map_err(Error::Start)?;
        let group = Group(process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
        let missing = || Error::Start(std::io::Error::other("no pipe to it"));
        let mut lifeline = process.stdin.take().ok_or_else(missing)?;
        let stdout = process.stdout.take().ok_or_else(missing)?;
        let mut line = serde_json::to_vec(order).map_err(|e| Error::Start(e.into()))?;
        line.push(b'\n');
        if let Err(error) = lifeline.write_all(&line).await {
            // It died before it read the order: its exit status tells more.
            tracing::debug!(%error, "the order could not be handed over");
        }
        Ok(Self {
            process,
            group,
            stdout: BufReader::new(stdout),
            line: Vec::new(),
            failed: None,
            deadline: Instant::now() + config.max_time.0,
            grace: config.cancel_grace.0,
            memory_bytes: config.memory_bytes,
            output: order.output.clone(),
            log: log.to_owned(),
            _lifeline: lifeline,
        })
    }

    /// The child's process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Waits for what the child tells next, for its end, for `stop` to become true, or for the longest time a job may take.
    pub async fn next(&mut self, stop: &mut watch::Receiver<bool>) -> Step {
        loop {
            tokio::select! {
                biased;
                () = told(stop) => {
                    self.stop().await;
                    return Step::Ended(Ended::Canceled);
                }
                () = tokio::time::sleep_until(self.deadline) => {
                    self.stop().await;
                    let text = "the job took longer than runs.max_time allows and was stopped";
                    return Step::Ended(Ended::Failed(text.to_owned()));
                }
                line = read_line(&mut self.stdout, &mut self.line) => match line {
                    Ok(true) => {}
                    Ok(false) => return Step::Ended(self.end().await),
                    Err(message) => {
                        self.stop().await;
                        return Step::Ended(Ended::Failed(message));
                    }
                }
            }
            if let Some(event) = self.parse() {
                return Step::Event(event);
            }
        }
    }

    /// The line as an event. What is no JSON is passed over: a library may print.
    fn parse(&mut self) -> Option<Value> {
        let line = std::mem::take(&mut self.line);
        let event: Value = match serde_json::from_slice(&line) {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(%error, "a line of the job's process is no event");
                return None;
            }
        };
        match serde_json::from_value::<Failed>(event.clone()) {
            Ok(failed) if event["event"] == "failed" => {
                self.failed = Some(failed.message);
                None
            }
            _ => Some(event),
        }
    }

    /// The child closed its standard output: waits for its end and says how it was.
    async fn end(&mut self) -> Ended {
        let status = match tokio::time::timeout(self.grace, self.process.wait()).await {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => return Ended::Failed(format!("the job's process was lost: {error}")),
            Err(_) => {
                self.stop().await;
                return Ended::Failed("the job's process told nothing more and was stopped".to_owned());
            }
        };
        self.group.ended();
        match (self.failed.take(), status.success()) {
            (Some(message), _) if starved(&message) => Ended::Failed(starvation(self.memory_bytes)),
            (Some(message), _) => Ended::Failed(message),
            (None, true) if results::are_complete(&self.output) => Ended::Finished,
            (None, true) => Ended::Failed("the job's process ended without a result".to_owned()),
            (None, false) => {
                let cause = cause(status, self.memory_bytes, &self.log);
                if status.signal() == Some(KILL) { Ended::Killed(cause) } else { Ended::Failed(cause) }
            }
        }
    }

    /// Asks the child's group to end, kills it after the grace, waits until it is gone.
    async fn stop(&mut self) {
        self.group.signal(Signal::TERM);
        if tokio::time::timeout(self.grace, self.process.wait()).await.is_err() {
            self.group.signal(Signal::KILL);
            if let Err(error) = self.process.wait().await {
                tracing::error!(%error, "the job's process was lost");
            }
        }
        self.group.ended();
    }
}

/// Pends until `stop` is true; for ever when nobody can set it any more.
async fn told(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Reads a line without its end; false at the end of the output.
async fn read_line(stdout: &mut BufReader<ChildStdout>, line: &mut Vec<u8>) -> Result<bool, String> {
    line.clear();
    let mut limited = stdout.take(LINE_MAX as u64);
    match limited.read_until(b'\n', line).await {
        Err(error) => Err(format!("the job's process cannot be heard any more: {error}")),
        Ok(_) if line.len() >= LINE_MAX => {
            Err("the job's process told more at once than can be read".to_owned())
        }
        Ok(read) => Ok(read > 0),
    }
}

/// The signal that nothing can catch.
const KILL: i32 = 9;
/// What a child says that could not get memory, for a value or for a thread.
const STARVED: [&str; 3] =
    ["memory allocation of", "Cannot allocate memory", "Resource temporarily unavailable"];
/// Bytes at the end of the log that are looked at.
const TAIL: u64 = 16 * 1024;

fn starved(said: &str) -> bool {
    STARVED.iter().any(|sign| said.contains(sign))
}

fn starvation(memory_bytes: u64) -> String {
    match memory_bytes {
        0 => "the job's process had not enough memory".to_owned(),
        bytes => format!("the job's process had not enough memory (runs.memory_bytes is {bytes})"),
    }
}

/// Why a child that told nothing is gone.
fn cause(status: ExitStatus, memory_bytes: u64, log: &Path) -> String {
    if starved(&tail(log).unwrap_or_default()) {
        return starvation(memory_bytes);
    }
    match (status.signal(), status.code()) {
        (Some(KILL), _) => {
            "the job's process was killed from outside, perhaps by the system for lack of memory".to_owned()
        }
        (Some(25), _) => "the job's process wrote a larger file than runs.file_bytes allows".to_owned(),
        (Some(signal), _) => {
            format!("the job's process was ended by signal {signal}; its worker.log tells more")
        }
        (None, Some(101)) => {
            "the job's process failed by a fault of ours; its worker.log tells more".to_owned()
        }
        (None, code) => format!("the job's process ended with code {} and no result", code.unwrap_or(-1)),
    }
}

fn tail(log: &Path) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The child's process group; killed when dropped before its end.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0
            && let Err(error) = kill_process_group(group, signal)
        {
            tracing::debug!(%error, "the job's process group is gone already");
        }
    }

    /// The leader was waited for: its number may be given to another process from now on.
    fn ended(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
