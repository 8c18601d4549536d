//! The launcher of user code: `worker launch` of the same binary, between the server and the program.
//!
//! Three processes of ours stand around the program. The **supervisor** reads the [`Order`] on its standard input, relays what may
//! be reached of the network, looks at the memory of all processes together, and ends them all when it is told to, or when its
//! standard input ends: then the server is gone, however it went. The **gate** takes a session of its own and, where the kernel
//! lets it, new user, process, mount and network namespaces. The **first process** of these namespaces makes a root of its own, in
//! which nothing is but what the program may use, with its own `/proc`, takes on limits, landlock and seccomp, and starts the program; when it goes, by whatever signal, the kernel ends everything in
//! the namespace, so nothing is orphaned. Without namespaces the gate limits itself and becomes the program, and the supervisor,
//! as subreaper, ends what is left behind.
//!
//! What this kernel refuses is told as a line `portcullis: …` on the program's standard error, never passed over in silence.

mod budget;
mod confine;
mod devices;
mod family;
mod limits;
mod loopback;
mod namespaces;
mod pids;
mod relay;
mod root;
mod start;
mod supervise;
mod syscalls;

pub use budget::taken;
pub use confine::{first_process, gate};
use devices::{DEVICES, system};
pub use start::{Launched, Launcher};
pub use supervise::supervise;

use domain::Span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Bytes of an order at most.
const ORDER_MAX: u64 = 4 * 1024 * 1024;
/// Exit code when the program could not be started; its log tells why.
pub const NOT_STARTED: u8 = 125;
/// Exit code when the server went away.
pub const ORPHANED: u8 = 124;
/// The line that asks the supervisor to end the program: TERM, the grace, KILL.
const STOP: &str = "stop";

/// What is started, and what it may do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The program's file and its arguments; not empty. The file is looked up in the `PATH` of `env`.
    pub argv: Vec<String>,
    /// Its working folder.
    pub cwd: PathBuf,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// What it may use.
    pub limits: Limits,
    /// What it may see and change of the file system; no bounds when left out.
    pub files: Option<Files>,
    /// What it may reach of the network.
    pub network: Network,
    /// Time between asking it to end and killing it.
    pub grace: Span,
    /// Where the supervisor writes how it ended, as a [`Report`]; a folder that the program cannot write.
    pub report: Option<PathBuf>,
}

/// What a program may use. 0 = no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of memory of all its processes together (proportional set size, looked at every quarter of a second); a single
    /// process is refused more at once.
    pub memory_bytes: u64,
    /// Bytes of address space of a process.
    pub address_space_bytes: u64,
    /// Processor seconds of a process.
    pub cpu_seconds: u64,
    /// Bytes of the largest file.
    pub file_bytes: u64,
    /// Open files of a process.
    pub open_files: u64,
    /// Processes and threads together: by a control group where one can be made, else only where it has namespaces of its own and the
    /// server's user is not root.
    pub processes: u64,
    /// How much it stands back behind the server: 0 to 19.
    pub nice: i32,
}

/// What of the file system a program may use; all else is not there, or, where there are no namespaces, refused by landlock. Paths that
/// do not exist are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// Files and folders it may read and execute, besides those of the system that every program finds.
    pub read: Vec<PathBuf>,
    /// Files and folders it may also change.
    pub write: Vec<PathBuf>,
    /// Files and folders that are not there even when they lie below one that is.
    #[serde(default)]
    pub hidden: Vec<PathBuf>,
    /// What folders may hold at most.
    #[serde(default)]
    pub budgets: Vec<Budget>,
}

/// What the files of a folder may take together; looked at again and again, a program that takes more is ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// The folders, counted together.
    pub folders: Vec<PathBuf>,
    /// Bytes at most; 0 = no limit.
    pub bytes: u64,
}

/// What a program may reach of the network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Its own loopback, Unix sockets, and what is relayed.
    Relayed(Vec<Relay>),
    /// Everything this machine reaches.
    #[default]
    Open,
}

/// A port of the program's own loopback behind which stands an address outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// The port on 127.0.0.1 as the program sees it.
    pub port: u16,
    /// What is reached by it.
    pub to: SocketAddr,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Its exit code; [`NOT_STARTED`] besides `message` when it never began.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Bytes of memory it used when it was ended for using too much.
    pub memory_bytes: Option<u64>,
    /// Bytes its files took when it was ended for taking too much.
    #[serde(default)]
    pub disk_bytes: Option<u64>,
}

/// A line for the program's log.
fn say(text: &str) {
    use std::io::Write;
    // When the log cannot be written the program runs all the same.
    _ = writeln!(std::io::stderr(), "portcullis: {text}");
}
