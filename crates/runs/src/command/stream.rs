//! A command's events for those who watch: where it stands, its log line by line, its end.

use crate::feed::{Feed, Reader};
use domain::Digest;
use futures_util::stream::{self, BoxStream, StreamExt};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use store::Artifacts;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

const CHUNK: usize = 32 * 1024;

/// All events from the first, then live. Memory is bounded by one chunk of the log.
pub fn watch(feed: Arc<Feed>, log: PathBuf, artifacts: Artifacts) -> BoxStream<'static, Value> {
    let state = Watcher {
        reader: feed.reader(),
        log,
        artifacts,
        file: None,
        offset: 0,
        rest: Vec::new(),
        lines: VecDeque::new(),
        end: None,
        done: false,
    };
    stream::unfold(state, |mut state| async move { Some((state.next().await?, state)) }).boxed()
}

struct Watcher {
    reader: Reader,
    log: PathBuf,
    artifacts: Artifacts,
    file: Option<File>,
    offset: u64,
    rest: Vec<u8>,
    lines: VecDeque<Value>,
    end: Option<Value>,
    done: bool,
}

impl Watcher {
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            if self.done {
                return None;
            }
            if self.end.is_none() {
                match self.reader.take() {
                    Some(Some(event)) if event["event"] == "end" => self.finish(event.as_ref().clone()),
                    Some(Some(event)) => return Some(event.as_ref().clone()),
                    Some(None) => return None,
                    None => {}
                }
            }
            if self.read().await {
                continue;
            }
            if let Some(end) = self.end.take() {
                self.done = true;
                if !self.rest.is_empty() {
                    self.line(self.rest.len());
                }
                self.lines.push_back(end);
            } else if !self.reader.changed().await {
                return None;
            }
        }
    }

    /// From now on the log is read where it is kept.
    fn finish(&mut self, end: Value) {
        let digest = end["job"]["result"]["log"]["digest"].clone();
        if let Ok(digest) = serde_json::from_value::<Digest>(digest)
            && let Ok(path) = self.artifacts.path(&digest)
        {
            self.log = path;
            self.file = None;
        }
        self.end = Some(end);
    }

    /// Whether there was more.
    async fn read(&mut self) -> bool {
        if self.file.is_none() {
            let Ok(mut file) = File::open(&self.log).await else { return false };
            if file.seek(std::io::SeekFrom::Start(self.offset)).await.is_err() {
                return false;
            }
            self.file = Some(file);
        }
        let Some(file) = &mut self.file else { return false };
        let mut chunk = vec![0; CHUNK];
        let read = file.read(&mut chunk).await.unwrap_or(0);
        self.offset += read as u64;
        self.rest.extend_from_slice(&chunk[..read]);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            self.line(end);
            self.rest.drain(..1);
        }
        read > 0
    }

    /// The first bytes of the rest become a line.
    fn line(&mut self, end: usize) {
        let line: Vec<u8> = self.rest.drain(..end).collect();
        self.lines.push_back(json!({"event": "log", "line": String::from_utf8_lossy(&line)}));
    }
}
