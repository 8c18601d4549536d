//! What a full test run needs beyond Rust: found, or installed into the tools folder (Debian's packages: by apt).

use crate::outcome::{Fault, Result};
use crate::{place, run, say};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Pinned, since a newer one may know other keys of deny.toml.
const CARGO_DENY: &str = "0.20.2";
const CARGO_FUZZ: &str = "0.13.2";
/// Older ones cannot run the provider of the token tests.
const NODE_MAJOR: u32 = 20;
/// How every line of pip begins about a package of which the tests load the client alone: what its server needs is not there.
const CLIENT_ONLY: &str = "kserve 0.21.0 ";
const REQUIREMENTS: &str = "tests-python/requirements.txt";

/// Debian packages and the programs that show whether they are there.
const DEBIAN: &[(&str, &[&str])] = &[
    ("python3", &["python3"]),
    ("apache2-utils", &["ab"]),
    ("pebble", &["pebble"]),
    ("chromium", &["chromium", "chromium-browser", "google-chrome"]),
    ("chromium-driver", &["chromedriver"]),
];

/// Installs the Debian packages whose programs are missing; names them when this cannot be done here.
pub fn debian() -> Result<()> {
    let mut missing: Vec<&str> = DEBIAN
        .iter()
        .filter(|(_, programs)| !programs.iter().any(|p| run::is_on_path(p)))
        .map(|(name, _)| *name)
        .collect();
    if missing.contains(&"python3")
        || !run::succeeds(&mut run::program("python3", &["-c", "import ensurepip, venv"]))
    {
        missing.push("python3-venv");
    }
    if missing.is_empty() {
        say::line("python3, ab, pebble, a browser and its driver are there");
        return Ok(());
    }
    let wanted = missing.join(" ");
    if !run::is_on_path("apt-get") || !is_root() {
        return Err(Fault::new(format!("not installed: {wanted}; as root: apt-get install {wanted}")));
    }
    say::line(&format!("installing {wanted}"));
    run::pass(apt().args(["update", "-qq"]))?;
    run::pass(apt().args(["install", "-qq", "--yes", "--no-install-recommends"]).args(missing))
}

fn apt() -> Command {
    let mut command = run::program("apt-get", &["-o", "Dpkg::Use-Pty=0"]);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_root() -> bool {
    run::program("id", &["-u"]).output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// The interpreter of the client tests, in a virtual environment of the pinned requirements. It is made anew when the
/// requirements have changed or the interpreter does not run.
pub fn python() -> Result<PathBuf> {
    let requirements = place::root().join(REQUIREMENTS);
    let wanted = read(&requirements)?;
    let folder = place::tools().join("venv");
    let (interpreter, stamp) = (folder.join("bin/python"), folder.join("requirements.stamp"));
    let runs = run::succeeds(Command::new(&interpreter).args(["-c", "import pip"]));
    if runs && read(&stamp).is_ok_and(|kept| kept == wanted) {
        say::line(&format!("{} is up to date", folder.display()));
        return Ok(interpreter);
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(|e| at(&folder, &e))?;
    }
    run::pass(run::program("python3", &["-m", "venv"]).arg(&folder))?;
    let pip =
        ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--requirement"];
    run::pass(Command::new(&interpreter).args(pip).arg(&requirements))?;
    check_packages(&interpreter)?;
    std::fs::write(&stamp, wanted).map_err(|e| at(&stamp, &e))?;
    Ok(interpreter)
}

/// Whether every package finds what it needs, but for the one whose server part is left out on purpose.
fn check_packages(interpreter: &Path) -> Result<()> {
    let mut check = Command::new(interpreter);
    let output = check.args(["-m", "pip", "--disable-pip-version-check", "check"]).output();
    let output = output.map_err(|e| at(interpreter, &e))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong: Vec<&str> = said.lines().filter(|line| !line.starts_with(CLIENT_ONLY)).collect();
    if output.status.success() || (wrong.is_empty() && !said.is_empty()) {
        return Ok(());
    }
    Err(Fault::new(format!("{REQUIREMENTS}: {}", wrong.join("; "))))
}

/// The folder with the modules of the scripts in `tests-node`, installed as the lock file says; none when Node.js is not here.
pub fn node() -> Result<Option<PathBuf>> {
    let major = run::program("node", &["--version"]).output().ok().and_then(|output| {
        let text = String::from_utf8(output.stdout).ok()?;
        text.trim().strip_prefix('v')?.split('.').next()?.parse::<u32>().ok()
    });
    if major.is_none_or(|major| major < NODE_MAJOR) || !run::is_on_path("npm") {
        say::line(&format!("passed over: node {NODE_MAJOR} or newer and npm are not here"));
        return Ok(None);
    }
    let folder = place::tools().join("node");
    std::fs::create_dir_all(&folder).map_err(|e| at(&folder, &e))?;
    let (mut wanted, stamp) = (String::new(), folder.join("lock.stamp"));
    for name in ["package.json", "package-lock.json"] {
        let text = read(&place::root().join("tests-node").join(name))?;
        let copy = folder.join(name);
        std::fs::write(&copy, &text).map_err(|e| at(&copy, &e))?;
        wanted += &text;
    }
    if read(&stamp).is_ok_and(|kept| kept == wanted) {
        say::line(&format!("{} is up to date", folder.display()));
        return Ok(Some(folder));
    }
    let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    run::pass(run::program("npm", &install).current_dir(&folder))?;
    std::fs::write(&stamp, wanted).map_err(|e| at(&stamp, &e))?;
    Ok(Some(folder))
}

/// `cargo deny`, built into the tools folder when it is not there in the pinned version.
pub fn cargo_deny() -> Result<PathBuf> {
    built("cargo-deny", CARGO_DENY)
}

/// `cargo fuzz`, likewise; a fault when there is no nightly compiler, without which it is of no use.
pub fn cargo_fuzz() -> Result<PathBuf> {
    if !run::succeeds(run::program("rustc", &["--version"]).env("RUSTUP_TOOLCHAIN", "nightly")) {
        return Err(Fault::new("fuzzing needs a nightly compiler: rustup toolchain install nightly"));
    }
    built("cargo-fuzz", CARGO_FUZZ)
}

fn built(name: &str, version: &str) -> Result<PathBuf> {
    let folder = place::tools().join(format!("{name}-{version}"));
    let program = folder.join("bin").join(name);
    if run::succeeds(Command::new(&program).arg("--version")) {
        return Ok(program);
    }
    let build = place::tools().join(format!("{name}-build"));
    let mut install =
        run::cargo(&["install", name, "--locked", "--debug", "--quiet", "--version", version, "--root"]);
    run::pass(install.arg(&folder).env("CARGO_TARGET_DIR", &build).env("CARGO_PROFILE_DEV_DEBUG", "false"))?;
    std::fs::remove_dir_all(&build).map_err(|e| at(&build, &e))?;
    Ok(program)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| at(path, &e))
}

fn at(path: &Path, error: &std::io::Error) -> Fault {
    Fault::new(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_python_requirement_is_pinned_to_one_version() {
        let requirements = read(&place::root().join(REQUIREMENTS)).unwrap();
        for line in requirements.lines().filter(|line| !line.starts_with('#')) {
            let (name, version) = line.split_once("==").unwrap_or_else(|| panic!("not pinned: {line}"));
            assert!(!name.is_empty() && version.starts_with(|c: char| c.is_ascii_digit()), "{line}");
        }
    }
}
