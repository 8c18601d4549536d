//! Payload collection: chosen calls go to a writer of their own, which appends JSON lines to files by deployment, collection and
//! time.

use super::payload::{self, Payload};
use super::{Answered, Room, Taken};
use domain::{DataCollector, Rolling, Timestamp};
use endpoint::CollectorConfig;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use telemetry::Metrics;
use tokio::sync::mpsc;

/// The folder of payloads in the data directory.
const FOLDER: &str = "modeldata";
/// Files held open at once.
const OPEN_MAX: usize = 64;
/// What the server itself writes.
pub(super) const COLLECTIONS: [&str; 4] = ["model_inputs", "model_outputs", "request", "response"];

/// What of a deployment's calls is kept, ready for asking.
#[derive(Debug)]
pub(crate) struct Collecting {
    /// The part of the calls each of [`COLLECTIONS`] keeps.
    rates: [f64; 4],
    pub(super) rolling: Rolling,
    pub(super) headers: Vec<http::HeaderName>,
}

impl Collecting {
    /// Nothing when no collection is on.
    pub(crate) fn of(collector: Option<&DataCollector>) -> Option<Arc<Self>> {
        let collector = collector?;
        let rates = COLLECTIONS.map(|name| collector.rate(name));
        // What carries secrets was refused when it was set; it is not kept either when it came in another way.
        let plain = |name: &&String| !domain::is_secret(name);
        let headers = collector.capture_headers.iter().filter(plain);
        rates.iter().any(|rate| *rate > 0.0).then(|| {
            Arc::new(Self {
                rates,
                rolling: collector.rolling_rate,
                headers: headers.filter_map(|name| name.parse().ok()).collect(),
            })
        })
    }

    /// Which collections keep the call of this id: the same ones whoever asks, so that inputs and outputs go together.
    fn chosen(&self, id: &str) -> [bool; 4] {
        let point = point(id);
        self.rates.map(|rate| point < rate)
    }
}

/// An evenly spread number from 0 to 1 for an id: FNV-1a, then mixed so that all bits count.
#[expect(clippy::cast_precision_loss, reason = "53 of the 64 bits are plenty")]
fn point(id: &str) -> f64 {
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// The queue to the writer.
#[derive(Debug)]
pub(super) struct Collector {
    sender: mpsc::Sender<(Payload, Taken)>,
    room: Room,
    payload_bytes: usize,
    metrics: Arc<Metrics>,
}

impl Collector {
    /// Starts the writer's thread; it ends when nobody is left to send.
    pub(super) fn start(config: &CollectorConfig, metrics: &Arc<Metrics>, dir: &Path) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel(config.queue_calls);
        let mut writer = Writer {
            folder: dir.join(FOLDER),
            files: HashMap::new(),
            bytes: None,
            max_bytes: config.max_bytes,
            metrics: metrics.clone(),
        };
        std::thread::Builder::new().name("collector".to_owned()).spawn(move || writer.run(receiver))?;
        let (room, metrics) = (Room::new(config.queue_bytes), metrics.clone());
        Ok(Self { sender, room, payload_bytes: config.payload_bytes, metrics })
    }

    /// Sends a call to the writer if it is one to keep.
    pub(super) fn offer(&self, collecting: &Arc<Collecting>, call: &Answered<'_>) {
        let chosen = collecting.chosen(call.asked.ids.request_id());
        if chosen == [false; 4] {
            return;
        }
        let (request, answer) = (call.body.len(), call.outcome.body.len());
        let fits = request.max(answer) <= self.payload_bytes;
        let room = if fits { self.room.take(request + answer) } else { None };
        let sent = room
            .is_some_and(|room| self.sender.try_send((Payload::new(collecting, chosen, call), room)).is_ok());
        if !sent {
            self.metrics.collected().dropped.fetch_add(1, Relaxed);
        }
    }
}

/// The writer: the only one that touches the files.
struct Writer {
    folder: PathBuf,
    files: HashMap<PathBuf, BufWriter<File>>,
    /// Bytes of all files, once they are counted.
    bytes: Option<u64>,
    max_bytes: u64,
    metrics: Arc<Metrics>,
}

impl Writer {
    fn run(&mut self, mut receiver: mpsc::Receiver<(Payload, Taken)>) {
        while let Some((payload, room)) = receiver.blocking_recv() {
            self.keep(&payload);
            drop(room);
            while let Ok((payload, _room)) = receiver.try_recv() {
                self.keep(&payload);
            }
            self.flush();
        }
    }

    fn keep(&mut self, payload: &Payload) {
        for (collection, record) in payload::records(payload) {
            let kept = self.append(payload, collection, &record);
            let collected = self.metrics.collected();
            match kept {
                Ok(()) => collected.written.fetch_add(1, Relaxed),
                Err(error) => {
                    tracing::warn!(%error, collection, "a payload could not be kept");
                    collected.dropped.fetch_add(1, Relaxed)
                }
            };
        }
    }

    fn append(&mut self, payload: &Payload, collection: &str, record: &str) -> io::Result<()> {
        let bytes = self.bytes.get_or_insert_with(|| size(&self.folder));
        let after = *bytes + record.len() as u64 + 1;
        if after > self.max_bytes {
            return Err(io::Error::other("endpoint.collector.max_bytes is reached"));
        }
        *bytes = after;
        let path = self.folder.join(place(payload, collection));
        if !self.files.contains_key(&path) {
            if self.files.len() >= OPEN_MAX {
                self.flush();
                self.files.clear();
            }
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
            self.files.insert(path.clone(), BufWriter::new(file));
        }
        match self.files.get_mut(&path) {
            Some(file) => file.write_all(record.as_bytes()).and_then(|()| file.write_all(b"\n")),
            None => Ok(()),
        }
    }

    /// Files of a time that is over are closed at the next one's first record; what is written is on the disk's side at once.
    fn flush(&mut self) {
        self.files.retain(|path, file| {
            let written = file.flush();
            if let Err(error) = &written {
                tracing::warn!(%error, path = %path.display(), "payloads could not be written");
            }
            // A file that was taken away meanwhile is begun anew.
            written.is_ok() && path.exists()
        });
    }
}

/// The file of a record: `ENDPOINT/DEPLOYMENT/COLLECTION/yyyy/MM/dd[/HH[/mm]]/COLLECTION.jsonl`.
fn place(payload: &Payload, collection: &str) -> PathBuf {
    let time = Timestamp(payload.time.0).to_string();
    let part = |at: std::ops::Range<usize>| time.get(at).unwrap_or("0").to_owned();
    let mut path = PathBuf::from(&*payload.endpoint);
    path.extend([&*payload.deployment, collection]);
    let depth = match payload.rolling {
        Rolling::Day => 3,
        Rolling::Hour => 4,
        Rolling::Minute => 5,
    };
    path.extend([0..4, 5..7, 8..10, 11..13, 14..16].into_iter().take(depth).map(part));
    path.push(format!("{collection}.jsonl"));
    path
}

/// Bytes of all files below a folder.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let one = |entry: std::fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => size(&entry.path()),
        Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |m| m.len()),
        _ => 0,
    };
    entries.flatten().map(one).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_the_same_whoever_draws_it_and_even() {
        let ids: Vec<String> = (0..10_000).map(|n| format!("request-{n}")).collect();
        let below = |rate: f64| ids.iter().filter(|id| point(id) < rate).count();
        assert!((900..1100).contains(&below(0.1)), "{}", below(0.1));
        assert!((4800..5200).contains(&below(0.5)), "{}", below(0.5));
        assert_eq!((below(0.0), below(1.0)), (0, 10_000));
        // Who keeps a tenth keeps a part of what another keeps by half.
        assert!(ids.iter().all(|id| point(id) >= 0.1 || point(id) < 0.5));
    }
}
