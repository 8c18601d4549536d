//! Text that is cheap to make on the scoring path.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A text of a request-log row: a constant, a shared text (names, versions: no copy), or one of this call alone. Empty means
/// "none" and reads back as null.
#[derive(Clone)]
pub enum Text {
    /// A constant of the program.
    Static(&'static str),
    /// Made once, shared by many rows.
    Shared(Arc<str>),
    /// Of this row alone.
    Owned(Box<str>),
}

impl Text {
    /// No text.
    pub const EMPTY: Self = Self::Static("");

    /// The text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) => text,
            Self::Owned(text) => text,
        }
    }
}

impl Text {
    /// Whether two texts are equal; the same constant or shared text is seen without reading it.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let (mine, its) = (self.as_str(), other.as_str());
        std::ptr::eq(mine, its) || mine == its
    }

    /// A copy that is cheap to copy again.
    pub(super) fn to_kept(&self) -> Self {
        match self {
            Self::Owned(text) => Self::Shared(Arc::from(&**text)),
            other => other.clone(),
        }
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self::Static(text)
    }
}

impl From<Arc<str>> for Text {
    fn from(text: Arc<str>) -> Self {
        Self::Shared(text)
    }
}

impl From<Box<str>> for Text {
    fn from(text: Box<str>) -> Self {
        Self::Owned(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::Owned(text.into())
    }
}

impl<T: Into<Text>> From<Option<T>> for Text {
    fn from(text: Option<T>) -> Self {
        text.map_or(Self::EMPTY, Into::into)
    }
}
