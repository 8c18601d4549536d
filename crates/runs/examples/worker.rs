//! The child process of this crate's tests: what `worker automl` of the binary does.
//!
//! With the argument `hold` a search that begins from nothing waits for its killer after its second trial, so that a test
//! can end it in the middle however fast the machine is. One that goes on from finished trials is not held.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let hold = std::env::args().nth(1).is_some_and(|argument| argument == "hold");
    let begins = !Path::new("trials.journal").exists();
    let trials = if hold && begins { 2 } else { u32::MAX };
    ExitCode::from(portcullis_runs::automl_worker_telling(&mut Held { out: io::stdout().lock(), trials }))
}

/// Standard output that passes so many trials on and then blocks for ever.
struct Held<'a> {
    out: io::StdoutLock<'a>,
    trials: u32,
}

impl Write for Held<'_> {
    /// The worker writes a whole line at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.trials == 0 {
            loop {
                std::thread::park();
            }
        }
        if line.windows(TRIAL.len()).any(|part| part == TRIAL) {
            self.trials -= 1;
        }
        self.out.write_all(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What a line about a trial holds.
const TRIAL: &[u8] = b"\"event\":\"trial\"";
