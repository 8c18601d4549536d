//! Definition files of the user on their way to the server: read, the files beside them found, what has no effect told.

use crate::session::Session;
use definitions::{Kind, Note, Parsed};
use domain::{EnvironmentSpec, Fault};
use environments::describe;
use std::path::{Path, PathBuf};

/// A definition file's name for messages and its text.
pub struct Text {
    /// Its name.
    pub file: String,
    /// Its text.
    pub text: String,
    /// The folder that its paths are relative to.
    pub folder: PathBuf,
}

impl Text {
    /// Reads a file; one that is too large to be a definition is refused before it is read.
    pub fn read(path: &Path) -> Result<Self, Fault> {
        let wrong = |e: std::io::Error| Fault::invalid(format!("{}: {e}", path.display()));
        let size = std::fs::metadata(path).map_err(wrong)?.len();
        if size > definitions::TEXT_MAX as u64 {
            return Err(Fault::invalid(format!(
                "{}: {size} bytes are no definition: at most {} are read",
                path.display(),
                definitions::TEXT_MAX
            )));
        }
        let bytes = std::fs::read(path).map_err(wrong)?;
        let text = String::from_utf8(bytes).map_err(|e| {
            let line = e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
            Fault::invalid(format!("{}: line {line}: the file is not UTF-8", path.display()))
        })?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Self { file: path.display().to_string(), text, folder: folder.to_owned() })
    }

    /// Reads it as a definition and tells its notes.
    pub fn parse<T: definitions::Definition>(&self, session: &Session) -> Result<Parsed<T>, Fault> {
        let parsed = definitions::read::<T>(&self.file, &self.text)?;
        tell(session, &self.file, &parsed.notes);
        Ok(parsed)
    }

    /// Reads a file that it names by a path relative to it.
    pub fn beside(&self) -> impl Fn(&str) -> Result<String, Fault> + '_ {
        |path| Self::read(&self.folder.join(path)).map(|found| found.text)
    }
}

fn tell(session: &Session, file: &str, notes: &[Note]) {
    for note in notes {
        session.out.note(&format!("{file}: {note}"));
    }
}

/// An environment as a file describes it.
pub struct NamedEnvironment {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Free text.
    pub description: String,
    /// Interpreter and packages.
    pub spec: EnvironmentSpec,
    file: String,
    notes: Vec<Note>,
}

impl NamedEnvironment {
    /// Tells what of the file has no effect.
    pub fn tell(&self, session: &Session) {
        tell(session, &self.file, &self.notes);
    }
}

/// Reads an environment definition, a conda file or a `requirements.txt`.
pub fn environment_file(path: &Path) -> Result<NamedEnvironment, Fault> {
    let text = Text::read(path)?;
    let file = text.file.clone();
    let requirements = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("txt"));
    if requirements || definitions::kind(&file, &text.text)? == Some(Kind::Conda) {
        let name = if requirements { None } else { definitions::read::<definitions::Conda>(&file, &text.text)?.value.name };
        let spec = EnvironmentSpec::Packages(describe::of_text(&file, &text.text)?);
        return Ok(NamedEnvironment { name, description: String::new(), spec, file, notes: Vec::new() });
    }
    let parsed = definitions::read::<definitions::Environment>(&file, &text.text)?;
    let spec = describe::of_environment(&parsed.value, &text.beside())?;
    let name = parsed.value.name.as_ref().map(ToString::to_string);
    Ok(NamedEnvironment { name, description: parsed.value.description, spec, file, notes: parsed.notes })
}
