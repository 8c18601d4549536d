//! `requirements.txt` and the pip part of a conda file: names with extras, versions and markers (PEP 508), nothing else.

use crate::error::{Place, Result, Wrong};
use crate::fields::shown;
use serde::{Deserialize, Serialize};

/// Lines of a file at most.
const LINES_MAX: usize = 10_000;
/// The longest line.
const LINE_MAX: usize = 4096;

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The name, lower case with `-` for `_` and `.` (PEP 503).
    pub name: String,
    /// Extras, as they stand.
    pub extras: Vec<String>,
    /// Version specifiers without spaces, as `==1.0` or `>=1,<2`; empty for any.
    pub specifier: String,
    /// The environment marker behind `;`.
    pub marker: Option<String>,
    /// Where it stands.
    pub place: Place,
}

impl Requirement {
    /// The line that says the same.
    pub fn text(&self) -> String {
        let extras =
            if self.extras.is_empty() { String::new() } else { format!("[{}]", self.extras.join(",")) };
        let marker = self.marker.as_ref().map(|m| format!(" ; {m}")).unwrap_or_default();
        format!("{}{extras}{}{marker}", self.name, self.specifier)
    }
}

/// Reads one requirement that stands alone, as a client sends it.
pub fn one(text: &str) -> std::result::Result<Requirement, domain::Fault> {
    let read = line_of(text, Place::START).map_err(|wrong| domain::Fault::invalid(wrong.said))?;
    read.ok_or_else(|| domain::Fault::invalid("a requirement is empty"))
}

/// A name as an index has it (PEP 503).
pub(crate) fn normal(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.push(c.to_ascii_lowercase()),
        }
    }
    out
}

/// Reads a file.
pub(crate) fn file(text: &str) -> Result<Vec<Requirement>> {
    if text.len() > crate::yaml::TEXT_MAX {
        let said = format!("the file has {} bytes, at most {} are read", text.len(), crate::yaml::TEXT_MAX);
        return Err(Wrong::new(Place::START, said));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.lines().count() > LINES_MAX {
        return Err(Wrong::new(Place::START, format!("the file has more than {LINES_MAX} lines")));
    }
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((row, line)) = lines.next() {
        let mut whole = line.to_owned();
        while whole.ends_with('\\') {
            whole.pop();
            let Some((_, next)) = lines.next() else { break };
            whole.push_str(next);
        }
        let column = line.chars().take_while(|c| c.is_whitespace()).count() + 1;
        found.extend(line_of(&whole, Place::new(row + 1, column))?);
    }
    Ok(found)
}

/// Reads one line; nothing for an empty one or a comment.
pub(crate) fn line_of(line: &str, place: Place) -> Result<Option<Requirement>> {
    let line = match line.find(" #").or_else(|| line.find("\t#")) {
        Some(at) => &line[..at],
        None if line.trim_start().starts_with('#') => "",
        None => line,
    };
    let line = line.trim();
    if line.is_empty() {
        return Ok(None);
    }
    if line.len() > LINE_MAX || line.chars().any(|c| c.is_control() && c != '\t') {
        return Err(Wrong::new(place, "a requirement is too long or has control characters"));
    }
    requirement(line, place).map(Some)
}

fn requirement(line: &str, place: Place) -> Result<Requirement> {
    let wrong = |said: String| Wrong::new(place, said);
    if line.starts_with('-') {
        let option = line.split([' ', '=']).next().unwrap_or_default();
        let help = match option {
            "-r" | "--requirement" | "-c" | "--constraint" => "write the lines of that file here",
            "-e" | "--editable" => "put the code beside the job's code",
            _ => "indexes and options of the installer are settings of the server",
        };
        return Err(wrong(format!("the option '{}' is not read: {help}", shown(option))));
    }
    if line.contains("://") || line.starts_with(['.', '/']) || line.contains(" @ ") {
        return Err(wrong(format!(
            "'{}': packages come from the index only: write NAME==VERSION, no address and no path",
            shown(line)
        )));
    }
    let (spec, marker) = match line.split_once(';') {
        Some((spec, marker)) => (spec.trim(), Some(marker.trim().to_owned())),
        None => (line, None),
    };
    let name_end = spec
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .unwrap_or(spec.len());
    let (name, rest) = spec.split_at(name_end);
    let ends = |c: char| c.is_ascii_alphanumeric();
    if !name.starts_with(ends) || !name.ends_with(ends) || name.len() > 200 {
        return Err(wrong(format!("'{}' is no requirement: write NAME==VERSION", shown(line))));
    }
    let (extras, rest) = extras(rest.trim(), line, place)?;
    let specifier = specifier(rest.trim(), line, place)?;
    let marker = marker.filter(|m| !m.is_empty());
    if let Some(marker) = &marker {
        let plain = |c: char| c.is_ascii_alphanumeric() || " ._-<>=!~'\"()+,".contains(c);
        if !marker.chars().all(plain) {
            return Err(wrong(format!("'{}' is no environment marker", shown(marker))));
        }
    }
    Ok(Requirement { name: normal(name), extras, specifier, marker, place })
}

fn extras<'l>(rest: &'l str, line: &str, place: Place) -> Result<(Vec<String>, &'l str)> {
    let Some(inside) = rest.strip_prefix('[') else { return Ok((Vec::new(), rest)) };
    let wrong = || Wrong::new(place, format!("'{}': extras are written NAME[EXTRA,EXTRA]", shown(line)));
    let (inside, rest) = inside.split_once(']').ok_or_else(wrong)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut extras = Vec::new();
    for extra in inside.split(',').map(str::trim).filter(|e| !e.is_empty()) {
        if !extra.chars().all(plain) {
            return Err(wrong());
        }
        extras.push(extra.to_owned());
    }
    Ok((extras, rest))
}

fn specifier(rest: &str, line: &str, place: Place) -> Result<String> {
    let wrong = |help: &str| Wrong::new(place, format!("'{}': {help}", shown(line)));
    let rest = rest.strip_prefix('(').map_or(rest, |r| r.strip_suffix(')').unwrap_or(r));
    // What follows a space and begins with two dashes belongs to the installer, as --hash.
    if rest.contains("--") {
        return Err(wrong("options behind a requirement are not read: leave them out"));
    }
    if rest.is_empty() {
        return Ok(String::new());
    }
    let mut out: Vec<String> = Vec::new();
    for part in rest.split(',').map(str::trim) {
        const OPERATORS: [&str; 8] = ["===", "==", "~=", "!=", "<=", ">=", "<", ">"];
        let Some(operator) = OPERATORS.iter().find(|operator| part.starts_with(**operator)) else {
            let help = if part.starts_with('=') { "write '==' for a version" } else { "write NAME==VERSION" };
            return Err(wrong(help));
        };
        let version = part[operator.len()..].trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '*' | '+' | '!' | '-' | '_');
        if version.is_empty() || !version.chars().all(plain) {
            return Err(wrong("a version has digits, letters and dots"));
        }
        out.push(format!("{operator}{version}"));
    }
    Ok(out.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_an_installer_reads_them() {
        let text = "\u{feff}# comment\nscikit_learn==1.5.2  # pinned\n\nazureml-dataprep[pandas,fuse] >= 2.0, <3\n\
                    numpy ; python_version < '3.12'\npandas (>=1)\n  Flask.Cors\\\n ==1\n";
        let read = file(text).unwrap();
        let lines: Vec<String> = read.iter().map(Requirement::text).collect();
        assert_eq!(
            lines,
            [
                "scikit-learn==1.5.2",
                "azureml-dataprep[pandas,fuse]>=2.0,<3",
                "numpy ; python_version < '3.12'",
                "pandas>=1",
                "flask-cors==1"
            ]
        );
        assert_eq!(read[0].place, Place { line: 2, column: 1 });
        assert_eq!(read[4].place, Place { line: 7, column: 3 });
    }

    #[test]
    fn what_is_no_name_and_version_is_refused_by_line() {
        for (bad, said) in [
            ("-r other.txt", "write the lines"),
            ("--extra-index-url https://x/", "settings of the server"),
            ("-e .", "beside the job's code"),
            ("git+https://x/y.git", "from the index only"),
            ("x @ https://x/y.whl", "from the index only"),
            ("./x.whl", "from the index only"),
            ("numpy=1.0", "write '=='"),
            ("numpy 1.0", "NAME==VERSION"),
            ("a[b", "extras"),
            ("a==1 --hash=sha256:00", "options behind"),
            ("!", "no requirement"),
            ("a ; os.system('$(x)')", "marker"),
        ] {
            let wrong = file(&format!("ok\n{bad}\n")).unwrap_err();
            assert_eq!(wrong.place.line, 2, "{bad}");
            assert!(wrong.said.contains(said), "{bad}: {}", wrong.said);
        }
    }
}
