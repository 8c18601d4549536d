//! The child process of this crate's tests: what `worker automl` of the binary does, and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(portcullis_runs::automl_worker())
}
