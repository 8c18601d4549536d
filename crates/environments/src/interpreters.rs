//! The interpreters of this machine, and which of them a version asks for.

use domain::Fault;
use std::cmp::Reverse;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Minor versions of Python 3 that are looked for.
const MINORS: std::ops::RangeInclusive<u32> = 6..=20;
/// Time in which an interpreter must say its version.
const ANSWER: Duration = Duration::from_secs(10);

/// A version of the interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PythonVersion(pub u32, pub u32, pub u32);

impl fmt::Display for PythonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// An interpreter that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interpreter {
    pub path: PathBuf,
    pub version: PythonVersion,
}

/// Asks an interpreter for its version and its own file.
pub(crate) async fn ask(path: &Path) -> Option<Interpreter> {
    let script = "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.executable)";
    let mut command = Command::new(path);
    command.args(["-I", "-S", "-c", script]).env_clear().stdin(Stdio::null()).stderr(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).kill_on_drop(true);
    let output = tokio::time::timeout(ANSWER, command.output()).await.ok()?.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut lines = text.lines();
    let version = exact(lines.next()?)?;
    let path = PathBuf::from(lines.next()?);
    (output.status.success() && path.is_absolute()).then_some(Interpreter { path, version })
}

/// The interpreters on `PATH`, `python3` first, each version once.
pub(crate) async fn on_path() -> Vec<Interpreter> {
    let folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let names =
        std::iter::once("python3".to_owned()).chain(MINORS.rev().map(|minor| format!("python3.{minor}")));
    let mut found: Vec<Interpreter> = Vec::new();
    for name in names {
        for path in folders.iter().map(|folder| folder.join(&name)).filter(|path| path.is_file()) {
            if let Some(interpreter) = ask(&path).await
                && !found.iter().any(|known| known.version == interpreter.version)
            {
                found.push(interpreter);
            }
        }
    }
    found
}

fn exact(text: &str) -> Option<PythonVersion> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    Some(PythonVersion(parts.next()??, parts.next()??, parts.next()??))
}

/// A version as a file asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    /// These first parts.
    Prefix(Vec<u32>),
    /// All of these bounds.
    Bounds(Vec<(String, Vec<u32>)>),
}

fn asked(text: &str) -> Result<Asked, Fault> {
    let wrong =
        || Fault::invalid(format!("python '{text}' is no version: write 3.11, 3.11.7 or >=3.10,<3.13"));
    let numbers = |text: &str| {
        let text = text.trim_end_matches(".*");
        let parts: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
        parts.filter(|parts| (1..=3).contains(&parts.len())).ok_or_else(wrong)
    };
    let text_plain = text.trim().trim_start_matches("==").trim_start_matches('=');
    if text_plain.starts_with(|c: char| c.is_ascii_digit()) && !text_plain.contains(',') {
        return numbers(text_plain).map(Asked::Prefix);
    }
    let bounds = text.split(',').map(|part| {
        let part = part.trim();
        let operator = ["==", ">=", "<=", "!=", "~=", ">", "<"].into_iter().find(|op| part.starts_with(op));
        let operator = operator.ok_or_else(wrong)?;
        Ok((operator.to_owned(), numbers(part[operator.len()..].trim())?))
    });
    bounds.collect::<Result<_, Fault>>().map(Asked::Bounds)
}

impl Asked {
    fn admits(&self, version: PythonVersion) -> bool {
        let parts = [version.0, version.1, version.2];
        match self {
            Self::Prefix(prefix) => parts.starts_with(prefix),
            Self::Bounds(bounds) => bounds.iter().all(|(operator, bound)| {
                let mut padded = bound.clone();
                padded.resize(3, 0);
                match operator.as_str() {
                    ">=" => parts.as_slice() >= padded.as_slice(),
                    ">" => parts.as_slice() > padded.as_slice() && !parts.starts_with(bound),
                    "<=" => parts.as_slice() <= padded.as_slice() || parts.starts_with(bound),
                    "<" => parts.as_slice() < padded.as_slice(),
                    "!=" => !parts.starts_with(bound),
                    "~=" => {
                        let fixed = &bound[..bound.len().saturating_sub(1).max(1)];
                        parts.as_slice() >= padded.as_slice() && parts.starts_with(fixed)
                    }
                    _ => parts.starts_with(bound),
                }
            }),
        }
    }

    /// The version that others are near to or far from.
    fn centre(&self) -> PythonVersion {
        let parts = match self {
            Self::Prefix(parts) => Some(parts),
            Self::Bounds(bounds) => bounds.first().map(|(_, parts)| parts),
        };
        let part = |at: usize| parts.and_then(|parts| parts.get(at)).copied().unwrap_or(0);
        PythonVersion(part(0), part(1), part(2))
    }
}

/// The interpreter for a version, and what came otherwise. `here` begins with the one for those who ask for none.
pub(crate) fn choose(
    version: Option<&str>,
    here: &[Interpreter],
    relax: bool,
) -> Result<(Interpreter, Option<String>), Fault> {
    let none = || {
        Fault::invalid(
            "no python3 was found on this machine: install one, or name it in environments.python of the settings",
        )
    };
    let Some(text) = version else {
        return here.first().cloned().map(|first| (first, None)).ok_or_else(none);
    };
    let asked = asked(text)?;
    if let Some(fits) = here.iter().find(|it| asked.admits(it.version)) {
        return Ok((fits.clone(), None));
    }
    let centre = asked.centre();
    let distance = |it: &&Interpreter| {
        let far = (
            it.version.0.abs_diff(centre.0),
            it.version.1.abs_diff(centre.1),
            it.version.2.abs_diff(centre.2),
        );
        (far, Reverse(it.version))
    };
    let nearest = here.iter().min_by_key(distance).ok_or_else(none)?;
    let change = format!("python {text} is python {} here", nearest.version);
    // Another patch of the same minor version has the same wheels and the same language.
    if relax || (nearest.version.0, nearest.version.1) == (centre.0, centre.1) {
        return Ok((nearest.clone(), Some(change)));
    }
    Err(Fault::invalid(format!(
        "python {text} is not on this machine: the nearest is {}; ask for python={}.{}, or let pins give way with --relax-pins",
        nearest.version, nearest.version.0, nearest.version.1
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Vec<Interpreter> {
        [(3, 11, 7), (3, 12, 1), (3, 8, 18)]
            .map(|(a, b, c)| Interpreter { path: format!("/p{b}").into(), version: PythonVersion(a, b, c) })
            .into()
    }

    #[test]
    fn the_interpreter_that_is_asked_for_or_the_nearest_with_leave() {
        let chosen = |text: Option<&str>, relax| {
            choose(text, &here(), relax).map(|(it, c)| (it.version.1, c.is_some()))
        };
        assert_eq!(chosen(None, false).unwrap(), (11, false));
        for (text, minor) in
            [("3.12", 12), ("3", 11), ("3.8.*", 8), (">=3.10,<3.12", 11), ("==3.12.1", 12), ("~=3.8", 11)]
        {
            assert_eq!(chosen(Some(text), false).unwrap(), (minor, false), "{text}");
        }
        assert_eq!(chosen(Some("3.11.2"), false).unwrap(), (11, true));
        assert_eq!(chosen(Some("3.7.9"), true).unwrap(), (8, true));
        let said = choose(Some("3.7.9"), &here(), false).unwrap_err().message;
        assert!(said.contains("the nearest is 3.8.18") && said.contains("--relax-pins"), "{said}");
        assert!(choose(Some("three"), &here(), false).is_err());
        assert!(choose(None, &[], false).unwrap_err().message.contains("no python3"));
    }
}
