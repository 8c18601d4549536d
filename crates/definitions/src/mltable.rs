//! MLTable files: which files make a table, and how they are read. What a table here cannot do is refused by line.

use crate::error::Result;
use crate::fields::{Field, Value, quiet, refused, used};
use crate::kinds::Kind;
use crate::read::Definition;
use crate::references::{Reference, reference};
use serde::{Deserialize, Serialize};

/// Paths of a table at most.
const PATHS_MAX: usize = 10_000;
/// Transformations of a table at most.
const STEPS_MAX: usize = 100;

/// An MLTable file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MlTable {
    /// The files, in their order.
    pub paths: Vec<TablePath>,
    /// How they are read.
    pub reading: Reading,
    /// What follows, in its order.
    pub steps: Vec<Step>,
}

/// Files of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TablePath {
    /// One file.
    File(Reference),
    /// Every file of a folder.
    Folder(Reference),
    /// The files that a pattern with `*`, `**` and `?` names.
    Pattern(String),
}

/// How the files are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// By their names and first bytes.
    Sniffed,
    /// Delimited text.
    Delimited(Delimited),
    /// Parquet.
    Parquet,
    /// One JSON object a line.
    JsonLines {
        /// The text encoding.
        encoding: Option<String>,
    },
}

/// How delimited text is read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Delimited {
    /// The delimiter; a comma when absent.
    pub delimiter: Option<String>,
    /// Which files have a header.
    pub header: Header,
    /// The text encoding by its WHATWG name.
    pub encoding: Option<String>,
    /// Whether an empty cell is a text without letters.
    pub empty_as_string: Option<bool>,
    /// Whether a cell in quotation marks may hold line breaks.
    pub support_multi_line: Option<bool>,
}

/// Which files have a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Header {
    /// All, and the same one.
    #[default]
    AllFilesSameHeaders,
    /// All, each its own.
    AllFilesDifferentHeaders,
    /// The first one, for all.
    FromFirstFile,
    /// None.
    NoHeader,
}

/// A transformation behind the reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The first rows.
    Take(u64),
    /// All but the first rows.
    Skip(u64),
    /// All columns but these.
    DropColumns(Vec<String>),
    /// These columns.
    KeepColumns(Vec<String>),
    /// Columns read as a type.
    ConvertColumnTypes(Vec<Conversion>),
}

/// Columns and the type they are read as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversion {
    /// Their names.
    pub columns: Vec<String>,
    /// The type.
    pub to: ColumnTo,
}

/// A type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnTo {
    /// Text.
    String,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// A truth value.
    Boolean,
    /// A time.
    Datetime,
}

const TABLE: &[Field] = &[
    quiet("$schema"),
    quiet("type"),
    used("paths"),
    used("transformations"),
    quiet("metadata"),
    quiet("name"),
    quiet("version"),
    quiet("description"),
    quiet("tags"),
    refused("traits", "time columns of a table are found by their content: leave it out"),
];

impl Definition for MlTable {
    const KINDS: &'static [Kind] = &[Kind::MlTable];

    fn from_root(value: &Value<'_>) -> Result<Self> {
        let fields = value.open("an MLTable file", TABLE)?;
        let given = fields.need("paths")?;
        let paths = given.list()?.iter().map(path).collect::<Result<Vec<_>>>()?;
        if paths.is_empty() || paths.len() > PATHS_MAX {
            return Err(given.wrong(format!("a table has 1 to {PATHS_MAX} paths")));
        }
        let mut table = Self { paths, reading: Reading::Sniffed, steps: Vec::new() };
        if let Some(steps) = fields.get("transformations") {
            let items = steps.list()?;
            if items.len() > STEPS_MAX {
                return Err(steps.wrong(format!("a table has at most {STEPS_MAX} transformations")));
            }
            for (at, item) in items.iter().enumerate() {
                table.transformation(item, at)?;
            }
        }
        Ok(table)
    }
}

const PATH: &[Field] = &[used("file"), used("folder"), used("pattern")];

fn path(value: &Value<'_>) -> Result<TablePath> {
    let fields = value.open("a path of a table", PATH)?;
    match (fields.get("file"), fields.get("folder"), fields.get("pattern")) {
        (Some(file), None, None) => reference(&file).map(TablePath::File),
        (None, Some(folder), None) => reference(&folder).map(TablePath::Folder),
        (None, None, Some(pattern)) => {
            let text = pattern.filled()?;
            if text.contains("://") || text.starts_with('/') || text.split('/').any(|part| part == "..") {
                return Err(pattern.wrong("a pattern names files below the MLTable's folder"));
            }
            Ok(TablePath::Pattern(text))
        }
        _ => Err(value.wrong("a path is one of file, folder and pattern")),
    }
}

impl MlTable {
    /// Reads one transformation: a word alone, or a mapping with one key.
    fn transformation(&mut self, value: &Value<'_>, at: usize) -> Result<()> {
        let (name, body) = match (value.raw(), value.is_map()) {
            (Some(name), _) => (name.to_owned(), None),
            (None, true) => {
                let entries = value.entries()?;
                let [(name, body)] = entries.as_slice() else {
                    return Err(value.wrong("a transformation has one name: begin the next with '- '"));
                };
                ((*name).to_owned(), (!body.is_null()).then(|| body.clone()))
            }
            _ => return Err(value.wrong("a transformation is a name, or a name with options")),
        };
        if name.starts_with("read_") {
            if at > 0 {
                return Err(value.wrong("how files are read comes first, and once"));
            }
            self.reading = reading(&name, body.as_ref(), value)?;
            return Ok(());
        }
        let body = body.ok_or_else(|| value.wrong(format!("'{name}' needs a value behind the colon")))?;
        let step = match name.as_str() {
            "take" => Step::Take(rows(&body)?),
            "skip" => Step::Skip(rows(&body)?),
            "drop_columns" => Step::DropColumns(columns(&body)?),
            "keep_columns" => Step::KeepColumns(columns(&body)?),
            "convert_column_types" => Step::ConvertColumnTypes(conversions(&body)?),
            _ => return Err(unknown(&name, value)),
        };
        self.steps.push(step);
        Ok(())
    }
}

fn unknown(name: &str, value: &Value<'_>) -> crate::error::Wrong {
    const KNOWN: [&str; 8] = [
        "read_delimited",
        "read_parquet",
        "read_json_lines",
        "take",
        "skip",
        "drop_columns",
        "keep_columns",
        "convert_column_types",
    ];
    let name = crate::fields::shown(name);
    let help = match crate::near::nearest(&name, KNOWN.into_iter()) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("known are {}; prepare the files otherwise", KNOWN.join(", ")),
    };
    value.wrong(format!("the transformation '{name}' is not done here: {help}"))
}

fn rows(value: &Value<'_>) -> Result<u64> {
    value.integer(0..=i64::MAX).map(i64::unsigned_abs)
}

const COLUMNS: &[Field] = &[used("columns")];

fn columns(value: &Value<'_>) -> Result<Vec<String>> {
    if value.is_map() {
        return columns(&value.open("the columns of a transformation", COLUMNS)?.need("columns")?);
    }
    let names = value.texts()?;
    if names.is_empty() { Err(value.wrong("name at least one column")) } else { Ok(names) }
}

const WITHOUT: &str = "rows have no column of their file or partition here: leave it out";
const DELIMITED: &[Field] = &[
    used("delimiter"),
    used("header"),
    used("encoding"),
    used("empty_as_string"),
    used("support_multi_line"),
    used("include_path_column"),
    quiet("infer_column_types"),
    refused("partition_size", "files are read as they are: leave it out"),
    refused("path_column", WITHOUT),
];
const PARQUET: &[Field] = &[used("include_path_column"), refused("path_column", WITHOUT)];
const LINES: &[Field] = &[used("encoding"), used("invalid_lines"), used("include_path_column")];

fn reading(name: &str, body: Option<&Value<'_>>, value: &Value<'_>) -> Result<Reading> {
    let known = match name {
        "read_delimited" => DELIMITED,
        "read_parquet" => PARQUET,
        "read_json_lines" => LINES,
        _ => return Err(unknown(name, value)),
    };
    let Some(body) = body else {
        return Ok(match name {
            "read_delimited" => Reading::Delimited(Delimited::default()),
            "read_parquet" => Reading::Parquet,
            _ => Reading::JsonLines { encoding: None },
        });
    };
    let fields = body.open("a reading of files", known)?;
    if let Some(path) = fields.get("include_path_column")
        && path.boolean()?
    {
        return Err(path.wrong(WITHOUT));
    }
    Ok(match name {
        "read_delimited" => Reading::Delimited(Delimited {
            delimiter: fields.opt("delimiter", delimiter)?,
            header: fields.or_default("header", header)?,
            encoding: fields.opt("encoding", encoding)?,
            empty_as_string: fields.opt("empty_as_string", Value::boolean)?,
            support_multi_line: fields.opt("support_multi_line", Value::boolean)?,
        }),
        "read_parquet" => Reading::Parquet,
        _ => {
            if let Some(lines) = fields.get("invalid_lines") {
                lines
                    .one_of(&[("error", ())])
                    .map_err(|_| lines.wrong("a bad line is refused: write error"))?;
            }
            Reading::JsonLines { encoding: fields.opt("encoding", encoding)? }
        }
    })
}

fn delimiter(value: &Value<'_>) -> Result<String> {
    let text = value.free_text()?;
    let text = if text == "\\t" { "\t".to_owned() } else { text };
    let mut bytes = text.bytes();
    match (bytes.next(), bytes.next()) {
        (Some(byte), None) if byte.is_ascii() => Ok(text),
        _ => Err(value.wrong("a delimiter is one ASCII character, or \\t")),
    }
}

fn header(value: &Value<'_>) -> Result<Header> {
    if value.raw().is_some_and(|text| text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false"))
    {
        return Ok(if value.boolean()? { Header::AllFilesSameHeaders } else { Header::NoHeader });
    }
    value.one_of(&[
        ("all_files_same_headers", Header::AllFilesSameHeaders),
        ("all_files_have_same_headers", Header::AllFilesSameHeaders),
        ("all_files_different_headers", Header::AllFilesDifferentHeaders),
        ("from_first_file", Header::FromFirstFile),
        ("no_header", Header::NoHeader),
    ])
}

fn encoding(value: &Value<'_>) -> Result<String> {
    let known = [
        ("utf8", "utf-8"),
        ("utf-8", "utf-8"),
        ("utf8bom", "utf-8"),
        ("ascii", "utf-8"),
        ("iso88591", "iso-8859-1"),
        ("iso-8859-1", "iso-8859-1"),
        ("latin1", "iso-8859-1"),
        ("utf16", "utf-16le"),
        ("utf-16", "utf-16le"),
        ("windows1252", "windows-1252"),
        ("windows-1252", "windows-1252"),
    ];
    value.one_of(&known).map(str::to_owned)
}

const CONVERSION: &[Field] = &[used("columns"), used("column_type")];
const TYPES: &[(&str, ColumnTo)] = &[
    ("string", ColumnTo::String),
    ("int", ColumnTo::Int),
    ("integer", ColumnTo::Int),
    ("long", ColumnTo::Int),
    ("float", ColumnTo::Float),
    ("double", ColumnTo::Float),
    ("boolean", ColumnTo::Boolean),
    ("bool", ColumnTo::Boolean),
    ("datetime", ColumnTo::Datetime),
];

fn conversions(value: &Value<'_>) -> Result<Vec<Conversion>> {
    let one = |value: &Value<'_>| {
        let fields = value.open("a conversion", CONVERSION)?;
        let kind = fields.need("column_type")?;
        let to = if kind.is_map() { typed(&kind)? } else { kind.one_of(TYPES)? };
        Ok(Conversion { columns: columns(&fields.need("columns")?)?, to })
    };
    if value.is_map() { Ok(vec![one(value)?]) } else { value.list()?.iter().map(one).collect() }
}

/// `boolean: {true_values…}` or `datetime: {formats…}`: the type with options, of which none is done here.
fn typed(value: &Value<'_>) -> Result<ColumnTo> {
    let entries = value.entries()?;
    let [(name, options)] = entries.as_slice() else {
        return Err(value.wrong("a type is a word, or a word with options"));
    };
    let Some((_, to)) = TYPES.iter().find(|(word, _)| word == name) else {
        return Err(value.wrong(format!("'{}' is no type of a column", crate::fields::shown(name))));
    };
    if !options.is_null() {
        options.note(
            "times and truth values are read by what the column holds, in the usual ways of writing them",
        );
    }
    Ok(*to)
}
