//! `cargo xtask measure`: what a change costs in `cargo check`, and what a clean release build costs and weighs.

use crate::outcome::{Fault, Result};
use crate::{place, run, say};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, SystemTime};

/// What is appended, and taken away again.
const TOUCH: &str = "// touched to measure what a change costs\n";

/// Prints, for each crate (or those named), the seconds of checking the whole binary after one line of it has changed.
pub fn checks(names: &[&str]) -> Result<()> {
    let crates = place::root().join("crates");
    let all = folders(&crates)?;
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|known| known == *name)) {
        return Err(Fault::new(format!("no crate {unknown}; there are {}", all.join(", "))));
    }
    seconds(&mut check())?;
    say::line(&format!("nothing: {:.1} s", seconds(&mut check())?));
    say::line("\n| touched | seconds of `cargo check` |\n|---|---|");
    for name in all.iter().filter(|name| names.is_empty() || names.contains(&name.as_str())) {
        let source = crates.join(name).join("src");
        let file =
            ["lib.rs", "main.rs"].map(|file| source.join(file)).into_iter().find(|file| file.is_file());
        let file = file.ok_or_else(|| Fault::new(format!("{name} has neither lib.rs nor main.rs")))?;
        let touched = Touched::new(file)?;
        let spent = seconds(&mut check());
        drop(touched);
        say::line(&format!("| {name} | {:.1} |", spent?));
    }
    Ok(())
}

/// Prints the seconds of a release build from nothing, and the size of what it makes.
pub fn clean_release() -> Result<()> {
    let target = place::target().join("measure-release");
    remove(&target)?;
    let mut build = run::cargo(&["build", "--release", "--locked", "--quiet"]);
    let spent = seconds(build.env("CARGO_TARGET_DIR", &target))?;
    let binary = target.join("release/portcullis");
    let bytes = std::fs::metadata(&binary).map_err(|e| at(&binary, &e))?.len();
    remove(&target)?;
    say::line("| clean release build | |\n|---|---|");
    say::line(&format!(
        "| seconds | {spent:.0} |\n| binary, MiB | {:.1} |",
        bytes as f64 / f64::from(1 << 20)
    ));
    Ok(())
}

fn check() -> Command {
    run::cargo(&["check", "--package", "portcullis", "--locked", "--quiet"])
}

fn seconds(command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    run::pass(command)?;
    Ok(start.elapsed().as_secs_f64())
}

fn folders(parent: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(parent).map_err(|e| at(parent, &e))? {
        let entry = entry.map_err(|e| at(parent, &e))?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn remove(folder: &Path) -> Result<()> {
    match folder.exists() {
        true => std::fs::remove_dir_all(folder).map_err(|e| at(folder, &e)),
        false => Ok(()),
    }
}

fn at(path: &Path, error: &std::io::Error) -> Fault {
    Fault::new(format!("{}: {error}", path.display()))
}

/// A source file with one line more; the line goes, and the old time comes back, when this is dropped. With its old
/// time the file counts as unchanged, so the next measurement begins where this one began.
struct Touched {
    file: PathBuf,
    modified: SystemTime,
}

impl Touched {
    fn new(file: PathBuf) -> Result<Self> {
        let modified = std::fs::metadata(&file).and_then(|m| m.modified()).map_err(|e| at(&file, &e))?;
        let mut open = OpenOptions::new().append(true).open(&file).map_err(|e| at(&file, &e))?;
        open.write_all(TOUCH.as_bytes()).map_err(|e| at(&file, &e))?;
        Ok(Self { file, modified })
    }

    fn restore(&self) -> std::io::Result<()> {
        let text = std::fs::read_to_string(&self.file)?;
        let Some(before) = text.strip_suffix(TOUCH) else {
            return Ok(());
        };
        std::fs::write(&self.file, before)?;
        File::options().write(true).open(&self.file)?.set_modified(self.modified)
    }
}

impl Drop for Touched {
    fn drop(&mut self) {
        if let Err(error) = self.restore() {
            say::fault(&format!("{}: {error}: take its last line away", self.file.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_touched_file_is_given_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lib.rs");
        std::fs::write(&file, "//! Head.\n").unwrap();
        let before = std::fs::metadata(&file).unwrap().modified().unwrap();
        let touched = Touched::new(file.clone()).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("//! Head.\n{TOUCH}"));
        drop(touched);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "//! Head.\n");
        assert_eq!(std::fs::metadata(&file).unwrap().modified().unwrap(), before);
    }

    #[test]
    fn an_unknown_crate_is_refused() {
        assert!(checks(&["cellar"]).unwrap_err().to_string().starts_with("no crate cellar; there are api, "));
    }
}
