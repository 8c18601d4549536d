//! Running other programs, from the root of the repository, with the output going straight to the terminal.

use crate::outcome::{Fault, Result};
use crate::place;
use std::path::Path;
use std::process::{Command, Stdio};

/// `cargo` with these arguments: the very one that runs this program.
pub fn cargo(arguments: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = program(&cargo.to_string_lossy(), arguments);
    // What cargo told this program about itself is no business of the next cargo.
    command.env_remove("CARGO_MANIFEST_DIR").env("CARGO_TARGET_DIR", place::target());
    command
}

/// Any program with these arguments.
pub fn program(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(place::root()).stdin(Stdio::null());
    command
}

/// Runs to the end; a fault unless it ends with 0.
pub fn pass(command: &mut Command) -> Result<()> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Fault::new(format!("{} ended with {status}", spelled(command)))),
        Err(error) => Err(Fault::new(format!("{}: {error}", spelled(command)))),
    }
}

/// Whether it runs and ends with 0; nothing is shown.
pub fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Whether a program of this name is on the path.
pub fn is_on_path(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

/// The command as a person would type it: the program without its folder.
fn spelled(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_and_a_missing_program_are_faults_that_name_it() {
        assert!(pass(&mut program("true", &[])).is_ok());
        assert!(
            pass(&mut program("/bin/false", &["x"]))
                .unwrap_err()
                .to_string()
                .starts_with("false x ended with")
        );
        let missing = pass(&mut program("no-such-program", &[])).unwrap_err();
        assert!(missing.to_string().starts_with("no-such-program: "), "{missing}");
        assert!(!is_on_path("no-such-program") && is_on_path("sh"));
    }
}
