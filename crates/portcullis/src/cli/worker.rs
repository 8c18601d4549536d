//! The hidden child processes: what they are to do comes on standard input.

use clap::Subcommand;
use environments::launcher;
use std::process::ExitCode;

/// What the child does.
#[derive(Debug, Subcommand)]
pub enum Worker {
    /// One AutoML run: events on standard output, results in a folder
    Automl,
    /// A program of the user, started within limits and ended when standard input ends
    Launch,
    /// The process between a launcher and the namespaces of its program
    Gate,
    /// The first process in the namespaces of a program
    First,
}

impl Worker {
    /// Runs the child to its end.
    pub fn run(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Automl => runs::automl_worker(),
            Self::Launch => launcher::supervise(),
            Self::Gate => launcher::gate(),
            Self::First => launcher::first_process(),
        })
    }
}
