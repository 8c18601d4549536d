//! Reading a record's columns into the domain's types, with an error that names the column.

use crate::error::{Error, Result};
use domain::{Digest, Name, RunId, Timestamp, Version};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// Typed access to a record.
pub(crate) trait Record {
    /// Text that is never null.
    fn text(&self, column: &'static str) -> Result<String>;
    /// Text or null.
    fn text_or_null(&self, column: &'static str) -> Result<Option<String>>;
    /// A whole number.
    fn int(&self, column: &'static str) -> Result<i64>;
    /// A whole number or null.
    fn int_or_null(&self, column: &'static str) -> Result<Option<i64>>;

    /// A checked type made from text.
    fn parsed<T: TryFrom<String>>(&self, column: &'static str) -> Result<T>
    where
        T::Error: std::fmt::Display,
    {
        T::try_from(self.text(column)?).map_err(|e| Error::corrupt(column, e))
    }

    /// A name.
    fn name(&self, column: &'static str) -> Result<Name> {
        self.parsed(column)
    }

    /// A digest.
    fn digest(&self, column: &'static str) -> Result<Digest> {
        self.parsed(column)
    }

    /// A run's id.
    fn run(&self, column: &'static str) -> Result<RunId> {
        self.parsed(column)
    }

    /// An unsigned number.
    fn unsigned<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T> {
        let value = self.int(column)?;
        T::try_from(value).map_err(|_| Error::corrupt(column, value))
    }

    /// A version number.
    fn version(&self, column: &'static str) -> Result<Version> {
        self.unsigned(column).map(Version)
    }

    /// A moment.
    fn time(&self, column: &'static str) -> Result<Timestamp> {
        self.int(column).map(Timestamp)
    }

    /// A moment or null.
    fn time_or_null(&self, column: &'static str) -> Result<Option<Timestamp>> {
        Ok(self.int_or_null(column)?.map(Timestamp))
    }

    /// A structured member.
    fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T> {
        serde_json::from_str(&self.text(column)?).map_err(|e| Error::corrupt(column, e))
    }

    /// A structured member or null.
    fn json_or_null<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>> {
        let text = self.text_or_null(column)?;
        text.map(|text| serde_json::from_str(&text).map_err(|e| Error::corrupt(column, e))).transpose()
    }

    /// A plain enumeration stored by its serialised name.
    fn word<T: DeserializeOwned>(&self, column: &'static str) -> Result<T> {
        let text = serde_json::Value::String(self.text(column)?);
        serde_json::from_value(text).map_err(|e| Error::corrupt(column, e))
    }
}

impl Record for SqliteRow {
    fn text(&self, column: &'static str) -> Result<String> {
        Ok(self.try_get(column)?)
    }
    fn text_or_null(&self, column: &'static str) -> Result<Option<String>> {
        Ok(self.try_get(column)?)
    }
    fn int(&self, column: &'static str) -> Result<i64> {
        Ok(self.try_get(column)?)
    }
    fn int_or_null(&self, column: &'static str) -> Result<Option<i64>> {
        Ok(self.try_get(column)?)
    }
}

/// A structured member as it is stored.
pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|e| Error::Invalid(format!("a value cannot be written as JSON: {e}")))
}

/// A plain enumeration as it is stored: its serialised name.
pub(crate) fn to_word<T: Serialize>(value: &T) -> Result<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(Error::Invalid("a state cannot be written as one word".to_owned())),
    }
}

/// An unsigned number as it is stored.
pub(crate) fn to_int(value: u64, what: &str) -> Result<i64> {
    i64::try_from(value).map_err(|_| Error::Invalid(format!("{what} {value} is too large")))
}
