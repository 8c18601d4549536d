//! The text files of the repository.

use crate::outcome::{Fault, Result};
use std::path::Path;
use walkdir::{DirEntry, WalkDir};

/// What holds output, not sources (as `.gitignore` has it). In a linked work tree `.git` is a file.
const OUTPUT: &[&str] = &[".git", "target", "out", "__pycache__"];

/// A text file.
pub struct File {
    /// Relative to the root, with forward slashes.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// All text files under `root`, in order; what is not UTF-8 is no text.
pub fn files(root: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for entry in WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(is_source) {
        let entry = entry.map_err(|e| Fault::new(e.to_string()))?;
        let path = entry.path();
        if !entry.file_type().is_file() {
            continue;
        }
        if let Ok(text) = std::fs::read_to_string(path) {
            let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
            files.push(File { name, text });
        }
    }
    Ok(files)
}

fn is_source(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    let output = OUTPUT.contains(&name.as_ref()) || name.starts_with(".portcullis");
    entry.depth() == 0 || !(output && (entry.file_type().is_dir() || name == ".git"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_binary_files_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["target", "src", ".portcullis-1"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("a.txt"), "text").unwrap();
        }
        std::fs::write(folder.path().join("b.bin"), [0xff, 0xfe, 0x00]).unwrap();
        let names: Vec<String> = files(folder.path()).unwrap().into_iter().map(|f| f.name).collect();
        assert_eq!(names, ["src/a.txt"]);
    }
}
