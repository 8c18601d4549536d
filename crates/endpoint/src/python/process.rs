//! The process of a worker: started with nothing but its order, ended with everything it started.
//!
//! It is a process group of its own and cannot outlive this process: its standard input is a pipe that only we hold open.

use super::logs::{LINE_MAX, Log};
use super::order::Order;
use domain::Fault;
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;

/// Lines of standard error kept to say why a worker ended.
const LAST_LINES: usize = 12;

/// A running worker process; its group is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    group: Option<Pid>,
    last: Arc<Mutex<VecDeque<String>>>,
    pumps: Vec<JoinHandle<()>>,
    /// Held open for the worker's life: see the module's head.
    _lifeline: Option<ChildStdin>,
}

impl Process {
    /// Starts a worker that listens at `socket`.
    pub(super) fn start(order: &Order, socket: &Path, (worker, log): (u64, &Log)) -> Result<Self, Fault> {
        let mut command = Command::new(&order.python);
        command
            .args(order.arguments(socket))
            .env_clear()
            .envs(order.environment())
            .current_dir(order.working_folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|e| {
            Fault::invalid(format!("{}: {e}: the worker cannot be started", order.python.display()))
        })?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let last = Arc::<Mutex<VecDeque<String>>>::default();
        let mut pumps = Vec::new();
        if let Some(out) = child.stdout.take() {
            pumps.push(tokio::spawn(pump(out, (worker, "stdout", log.clone()), None)));
        }
        if let Some(err) = child.stderr.take() {
            pumps.push(tokio::spawn(pump(err, (worker, "stderr", log.clone()), Some(last.clone()))));
        }
        let lifeline = child.stdin.take();
        Ok(Self { child, group, last, pumps, _lifeline: lifeline })
    }

    /// Waits for its end and says how it was.
    pub(super) async fn ended(&mut self) -> String {
        let said = match self.child.wait().await {
            Ok(status) => cause(status),
            Err(error) => format!("the worker's process was lost: {error}"),
        };
        // What it started itself ends with it.
        self.signal(Signal::KILL);
        self.group = None;
        // What it said last may still be on its way.
        for pump in self.pumps.drain(..) {
            let _ = tokio::time::timeout(Duration::from_secs(1), pump).await;
        }
        said
    }

    /// The last lines of its standard error.
    pub(super) fn last_lines(&self) -> String {
        let lines = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// Lets it end by itself for a while, then kills it and all it started.
    pub(super) async fn stop(mut self, grace: Duration) {
        self.signal(Signal::TERM);
        if tokio::time::timeout(grace, self.child.wait()).await.is_err() {
            self.signal(Signal::KILL);
        }
        self.ended().await;
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group
            && let Err(error) = kill_process_group(group, signal)
        {
            tracing::debug!(%error, "the worker's process group is gone already");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// How a process ended, for the user.
fn cause(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(9), _) => "the worker was killed, perhaps by the system for lack of memory".to_owned(),
        (Some(signal), _) => format!("the worker was ended by signal {signal}"),
        (None, code) => format!("the worker ended with code {}", code.unwrap_or(-1)),
    }
}

/// Feeds what a worker prints to the log, line by line; a longer line is cut into several.
async fn pump(
    from: impl AsyncRead + Unpin,
    (worker, stream, log): (u64, &'static str, Log),
    last: Option<Arc<Mutex<VecDeque<String>>>>,
) {
    let mut reader = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        let (used, done) = match reader.fill_buf().await {
            Ok(bytes) if !bytes.is_empty() => {
                let end = bytes.iter().position(|b| *b == b'\n').map(|at| at + 1);
                let used = end.unwrap_or(bytes.len()).min(LINE_MAX - line.len());
                line.extend_from_slice(&bytes[..used]);
                (used, end == Some(used) || line.len() >= LINE_MAX)
            }
            _ => break,
        };
        reader.consume(used);
        if done {
            tell(&line, (worker, stream, &log), last.as_deref());
            line.clear();
        }
    }
    if !line.is_empty() {
        tell(&line, (worker, stream, &log), last.as_deref());
    }
}

fn tell(line: &[u8], (worker, stream, log): (u64, &str, &Log), last: Option<&Mutex<VecDeque<String>>>) {
    log.printed(worker, stream, line);
    if let Some(last) = last {
        let mut lines = last.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LAST_LINES {
            lines.pop_front();
        }
        lines.push_back(String::from_utf8_lossy(line).trim_end().to_owned());
    }
}
