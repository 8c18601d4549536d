//! The child limits itself before it begins. What the system refuses is logged and gone without.

use crate::order::Limits;
use crate::worker::say;
use rustix::process::{Resource, Rlimit, nice, setrlimit};

impl Limits {
    /// Takes the limits on: for this process, all its threads and children, for good.
    pub(crate) fn take_on(self) {
        if self.nice != 0 {
            told("priority", nice(self.nice).map(drop));
        }
        // A dump would hold the user's table.
        limit("core dump", Resource::Core, Some(0));
        // Data, not address space: threads reserve far more address space than they ever use.
        limit("memory", Resource::Data, (self.memory_bytes > 0).then_some(self.memory_bytes));
        limit("file size", Resource::Fsize, (self.file_bytes > 0).then_some(self.file_bytes));
    }
}

fn limit(what: &str, resource: Resource, most: Option<u64>) {
    if most.is_some() {
        told(what, setrlimit(resource, Rlimit { current: most, maximum: most }));
    }
}

fn told(what: &str, result: rustix::io::Result<()>) {
    if let Err(error) = result {
        say(&format!("the {what} of the job's process cannot be limited: {error}"));
    }
}
