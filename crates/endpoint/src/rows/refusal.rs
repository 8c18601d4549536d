//! What is wrong with a request: where it stands, what was expected, what was found.

use http::StatusCode;
use std::fmt;

/// The most characters of a found value that an answer repeats.
const CLIP: usize = 60;

/// One fault of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The row, from 0, when the fault is in one.
    pub row: Option<usize>,
    /// The column, when the fault is in one.
    pub field: Option<Box<str>>,
    /// What is wrong.
    pub wrong: Wrong,
}

/// The kinds of faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// Not JSON: the reader's own words.
    Syntax(String),
    /// `NaN`, `Infinity` or `-Infinity`.
    NotFinite,
    /// No body at all.
    Empty,
    /// The body is JSON, but no object.
    NotObject(String),
    /// None of the members that bring rows.
    NoRows,
    /// A member beneath (`Inputs.data`, `input_data.data`) is not there.
    NoMember(&'static str),
    /// Two of the members that bring rows.
    TwoForms,
    /// A member that brings rows, or a list of names, is something else.
    NotList(&'static str, String),
    /// A row is neither an object nor a list.
    NotRow(String),
    /// A row as a list has the wrong number of values.
    Length { expected: usize, found: usize },
    /// A required member is not there.
    Missing,
    /// A member stands there twice.
    Duplicate(Box<str>),
    /// A value of the wrong type.
    Value { expected: Expected, found: String },
    /// A method that no model has.
    Method(String),
    /// `predict_proba` of a regression.
    NoClasses,
    /// More rows than the limit.
    TooManyRows(usize),
    /// Nested deeper than the limit.
    TooDeep(usize),
    /// A query that becomes more rows than a query may.
    LongQuery,
    /// Lists of different lengths in a query.
    UnevenQuery,
    /// Columns of different lengths.
    Uneven { first: usize, other: usize },
    /// `params` that are no object.
    NotParams(String),
}

/// What a column takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// A decimal number.
    Number,
    /// A whole number (a decimal one is taken too).
    Integer,
    /// A number that fits 32 bits.
    Range,
    /// A number of the type of the model's input.
    Holds,
    /// A truth value.
    Boolean,
    /// A time.
    Time,
    /// Text.
    Text,
    /// Text that ends where it ends.
    NoZero,
    /// A list of names.
    Name,
}

impl Expected {
    /// The words of the message.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Integer => "a whole number",
            Self::Range => "a number within ±3.4e38",
            Self::Holds => "a number that the model's input holds",
            Self::Boolean => "true or false",
            Self::Time => "a time as ISO 8601 text or seconds since 1970",
            Self::Text => "text",
            Self::NoZero => "text without a zero character",
            Self::Name => "a column name",
        }
    }
}

impl Wrong {
    /// The status it answers with: 400 for what is no JSON, 413 for too much, 422 for JSON that does not fit.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Syntax(_)
            | Self::NotFinite
            | Self::Empty
            | Self::NotObject(_)
            | Self::Duplicate(_)
            | Self::Method(_)
            | Self::TwoForms
            | Self::TooDeep(_)
            | Self::UnevenQuery
            | Self::Uneven { .. }
            | Self::NotParams(_) => StatusCode::BAD_REQUEST,
            Self::TooManyRows(_) | Self::LongQuery => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    /// A short text for the request log, without values of the request.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "not JSON",
            Self::NotFinite => "NaN or Infinity",
            Self::Empty => "empty body",
            Self::NotObject(_) => "not an object",
            Self::NoRows | Self::NoMember(_) => "no rows in the body",
            Self::TwoForms => "two request forms",
            Self::NotList(..) => "not a list",
            Self::NotRow(_) => "not a row",
            Self::Length { .. } => "wrong number of values",
            Self::Missing => "missing column",
            Self::Duplicate(_) => "duplicate member",
            Self::Value { .. } => "wrong type",
            Self::Method(_) | Self::NoClasses => "unknown method",
            Self::TooManyRows(_) => "too many rows",
            Self::TooDeep(_) => "nested too deep",
            Self::LongQuery => "query too long",
            Self::UnevenQuery => "uneven lists in the query",
            Self::Uneven { .. } => "columns of different lengths",
            Self::NotParams(_) => "params",
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(words) => write!(f, "POST body could not be decoded as JSON: {words}"),
            Self::NotFinite => f.write_str("NaN and Infinity are not JSON; send null for a missing value"),
            Self::Empty => f.write_str("POST body is empty. Expecting a JSON dictionary."),
            Self::NotObject(found) => write!(f, "POST body should be a JSON dictionary. Found {found}"),
            Self::NoRows => f.write_str(
                "A value is not provided for the 'data' parameter. Send the rows as 'data', 'Inputs' or 'input_data'",
            ),
            Self::NoMember(name) => write!(f, "'{name}' is missing; it brings the rows"),
            Self::TwoForms => f.write_str("send one of 'data', 'Inputs' and 'input_data', not several"),
            Self::NotList(name, found) => write!(f, "'{name}' must be a list, found {found}"),
            Self::NotRow(found) => write!(f, "a row must be an object or a list, found {found}"),
            Self::Length { expected, found } => write!(f, "expected {expected} values, found {found}"),
            Self::Missing => f.write_str("required and not there; send null for a missing value"),
            Self::Duplicate(name) => write!(f, "the member '{name}' stands there twice"),
            Self::Value { expected, found } => write!(f, "expected {}, found {found}", expected.words()),
            Self::Method(found) => write!(
                f,
                "Invalid predict method argument received ({found}); use 'predict' or 'predict_proba'"
            ),
            Self::NoClasses => f.write_str("'predict_proba' needs a model that predicts classes; use 'predict'"),
            Self::TooManyRows(limit) => write!(f, "more than {limit} rows; send them in several calls"),
            Self::TooDeep(limit) => write!(f, "nested more than {limit} levels deep"),
            Self::LongQuery => f.write_str("the query asks for too many rows; send them with POST"),
            Self::UnevenQuery => f.write_str("the lists in the query have different lengths"),
            Self::Uneven { first, other } => {
                write!(f, "all columns must have the same length: the first has {first} values, another {other}")
            }
            Self::NotParams(found) => write!(f, "'params' must be a dictionary, found {found}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.row, &self.field) {
            (Some(row), Some(field)) => write!(f, "row {row}, field '{field}': {}", self.wrong),
            (Some(row), None) => write!(f, "row {row}: {}", self.wrong),
            (None, Some(field)) => write!(f, "field '{field}': {}", self.wrong),
            (None, None) => self.wrong.fmt(f),
        }
    }
}

/// A value as it was found, for a message.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Truth(bool),
    /// A number without a sign or with one that fits.
    Whole(i64),
    /// A number above 2^63.
    Large(u64),
    /// A decimal number.
    Decimal(f64),
    /// Text.
    Text(&'a str),
    /// A list.
    List,
    /// An object.
    Object,
}

impl Found<'_> {
    /// The words of the message, clipped.
    pub fn words(self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Truth(truth) => truth.to_string(),
            Self::Whole(number) => format!("the number {number}"),
            Self::Large(number) => format!("the number {number}"),
            Self::Decimal(number) => format!("the number {number:?}"),
            Self::Text(text) => format!("the text {}", quoted(text)),
            Self::List => "a list".to_owned(),
            Self::Object => "an object".to_owned(),
        }
    }
}

/// Text in quotes, control characters escaped, clipped to [`CLIP`] characters.
fn quoted(text: &str) -> String {
    let clipped = clip(text);
    let more = if clipped.len() < text.len() { "…" } else { "" };
    format!("\"{}{more}\"", clipped.escape_debug())
}

/// The first [`CLIP`] characters.
pub fn clip(text: &str) -> &str {
    text.char_indices().nth(CLIP).map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_values_are_clipped_and_escaped() {
        assert_eq!(Found::Text("a\"b\n").words(), r#"the text "a\"b\n""#);
        let long = "ü".repeat(61);
        assert_eq!(Found::Text(&long).words(), format!("the text \"{}…\"", "ü".repeat(60)));
        assert_eq!(Found::Decimal(1.0).words(), "the number 1.0");
    }

    #[test]
    fn a_refusal_says_where() {
        let mut refusal = Refusal { row: Some(3), field: Some("emp.var.rate".into()), wrong: Wrong::Missing };
        assert!(refusal.to_string().starts_with("row 3, field 'emp.var.rate': required"));
        refusal.row = None;
        assert!(refusal.to_string().starts_with("field 'emp.var.rate': "));
    }
}
