//! Jobs that run a command of the user: a folder of their own, the launcher around the process, log and outputs kept at the end.
//!
//! A command is run once. When the server dies under it, the launcher ends all its processes, and at the next start the job ends
//! as failed: what a command did before cannot be undone, so it is for the user to begin it again. What had been written to its log
//! and outputs is kept, however it ended.

mod ask;
mod attempt;
mod collect;
mod door;
mod folder;
mod interpreter;
mod log;
mod program;
mod stream;

pub use ask::{CodeSource, InputSource, JobInput, JobOutput, SubmitCommand};
pub(crate) use attempt::Commands;
pub(crate) use attempt::{Handler, KIND};
pub use collect::KeptFolder;
pub use door::{Door, Passage};
pub(crate) use stream::watch;

/// The log of a job that runs, in its folder.
pub(crate) fn log_of(folder: &std::path::Path) -> std::path::PathBuf {
    folder.join(folder::LOG)
}
