//! The log file: a thread behind a bounded queue, a new file when the old one is full.

use crate::config::ServerLogConfig;
use crate::error::{Error, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread::JoinHandle;

/// Lines that wait for the disk at most.
const QUEUE: usize = 4096;
/// The file's name within its folder.
const NAME: &str = "server.log";

/// What the thread is told.
enum Message {
    Line(String),
    End,
}

/// The way into the file; cheap to clone.
#[derive(Debug, Clone)]
pub struct Sender {
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

impl Sender {
    /// Hands a line over, or counts it when the queue is full.
    pub fn send(&self, line: String) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Message::Line(line)) {
            self.lost.fetch_add(1, Relaxed);
        }
    }
}

/// The thread that writes. Dropped, it writes what is queued and ends.
#[derive(Debug)]
pub struct FileWriter {
    sender: Sender,
    thread: Option<JoinHandle<()>>,
}

impl FileWriter {
    /// Opens the file in `folder`, which is made when absent, and starts the thread.
    pub fn start(folder: &Path, config: &ServerLogConfig) -> Result<Self> {
        let failed = |source| Error::LogFile { path: folder.join(NAME), source };
        fs::create_dir_all(folder).map_err(failed)?;
        let rotating =
            Rotating::open(folder.join(NAME), config.file_bytes.max(1), config.files).map_err(failed)?;
        let (queue, lines) = mpsc::sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = lost.clone();
        let thread = std::thread::Builder::new()
            .name("server-log".to_owned())
            .spawn(move || write_lines(&lines, rotating, &counter))
            .map_err(failed)?;
        Ok(Self { sender: Sender { queue, lost }, thread: Some(thread) })
    }

    /// A way into the file.
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        // The thread ends by this message, not by the senders' end: the global subscriber keeps one for ever.
        _ = self.sender.queue.send(Message::End);
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

fn write_lines(lines: &Receiver<Message>, mut file: Rotating, lost: &AtomicU64) {
    while let Ok(Message::Line(line)) = lines.recv() {
        let missing = lost.swap(0, Relaxed);
        if missing > 0 {
            let note =
                format!("{{\"severity_text\":\"WARN\",\"body\":\"{missing} log lines were lost here\"}}\n");
            count_failure(&file.write(&note), lost);
        }
        count_failure(&file.write(&line), lost);
    }
}

/// A line that a full disk refuses is counted like one that the queue refused; the next one is tried again.
fn count_failure(result: &io::Result<()>, lost: &AtomicU64) {
    if result.is_err() {
        lost.fetch_add(1, Relaxed);
    }
}

/// A file that is renamed to `NAME.1` when full, `NAME.1` to `NAME.2`, and so on.
struct Rotating {
    path: PathBuf,
    file: File,
    bytes: u64,
    max_bytes: u64,
    keep: u32,
}

impl Rotating {
    fn open(path: PathBuf, max_bytes: u64, keep: u32) -> io::Result<Self> {
        let file = append(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path, file, bytes, max_bytes, keep })
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        let length = line.len() as u64;
        if self.bytes > 0 && self.bytes + length > self.max_bytes {
            self.rotate()?;
        }
        self.file.write_all(line.as_bytes())?;
        self.bytes += length;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let numbered = |n: u32| PathBuf::from(format!("{}.{n}", self.path.display()));
        for n in (1..self.keep).rev() {
            if numbered(n).exists() {
                fs::rename(numbered(n), numbered(n + 1))?;
            }
        }
        match self.keep {
            0 => fs::remove_file(&self.path)?,
            _ => fs::rename(&self.path, numbered(1))?,
        }
        self.file = append(&self.path)?;
        self.bytes = 0;
        Ok(())
    }
}

/// Opens for appending; only the owner may read what the server says.
fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_renamed_and_the_oldest_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        let mut file = Rotating::open(path.clone(), 10, 2).unwrap();
        for line in ["one----\n", "two----\n", "three--\n", "four---\n"] {
            file.write(line).unwrap();
        }
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("server.log"), "four---\n");
        assert_eq!(read("server.log.1"), "three--\n");
        assert_eq!(read("server.log.2"), "two----\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
        drop(file);
        assert_eq!(Rotating::open(path, 10, 2).unwrap().bytes, 8);
    }

    #[test]
    fn every_line_is_written_before_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let config = ServerLogConfig {
            level: "info".to_owned(),
            format: crate::config::LogFormat::Text,
            file_bytes: 1 << 20,
            files: 0,
        };
        let writer = FileWriter::start(dir.path(), &config).unwrap();
        let sender = writer.sender();
        for n in 0..500 {
            sender.send(format!("{n}\n"));
        }
        drop(writer);
        let text = fs::read_to_string(dir.path().join(NAME)).unwrap();
        assert_eq!(text.lines().count(), 500);
        // A line after the end is passed over, not a panic.
        sender.send("late\n".to_owned());
    }
}
