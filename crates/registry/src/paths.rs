//! Paths of artifacts as callers write them: checked once they were decoded once, refused in every form that could lead elsewhere.

use crate::error::{Error, Result};
use percent_encoding::percent_decode_str;

/// Times that a path is decoded to look what it could mean to others.
const DECODED_MAX: usize = 8;

/// Checks the path of a file or folder within the artifacts; gives it without a slash at its end.
///
/// Refused: an absolute path, a drive, `..`, `.`, an empty part, a backslash, `#`, control characters, and whatever becomes one of these
/// when it is decoded once more, or more often.
pub fn check(path: &str) -> Result<String> {
    let plain = path.strip_suffix('/').unwrap_or(path);
    let mut text = plain.to_owned();
    for _ in 0..DECODED_MAX {
        if !is_plain(&text) || parts(&text) != parts(plain) {
            return Err(Error::Path);
        }
        let Ok(decoded) = percent_decode_str(&text).decode_utf8() else { return Err(Error::Path) };
        if decoded == text {
            return Ok(plain.to_owned());
        }
        text = decoded.into_owned();
    }
    Err(Error::Path)
}

/// [`check`] for a folder that may also be the root: the empty path.
pub fn check_folder(path: &str) -> Result<String> {
    if path.is_empty() { Ok(String::new()) } else { check(path) }
}

/// A path below a folder.
pub fn join(folder: &str, path: &str) -> String {
    match (folder, path) {
        ("", path) => path.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, path) => format!("{folder}/{path}"),
    }
}

fn parts(path: &str) -> usize {
    path.split('/').count()
}

fn is_plain(path: &str) -> bool {
    let drive = path.as_bytes().get(1) == Some(&b':') && path.as_bytes()[0].is_ascii_alphabetic();
    !drive && !path.contains('#') && store::trees::check_path(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_pass_and_lose_their_last_slash() {
        for (path, kept) in [
            ("1/abc/artifacts/model/MLmodel", "1/abc/artifacts/model/MLmodel"),
            ("a b/é.png", "a b/é.png"),
            ("plots/", "plots"),
            ("100%.txt", "100%.txt"),
            ("a%20b", "a%20b"),
            ("...", "..."),
            ("a..b", "a..b"),
            ("x?y=z", "x?y=z"),
        ] {
            assert_eq!(check(path).unwrap(), kept, "{path}");
        }
        assert_eq!(check_folder("").unwrap(), "");
        assert_eq!((join("", "a"), join("a", ""), join("a", "b")), ("a".into(), "a".into(), "a/b".into()));
    }

    #[test]
    fn every_way_out_is_refused() {
        for path in [
            "",
            "/",
            "//",
            "/etc/passwd",
            "..",
            "a/..",
            "../a",
            "a/../b",
            "./a",
            "a/./b",
            "a//b",
            "a\\b",
            "..\\a",
            "C:/x",
            "c:x",
            "a#b",
            "#",
            "a/%2e%2e/b",
            "%2e%2e",
            "%2E%2e%2fa",
            "a%2fb",
            "a%5cb",
            "%252e%252e/x",
            "a%252fb",
            "a%00b",
            "a\0b",
            "a\nb",
            "%23",
            "a%23b",
            "%2fetc",
            "a%ff",
            "..%c0%af",
            "file:///etc/passwd",
            "%25252525252525252e%2e",
        ] {
            assert!(matches!(check(path), Err(Error::Path)), "{path:?}");
        }
        assert!(check(&"x".repeat(2000)).is_err());
    }
}
