//! The hidden child process: a specification on standard input, events on standard output, results in a folder.

use clap::Subcommand;
use std::process::ExitCode;

/// What the child does.
#[derive(Debug, Subcommand)]
pub enum Worker {
    /// One AutoML run
    Automl,
}

impl Worker {
    /// Runs the child to its end.
    pub fn run(self) -> ExitCode {
        let Self::Automl = self;
        ExitCode::from(runs::automl_worker())
    }
}
