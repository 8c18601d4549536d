//! Why a table is refused, naming line and column, and what to do about it.

use domain::{ColumnType, ErrorCode, Fault};
use std::fmt;
use std::io;

/// The result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The longest cell shown in a message, in characters.
const SHOWN: usize = 60;

/// Where in a table: the line of the file (or the record of a Parquet file), from 1, and the column's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1; the header counts.
    pub line: u64,
    /// The column's name, or `column N` where it has none.
    pub column: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column '{}'", self.line, self.column)
    }
}

/// A list of near names as the tail of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near(pub Vec<String>);

impl fmt::Display for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => Ok(()),
            [one] => write!(f, "; did you mean '{one}'?"),
            many => write!(f, "; did you mean one of '{}'?", many.join("', '")),
        }
    }
}

/// Why a table is refused or cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing in it.
    #[error("the table is empty: no line and no column")]
    Empty,
    /// A header and nothing else.
    #[error("the table has a header and no records: if line 1 is a record, say header = false")]
    HeaderOnly,
    /// More or fewer fields than the header.
    #[error(
        "line {line} has {found} fields, the header has {expected} (last common column '{column}'): mend the line or quote the field that holds a delimiter"
    )]
    Ragged {
        /// The line.
        line: u64,
        /// Fields of the header.
        expected: usize,
        /// Fields of the line.
        found: usize,
        /// The last column both have.
        column: String,
    },
    /// An empty line between records.
    #[error("line {0} is blank and records follow: take it out")]
    Blank(u64),
    /// A quotation mark where none may stand.
    #[error("{place}: {what}")]
    Quote {
        /// Where.
        place: Place,
        /// What is wrong and what to do.
        what: String,
    },
    /// Bytes that are not text of the encoding.
    #[error("{place}: {what}")]
    Encoding {
        /// Where.
        place: Place,
        /// What is wrong and what to do.
        what: String,
    },
    /// A column without a name.
    #[error("line 1: column {0} has no name: give it one")]
    EmptyName(usize),
    /// Two columns of one name.
    #[error("line {line}: columns {first} and {second} are both named '{name}': rename one")]
    DuplicateName {
        /// The line.
        line: u64,
        /// The first one's position, from 1.
        first: usize,
        /// The second one's position, from 1.
        second: usize,
        /// The name.
        name: String,
    },
    /// Too many columns.
    #[error("line {line}: more than {limit} columns: split the table, or check the delimiter")]
    TooWide {
        /// The line.
        line: u64,
        /// The limit.
        limit: usize,
    },
    /// A record too long to be one.
    #[error("line {line}: a record longer than {limit} bytes begins here: {what}")]
    TooLong {
        /// The line it begins on.
        line: u64,
        /// The limit in bytes.
        limit: usize,
        /// What may be wrong.
        what: &'static str,
    },
    /// A value that is not of the stated type.
    #[error("{place}: '{text}' is no {kind}: state another type, mend the value, or list it as missing")]
    Type {
        /// Where.
        place: Place,
        /// The stated type.
        kind: ColumnType,
        /// The value, shortened.
        text: String,
    },
    /// A column that is not in the table.
    #[error("no column named '{name}'{near}")]
    UnknownColumn {
        /// The name asked for.
        name: String,
        /// Names like it.
        near: Near,
    },
    /// A read option that cannot be.
    #[error("{0}")]
    Option(String),
    /// A line that is no JSON object of plain values.
    #[error("line {line}{}: {what}", column.as_ref().map(|c| format!(", column '{c}'")).unwrap_or_default())]
    Json {
        /// The line.
        line: u64,
        /// The member, when one is at fault.
        column: Option<String>,
        /// What is wrong and what to do.
        what: String,
    },
    /// A file on which a format library gave up altogether.
    #[error("the file makes its reader fail: it is damaged, write it anew")]
    Reader,
    /// A Parquet file that cannot be read.
    #[error("the Parquet file cannot be read{}: {what}", column.as_ref().map(|c| format!(", column '{c}'")).unwrap_or_default())]
    Parquet {
        /// The column, when one is at fault.
        column: Option<String>,
        /// What is wrong.
        what: String,
    },
    /// A compressed file that cannot be unpacked.
    #[error("the {kind} file cannot be unpacked after {at} bytes: {what}")]
    Unpack {
        /// gzip or zstd.
        kind: &'static str,
        /// Unpacked bytes before the fault.
        at: u64,
        /// What is wrong.
        what: String,
    },
    /// The input broke off.
    #[error("the input cannot be read: {0}")]
    Input(io::Error),
    /// The bytes cannot be kept.
    #[error("the bytes cannot be kept: {0}")]
    Keep(io::Error),
    /// A target that cannot be learned.
    #[error("the target column '{column}' cannot be learned: {what}")]
    Target {
        /// The column.
        column: String,
        /// Why and what to do.
        what: String,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The fetch was refused or failed.
    #[error(transparent)]
    Outbound(#[from] outbound::Error),
    /// A fault of ours.
    #[error("reading the table failed: {0}")]
    Internal(String),
}

impl Error {
    /// A value that is not of the stated type.
    pub(crate) fn of_type(place: Place, kind: ColumnType, text: &[u8]) -> Self {
        let text = shorten(text);
        Self::Type { place, kind, text }
    }

    /// The code this error crosses crates with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Option(_) | Self::UnknownColumn { .. } => ErrorCode::InvalidInput,
            Self::TooWide { .. } | Self::TooLong { .. } => ErrorCode::TooLarge,
            Self::Keep(e) if e.kind() == io::ErrorKind::StorageFull => ErrorCode::StorageFull,
            Self::Input(e) if e.kind() == io::ErrorKind::FileTooLarge => ErrorCode::TooLarge,
            Self::Keep(_) | Self::Internal(_) => ErrorCode::Internal,
            Self::Store(_) | Self::Outbound(_) => ErrorCode::Internal,
            _ => ErrorCode::Unprocessable,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(e) => e.into(),
            Error::Outbound(e) => e.into(),
            other => Self::new(other.code(), other.to_string()),
        }
    }
}

/// A cell as messages show it.
pub(crate) fn shorten(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut short: String = text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    short
}
