//! ONNX Runtime's library: named once when the program starts, loaded once, at the first model that needs it.
//!
//! Its state is the process's (the loader keeps one copy, and the library allows one environment), so it is a static here too.

use ort::environment::Environment;
use ort::logging::LogLevel;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The setting that names the library.
pub const SETTING: &str = "endpoint.onnxruntime_library";

/// The file, when one is named.
static NAMED: OnceLock<Option<PathBuf>> = OnceLock::new();
/// The library, or why it can't be used: that does not change while the process lives.
static LOADED: OnceLock<Result<Library, String>> = OnceLock::new();

/// The loaded library.
#[derive(Debug)]
pub(crate) struct Library {
    pub environment: Environment,
    /// What it is called where engines are told: `onnxruntime`, with its version where the file's name tells it.
    pub name: String,
}

/// Names the library's file; an empty text names none. Nothing is read yet. What was named first in a process stays.
pub fn use_library(path: &str) {
    let path = (!path.is_empty()).then(|| std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path)));
    NAMED.get_or_init(|| path);
}

/// The library, loaded now if it was not; none when none is named.
pub(crate) fn get() -> Option<Result<&'static Library, String>> {
    let path = NAMED.get()?.as_ref()?;
    Some(LOADED.get_or_init(|| load(path)).as_ref().map_err(Clone::clone))
}

fn load(path: &Path) -> Result<Library, String> {
    if !path.is_file() {
        return Err(format!("there is no file {}", path.display()));
    }
    let builder = ort::init_from(path).map_err(|e| e.to_string())?;
    let builder = builder.with_name("portcullis").with_telemetry(false).with_logger(Arc::new(log));
    let environment = builder.build().map_err(|e| format!("{}: {e}", path.display()))?;
    environment.set_log_level(LogLevel::Warning);
    let name = name(path);
    tracing::info!(library = %path.display(), engine = name, "ONNX Runtime was loaded");
    Ok(Library { environment, name })
}

/// What the library says, in our log.
fn log(level: LogLevel, _category: &str, _id: &str, place: &str, message: &str) {
    match level {
        LogLevel::Error | LogLevel::Fatal => tracing::warn!(place, message, "ONNX Runtime"),
        _ => tracing::debug!(place, message, "ONNX Runtime"),
    }
}

/// `onnxruntime 1.31.1` for `libonnxruntime.so.1.31.1`, links followed; the library's interface gives the version to `unsafe` code only.
fn name(path: &Path) -> String {
    let file = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let version = file.file_name().and_then(|f| f.to_str()).and_then(|f| f.split_once(".so."));
    version.map_or_else(|| "onnxruntime".to_owned(), |(_, version)| format!("onnxruntime {version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_version() {
        assert_eq!(name(Path::new("/x/libonnxruntime.so.1.31.1")), "onnxruntime 1.31.1");
        assert_eq!(name(Path::new("/x/libonnxruntime.so")), "onnxruntime");
    }

    #[test]
    fn what_is_no_library_is_told() {
        let told = load(Path::new("/nowhere/libonnxruntime.so")).unwrap_err();
        assert!(told.contains("there is no file /nowhere"), "{told}");
        let told = load(&std::env::current_exe().unwrap().with_extension("d")).unwrap_err();
        assert!(told.contains("failed to load") || told.contains("no file"), "{told}");
    }
}
