//! `cargo xtask test`: sets up what is missing, then passes every check and test, step by step, with the time of each.
//!
//! A failed step does not hide the next one: all run, the failed are named at the end.

use crate::outcome::{Fault, Result};
use crate::{place, rules, run, say, tools};
use std::path::PathBuf;
use std::time::Instant;

/// How much is tested.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What needs nothing but Rust.
    Quick,
    /// Everything.
    Full,
}

/// Runs all steps; a fault that names the failed ones.
pub fn run(depth: Depth) -> Result<()> {
    let mut steps = Steps(Vec::new());
    steps.take("format", || run::pass(&mut run::cargo(&["fmt", "--all", "--check"])));
    steps.take("house rules", rules::check);
    steps.take("lints", lints);
    let mut found = Found::default();
    if depth == Depth::Full {
        found = steps.set_up();
        steps.take("licences, bans, sources", deny);
    }
    steps.take("tests", || tests(found));
    steps.close()
}

/// The steps that install what is missing, alone.
pub fn set_up() -> Result<()> {
    let mut steps = Steps(Vec::new());
    steps.set_up();
    steps.close()
}

fn lints() -> Result<()> {
    run::pass(&mut run::cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))
}

/// Unit, whole-system and documentation tests.
fn tests(found: Found) -> Result<()> {
    let mut command = run::cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]);
    for (name, value) in [("PORTCULLIS_PYTHON", found.python), ("PORTCULLIS_NODE_MODULES", found.node)] {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    run::pass(&mut command)
}

fn deny() -> Result<()> {
    let program = tools::cargo_deny()?;
    let judge = |arguments: &[&str]| run::program(&program.to_string_lossy(), arguments);
    run::pass(&mut judge(&["--locked", "check", "bans", "licenses", "sources"]))?;
    let Some(database) = std::env::var_os("PORTCULLIS_ADVISORY_DB") else {
        say::line("advisories: passed over, PORTCULLIS_ADVISORY_DB names no database");
        return Ok(());
    };
    // The place of the database can only be said in the settings: ours, with one line put in.
    let settings = std::fs::read_to_string(place::root().join("deny.toml"))
        .map_err(|e| Fault::new(format!("deny.toml: {e}")))?;
    let head = "[advisories]\n";
    let placed = settings.replacen(head, &format!("{head}db-path = {:?}\n", database.to_string_lossy()), 1);
    let file = place::tools().join("deny-advisories.toml");
    std::fs::write(&file, placed).map_err(|e| Fault::new(format!("{}: {e}", file.display())))?;
    // What the packages hold is here by now, and the database is what it is: nothing is fetched.
    run::pass(judge(&["--frozen", "--config"]).arg(&file).args(["check", "advisories"]))
}

/// What the tests of others' programs run by.
#[derive(Default)]
struct Found {
    /// The interpreter of the client tests.
    python: Option<PathBuf>,
    /// The folder with the modules of the provider.
    node: Option<PathBuf>,
}

/// What was done so far.
struct Steps(Vec<Step>);

struct Step {
    name: &'static str,
    seconds: f64,
    fault: Option<Fault>,
}

impl Steps {
    /// Installs what is missing; gives where it is.
    fn set_up(&mut self) -> Found {
        let mut found = Found::default();
        self.take("Debian packages", tools::debian);
        self.take("Python environment", || {
            tools::python().map(|interpreter| found.python = Some(interpreter))
        });
        self.take("Node modules", || tools::node().map(|folder| found.node = folder));
        self.take("cargo-deny", || tools::cargo_deny().map(drop));
        found
    }

    fn take(&mut self, name: &'static str, step: impl FnOnce() -> Result<()>) {
        say::line(&format!("\n== {name}"));
        let start = Instant::now();
        let fault = step().err();
        let step = Step { name, seconds: start.elapsed().as_secs_f64(), fault };
        say::line(&step.line());
        self.0.push(step);
    }

    fn close(self) -> Result<()> {
        say::line("\n== all steps");
        for step in &self.0 {
            say::line(&step.line());
        }
        let failed: Vec<&str> =
            self.0.iter().filter(|step| step.fault.is_some()).map(|step| step.name).collect();
        match failed.is_empty() {
            true => Ok(()),
            false => Err(Fault::new(failed.join("; "))),
        }
    }
}

impl Step {
    fn line(&self) -> String {
        let Self { name, seconds, fault } = self;
        let outcome = fault.as_ref().map_or_else(|| "passed".to_owned(), |fault| format!("FAILED: {fault}"));
        format!("{seconds:8.1} s  {name}: {outcome}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_runs_and_the_failed_are_named() {
        let mut steps = Steps(Vec::new());
        let mut third = false;
        steps.take("first", || Ok(()));
        steps.take("second", || Err(Fault::new("broken")));
        steps.take("third", || {
            third = true;
            Ok(())
        });
        assert!(steps.0[1].line().ends_with("second: FAILED: broken"));
        assert_eq!(steps.close().unwrap_err().to_string(), "second");
        assert!(third);
    }
}
