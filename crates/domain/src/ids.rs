//! Validated names, numbers and digests.

use crate::error::Fault;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The longest a [`Name`] may be, in bytes.
pub const NAME_MAX: usize = 128;

/// The name of a data asset, model, endpoint, deployment, API or principal: a letter or digit, then letters, digits,
/// `.`, `_` or `-`; at most [`NAME_MAX`] bytes. Safe as a path segment and as a URL segment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// Checks and wraps a name.
    pub fn new(text: impl Into<String>) -> Result<Self, Fault> {
        let text = text.into();
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
        let ok = text.len() <= NAME_MAX
            && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
            && text.bytes().all(plain);
        if ok {
            Ok(Self(text))
        } else {
            Err(Fault::invalid(format!(
                "'{}' is not a name: start with a letter or digit, then letters, digits, '.', '_' or '-', at most {NAME_MAX}",
                text.chars().take(60).collect::<String>()
            )))
        }
    }

    /// The text of the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = Fault;
    fn try_from(text: String) -> Result<Self, Fault> {
        Self::new(text)
    }
}

impl FromStr for Name {
    type Err = Fault;
    fn from_str(text: &str) -> Result<Self, Fault> {
        Self::new(text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

/// The number of a data or model version, from 1.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct Version(pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The identifier of a job and of its run: 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

impl RunId {
    /// A new identifier; identifiers made later sort later.
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7().simple().to_string())
    }

    /// The text of the identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RunId {
    type Error = Fault;
    fn try_from(text: String) -> Result<Self, Fault> {
        if text.len() == 32 && text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c)) {
            Ok(Self(text))
        } else {
            Err(Fault::invalid("a run id is 32 lower-case hexadecimal digits"))
        }
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A SHA-256 digest. Serialised as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest as 64 lower-case hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            text.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
            text.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
            text
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl FromStr for Digest {
    type Err = Fault;
    fn from_str(text: &str) -> Result<Self, Fault> {
        let wrong = || Fault::invalid("a SHA-256 digest is 64 hexadecimal digits");
        if text.len() != 64 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut out = [0; 32];
        for (at, byte) in out.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(out))
    }
}

impl TryFrom<String> for Digest {
    type Error = Fault;
    fn try_from(text: String) -> Result<Self, Fault> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.hex()
    }
}

impl utoipa::PartialSchema for Digest {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::schema::Type::String).into()
    }
}

impl utoipa::ToSchema for Digest {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_safe_segment() {
        for good in ["german-credit", "a", "9.x_Y", &"a".repeat(NAME_MAX)] {
            assert!(Name::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "-a", "a/b", "a b", "a%2e", "ü", &"a".repeat(NAME_MAX + 1)] {
            assert!(Name::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_digest_survives_its_text() {
        let digest = Digest([0xa7; 32]);
        assert_eq!(digest.hex().parse::<Digest>(), Ok(digest));
        assert!("zz".parse::<Digest>().is_err());
    }

    #[test]
    fn run_ids_are_checked_and_ordered() {
        let (a, b) = (RunId::generate(), RunId::generate());
        assert!(a <= b);
        assert!(RunId::try_from(a.to_string()).is_ok());
        assert!(RunId::try_from("../etc".to_owned()).is_err());
    }
}
