//! What git knows of a folder of code.

use runs::CodeSource;
use std::path::Path;
use std::process::{Command, Stdio};

/// Bytes of a difference that are sent.
const DIFF_MAX: usize = 1024 * 1024;

/// Commit, branch, remote and what differs from the commit; nothing outside a repository or without git.
pub fn source(folder: &Path) -> Option<CodeSource> {
    let commit = asked(folder, &["rev-parse", "HEAD"])?;
    let diff = asked(folder, &["diff", "--no-color", "--no-ext-diff", "HEAD", "--", "."]).unwrap_or_default();
    Some(CodeSource {
        commit: Some(commit),
        branch: asked(folder, &["rev-parse", "--abbrev-ref", "HEAD"]),
        repository: asked(folder, &["config", "--get", "remote.origin.url"]).map(|url| bare(&url)),
        untracked: untracked(folder),
        diff: Some(diff).filter(|diff| !diff.is_empty()).map(|diff| cut(&diff, DIFF_MAX).to_owned()),
    })
}

/// Files that are neither tracked nor ignored: they go along with the code, and no patch tells of them.
fn untracked(folder: &Path) -> Option<u32> {
    let list = asked(folder, &["ls-files", "--others", "--exclude-standard", "--", "."])?;
    u32::try_from(list.lines().count()).ok()
}

fn asked(folder: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    (!text.is_empty()).then_some(text)
}

/// A URL without the user and password in it.
fn bare(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    let from = rest[..end].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[from..])
}

/// At most so many bytes, cut between characters.
fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_is_told_without_its_password() {
        assert_eq!(bare("https://me:secret@host/a/b.git"), "https://host/a/b.git");
        assert_eq!(bare("git@host:a/b.git"), "git@host:a/b.git");
        assert_eq!(bare("https://host/a@b"), "https://host/a@b");
    }
}
