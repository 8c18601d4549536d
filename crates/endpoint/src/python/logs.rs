//! What the workers of deployments print: one file of JSON lines a deployment, bounded, written by one thread of its own.
//!
//! A worker's line may begin with a record separator, the id of the request that printed it and a unit separator.

use domain::{Fault, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tokio::sync::oneshot;

/// Lines that wait for the writer at most; further ones are counted instead.
const QUEUE: usize = 4096;
/// Bytes of one line at most.
pub(super) const LINE_MAX: usize = 16 << 10;
/// Bytes at the end of a file that are read first.
const TAIL: u64 = 1 << 20;
/// The most lines one question is answered with.
const LINES_MAX: usize = 10_000;

/// One line of a deployment's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogLine {
    /// Later lines have greater numbers: pass the last one as `after` to go on behind it.
    pub number: u64,
    /// When it was read.
    pub time: Timestamp,
    /// The worker, from 1; 0: the server itself.
    pub worker: u64,
    /// `stdout`, `stderr`, `response` (what a call was answered) or `server`.
    pub stream: String,
    /// The request that printed it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The text.
    pub text: String,
}

/// Which lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogAsk {
    /// The newest so many.
    pub tail: usize,
    /// Only lines after this number.
    pub after: Option<u64>,
    /// Only those of one request.
    pub request_id: Option<String>,
}

/// Where the lines of every deployment go; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Logs {
    dir: Arc<Path>,
    sender: SyncSender<Told>,
}

/// What the writer is told.
enum Told {
    Line(Arc<Path>, LogLine),
    Flush(oneshot::Sender<()>),
    Remove(PathBuf),
}

/// The log of one deployment.
#[derive(Debug, Clone)]
pub(super) struct Log {
    path: Arc<Path>,
    sender: SyncSender<Told>,
    dropped: Arc<AtomicU64>,
}

impl Logs {
    /// Logs in a folder; the writer ends when the last handle is gone.
    pub(super) fn start(dir: &Path, bytes: u64) -> Result<Self, Fault> {
        let (sender, told) = sync_channel(QUEUE);
        std::thread::Builder::new()
            .name("deployment-logs".to_owned())
            .spawn(move || Writer { bytes, open: HashMap::new() }.run(&told))
            .map_err(|e| Fault::internal(format!("no thread for the logs of deployments: {e}")))?;
        Ok(Self { dir: dir.into(), sender })
    }

    fn path(&self, endpoint: &Name, deployment: &Name) -> PathBuf {
        self.dir.join(endpoint.as_str()).join(format!("{deployment}.log"))
    }

    /// The log of a deployment.
    pub(super) fn of(&self, endpoint: &Name, deployment: &Name) -> Log {
        Log {
            path: self.path(endpoint, deployment).into(),
            sender: self.sender.clone(),
            dropped: Arc::default(),
        }
    }

    /// Forgets the log of a deployment that is gone.
    pub(super) fn remove(&self, endpoint: &Name, deployment: &Name) {
        if self.sender.try_send(Told::Remove(self.path(endpoint, deployment))).is_err() {
            tracing::warn!(%endpoint, %deployment, "the log of a deleted deployment stays");
        }
    }

    /// Lines of a deployment's log, oldest first.
    pub(super) async fn read(
        &self,
        (endpoint, deployment): (&Name, &Name),
        ask: LogAsk,
    ) -> Result<Vec<LogLine>, Fault> {
        let (done, written) = oneshot::channel();
        let sender = self.sender.clone();
        let path = self.path(endpoint, deployment);
        let read = tokio::task::spawn_blocking(move || {
            // What was printed before the question is in the answer.
            let _ = sender.send(Told::Flush(done));
            let _ = written.blocking_recv();
            lines(&path, &ask)
        });
        let lines = read.await.map_err(|_| Fault::internal("reading the log was interrupted"))?;
        lines.map_err(|e| Fault::internal(format!("the log of the deployment cannot be read: {e}")))
    }
}

impl Log {
    /// Puts a line in; never waits.
    pub(super) fn line(&self, worker: u64, stream: &str, (request_id, text): (Option<&str>, &str)) {
        let line = |text: &str, request_id: Option<&str>| LogLine {
            number: 0,
            time: Timestamp::now(),
            worker,
            stream: stream.to_owned(),
            request_id: request_id.map(str::to_owned),
            text: text.to_owned(),
        };
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let text = format!("{dropped} lines came faster than they could be written and are lost");
            let lost = LogLine { stream: "server".to_owned(), worker: 0, ..line(&text, None) };
            if self.sender.try_send(Told::Line(self.path.clone(), lost)).is_err() {
                self.dropped.fetch_add(dropped, Ordering::Relaxed);
            }
        }
        if self.sender.try_send(Told::Line(self.path.clone(), line(text, request_id))).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A line that a worker printed.
    pub(super) fn printed(&self, worker: u64, stream: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_end_matches(['\n', '\r']);
        let marked = text.strip_prefix('\u{1e}').and_then(|rest| rest.split_once('\u{1f}'));
        match marked {
            Some((id, text)) => self.line(worker, stream, (Some(id), text)),
            None => self.line(worker, stream, (None, text)),
        }
    }
}

/// The thread that writes.
struct Writer {
    bytes: u64,
    open: HashMap<PathBuf, Open>,
}

struct Open {
    file: File,
    bytes: u64,
    number: u64,
}

impl Writer {
    fn run(mut self, told: &Receiver<Told>) {
        while let Ok(told) = told.recv() {
            match told {
                Told::Line(path, line) => {
                    if let Err(error) = self.write(&path, line) {
                        tracing::warn!(%error, path = %path.display(), "a line of a deployment's log is lost");
                        self.open.remove(&*path);
                    }
                }
                Told::Flush(done) => drop(done.send(())),
                Told::Remove(path) => {
                    self.open.remove(&path);
                    for file in [former(&path), path] {
                        let _ = fs::remove_file(file);
                    }
                }
            }
        }
    }

    fn write(&mut self, path: &Path, mut line: LogLine) -> std::io::Result<()> {
        if self.open.get(path).is_some_and(|open| open.bytes >= self.bytes) {
            fs::rename(path, former(path))?;
            let number = self.open.remove(path).map_or(0, |open| open.number);
            self.open.insert(path.to_owned(), Open::new(path, number)?);
        }
        if !self.open.contains_key(path) {
            let last = lines(path, &LogAsk { tail: 1, ..LogAsk::default() })?;
            let number = last.last().map_or(0, |line| line.number);
            self.open.insert(path.to_owned(), Open::new(path, number)?);
        }
        let Some(open) = self.open.get_mut(path) else { return Ok(()) };
        open.number += 1;
        line.number = open.number;
        let mut bytes = serde_json::to_vec(&line)?;
        bytes.push(b'\n');
        open.bytes += bytes.len() as u64;
        open.file.write_all(&bytes)
    }
}

impl Open {
    fn new(path: &Path, number: u64) -> std::io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { file, bytes, number })
    }
}

fn former(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

/// The lines that are asked for; the end of the current file first, both files whole when that is not enough.
fn lines(path: &Path, ask: &LogAsk) -> std::io::Result<Vec<LogLine>> {
    let wanted = ask.tail.clamp(1, LINES_MAX);
    let (newest, whole) = read(path, TAIL, ask)?;
    let enough = match ask.after {
        Some(after) => newest.first().is_some_and(|line| line.number <= after + 1),
        None => newest.len() >= wanted,
    };
    let mut found = if whole || enough { newest } else { read(path, u64::MAX, ask)?.0 };
    if !enough && found.len() < wanted {
        let mut earlier = read(&former(path), u64::MAX, ask)?.0;
        earlier.append(&mut found);
        found = earlier;
    }
    if let Some(after) = ask.after {
        found.retain(|line| line.number > after);
        found.truncate(wanted);
    }
    Ok(found.split_off(found.len().saturating_sub(wanted)))
}

/// The lines in the last so many bytes of a file, and whether these are all of it.
fn read(path: &Path, bytes: u64, ask: &LogAsk) -> std::io::Result<(Vec<LogLine>, bool)> {
    let mut file = match File::open(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), true)),
        other => other?,
    };
    let skipped = file.metadata()?.len().saturating_sub(bytes);
    file.seek(SeekFrom::Start(skipped))?;
    let mut reader = BufReader::new(file.take(bytes));
    if skipped > 0 {
        // The rest of a line.
        reader.skip_until(b'\n')?;
    }
    let mut found = Vec::new();
    let mut text = Vec::new();
    while reader.read_until(b'\n', &mut text)? > 0 {
        // A line that was cut off when the machine went down is passed over.
        if let Ok(line) = serde_json::from_slice::<LogLine>(&text)
            && (ask.request_id.is_none() || ask.request_id == line.request_id)
        {
            found.push(line);
        }
        text.clear();
    }
    Ok((found, skipped == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    async fn texts(logs: &Logs, ask: LogAsk) -> Vec<String> {
        let lines = logs.read((&name("e"), &name("d")), ask).await.unwrap();
        lines.into_iter().map(|line| format!("{} {}", line.number, line.text)).collect()
    }

    #[tokio::test]
    async fn lines_are_found_by_tail_cursor_and_request() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::start(dir.path(), 1 << 20).unwrap();
        let log = logs.of(&name("e"), &name("d"));
        assert_eq!(texts(&logs, LogAsk::default()).await, Vec::<String>::new());
        log.printed(1, "stdout", b"one\n");
        log.printed(1, "stdout", "\u{1e}r-1\u{1f}two\r\n".as_bytes());
        log.printed(2, "stderr", b"\xff three");
        let all = LogAsk { tail: 9, ..LogAsk::default() };
        assert_eq!(texts(&logs, all.clone()).await, ["1 one", "2 two", "3 \u{fffd} three"]);
        assert_eq!(texts(&logs, LogAsk { tail: 1, ..all.clone() }).await, ["3 \u{fffd} three"]);
        assert_eq!(texts(&logs, LogAsk { after: Some(1), tail: 1, ..all.clone() }).await, ["2 two"]);
        let of_one = LogAsk { request_id: Some("r-1".to_owned()), ..all.clone() };
        assert_eq!(texts(&logs, of_one).await, ["2 two"]);
        // A later process goes on counting.
        let later = Logs::start(dir.path(), 1 << 20).unwrap();
        later.of(&name("e"), &name("d")).line(0, "server", (None, "four"));
        assert_eq!(texts(&later, LogAsk { after: Some(3), ..all.clone() }).await, ["4 four"]);
        later.remove(&name("e"), &name("d"));
        assert_eq!(texts(&later, all).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_full_file_is_kept_once_and_then_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::start(dir.path(), 600).unwrap();
        let log = logs.of(&name("e"), &name("d"));
        for number in 0..40 {
            log.line(1, "stdout", (None, &format!("line {number}")));
        }
        let all = texts(&logs, LogAsk { tail: 100, ..LogAsk::default() }).await;
        assert_eq!(all.last().unwrap(), "40 line 39");
        assert!(all.len() > 4 && all.len() < 20, "{all:?}");
    }
}
