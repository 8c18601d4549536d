//! The process of a worker, behind the launcher: shut in, with nothing of this process, ended with everything it started.

use super::logs::{LINE_MAX, Log};
use super::order::Order;
use domain::Fault;
use environments::launcher::{self, Launched};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::task::JoinHandle;

/// Lines of standard error kept to say why a worker ended.
const LAST_LINES: usize = 12;
/// How long what a worker said last may be on its way.
const LAST_WORD: Duration = Duration::from_secs(1);

/// A running worker process; dropped, it is killed with everything it started.
#[derive(Debug)]
pub(super) struct Process {
    launched: Launched,
    last: Arc<Mutex<VecDeque<String>>>,
    pumps: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts a worker that listens at `socket`.
    pub(super) async fn start(
        order: &Order,
        socket: &Path,
        (worker, log): (u64, &Log),
    ) -> Result<Self, Fault> {
        let wrong = |e: std::io::Error| Fault::internal(format!("the launcher cannot be started: {e}"));
        let (asked, at) = (order.clone(), socket.to_owned());
        // Files are counted.
        let launch = tokio::task::spawn_blocking(move || asked.launch(&at)).await;
        let launch = launch.map_err(|e| wrong(e.into()))?;
        let mut launched = order.launcher.start(&launch).await.map_err(wrong)?;
        let last = Arc::<Mutex<VecDeque<String>>>::default();
        let mut pumps = Vec::new();
        if let Some(out) = launched.stdout.take() {
            pumps.push(tokio::spawn(pump(out, (worker, "stdout", log.clone()), None)));
        }
        if let Some(err) = launched.stderr.take() {
            pumps.push(tokio::spawn(pump(err, (worker, "stderr", log.clone()), Some(last.clone()))));
        }
        Ok(Self { launched, last, pumps })
    }

    /// Waits for its end and says how it was. May be dropped and called again.
    pub(super) async fn ended(&mut self) -> String {
        let said = match self.launched.wait().await {
            Ok(status) => cause(status.code().unwrap_or(-1)),
            Err(error) => format!("the worker's process was lost: {error}"),
        };
        while let Some(pump) = self.pumps.pop() {
            let _ = tokio::time::timeout(LAST_WORD, pump).await;
        }
        said
    }

    /// The last lines of its standard error.
    pub(super) fn last_lines(&self) -> String {
        let lines = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// Asks it to end; what has not after its grace is killed.
    pub(super) async fn stop(mut self) {
        self.launched.stop().await;
        self.ended().await;
    }
}

/// How a process ended, for the user, from the launcher's exit code.
fn cause(code: i32) -> String {
    match code {
        137 => "the worker was killed, perhaps for lack of memory".to_owned(),
        129.. => format!("the worker was ended by signal {}", code - 128),
        _ if code == i32::from(launcher::NOT_STARTED) => {
            "the worker's program could not be started".to_owned()
        }
        _ => format!("the worker ended with code {code}"),
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
