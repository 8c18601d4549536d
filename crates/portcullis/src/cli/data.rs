//! `data register|list|show|preview|profile`.

use crate::cli::{data_file, progress};
use crate::client::{file_stream, segment};
use crate::session::Session;
use crate::show::{bar, number, size, table, time};
use clap::{Args, Subcommand};
use domain::{DataAsset, DataVersion, Fault};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Data {
    /// Register a table: CSV, TSV, Parquet or JSON Lines, also gzip or zstd
    Register(Box<Register>),
    /// List data assets
    List,
    /// Show the versions of an asset, or one version with its columns
    Show {
        /// NAME or NAME:VERSION
        asset: String,
    },
    /// Show the first rows
    Preview {
        /// NAME or NAME:VERSION
        asset: String,
        /// How many rows
        #[arg(long, default_value_t = 10)]
        rows: usize,
    },
    /// Show what is in each column
    Profile {
        /// NAME or NAME:VERSION
        asset: String,
    },
}

/// `data register`.
#[derive(Debug, Args)]
pub struct Register {
    /// The name of the asset; a new version when it exists with other content
    #[arg(required_unless_present = "file")]
    pub name: Option<String>,
    /// A file, a folder (a table when it holds an MLTable file), an http(s) URL, or - for standard input
    #[arg(required_unless_present = "file")]
    pub source: Option<String>,
    /// A data definition (data.yml: name, type, path) in place of the source
    #[arg(short, long, value_name = "FILE", conflicts_with = "source")]
    pub file: Option<PathBuf>,
    /// csv, tsv, parquet or jsonl
    #[arg(long)]
    pub format: Option<String>,
    /// The delimiter, one character
    #[arg(long)]
    pub delimiter: Option<String>,
    /// The quote, one character
    #[arg(long)]
    pub quote: Option<String>,
    /// Whether the first record names the columns
    #[arg(long)]
    pub header: Option<bool>,
    /// A WHATWG encoding label, as windows-1252
    #[arg(long)]
    pub encoding: Option<String>,
    /// A column's type: COLUMN=boolean|integer|float|category|text|timestamp
    #[arg(long = "type", value_name = "COLUMN=TYPE")]
    pub types: Vec<String>,
    /// A spelling of a missing value; repeat for several; replaces the usual ones
    #[arg(long, value_name = "TEXT")]
    pub missing: Vec<String>,
    /// Free text kept with the version
    #[arg(long, default_value = "")]
    pub description: String,
    /// Keep a file as it is, under its own name, rather than as a table: what scripts find in the folder of a job's input
    #[arg(long, conflicts_with = "file")]
    pub as_file: bool,
}

impl Register {
    /// A file or folder under a name, everything else found out.
    pub fn of(name: &str, path: &Path) -> Self {
        Self {
            name: Some(name.to_owned()),
            source: Some(path.display().to_string()),
            file: None,
            format: None,
            delimiter: None,
            quote: None,
            header: None,
            encoding: None,
            types: Vec::new(),
            missing: Vec::new(),
            description: String::new(),
            as_file: false,
        }
    }

    fn options(&self) -> Result<Value, Fault> {
        let mut options = serde_json::Map::new();
        for (key, value) in [
            ("format", &self.format),
            ("delimiter", &self.delimiter),
            ("quote", &self.quote),
            ("encoding", &self.encoding),
        ] {
            if let Some(text) = value {
                options.insert(key.to_owned(), json!(text));
            }
        }
        if let Some(header) = self.header {
            options.insert("header".to_owned(), json!(header));
        }
        if !self.missing.is_empty() {
            options.insert("missing".to_owned(), json!(self.missing));
        }
        let mut types = serde_json::Map::new();
        for pair in &self.types {
            let (column, kind) = pair
                .rsplit_once('=')
                .ok_or_else(|| Fault::invalid(format!("--type '{pair}': write COLUMN=TYPE")))?;
            types.insert(column.to_owned(), json!(kind));
        }
        if !types.is_empty() {
            options.insert("types".to_owned(), Value::Object(types));
        }
        Ok(Value::Object(options))
    }

    /// Registers and gives the version and whether it is new.
    pub async fn carry_out(&self, session: &Session) -> Result<(DataVersion, bool), Fault> {
        let source = self.source.as_deref().map(Path::new);
        let folder = source.filter(|path| path.is_dir());
        let answer = match (&self.file, folder) {
            (None, _) if self.as_file => {
                data_file::as_it_lies(source.unwrap_or(Path::new("-")), self, session).await?
            }
            (Some(file), _) => data_file::register(file, self, session).await?,
            (None, Some(folder)) => data_file::register_folder(folder, self, session).await?,
            (None, None) => {
                let sent = Sent {
                    name: self.name.clone().unwrap_or_default(),
                    source: self.source.clone().unwrap_or_default(),
                    options: self.options()?,
                    description: self.description.clone(),
                };
                sent.send(session).await?
            }
        };
        let created = answer["is_new"].as_bool().unwrap_or_default();
        let version = serde_json::from_value(answer)
            .map_err(|e| Fault::internal(format!("the server's answer: {e}")))?;
        Ok((version, created))
    }
}

/// A table on its way to the server.
pub struct Sent {
    /// The asset's name.
    pub name: String,
    /// A file, a URL, or `-`.
    pub source: String,
    /// Reading options as the server takes them.
    pub options: Value,
    /// Free text.
    pub description: String,
}

impl Sent {
    /// Sends it; the answer says whether it is new.
    pub async fn send(&self, session: &Session) -> Result<Value, Fault> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("options", &self.options.to_string()).append_pair("description", &self.description);
        let remote = self.source.starts_with("http://") || self.source.starts_with("https://");
        if remote {
            query.append_pair("url", &self.source);
        }
        let route = format!("/api/v1/data/{}/versions?{}", segment(&self.name), query.finish());
        if remote {
            return session.client.post(&route, &json!({})).await;
        }
        let file = PathBuf::from(&self.source);
        let total = std::fs::metadata(&file).ok().map(|m| m.len());
        let bar = progress::bytes(total, session.out.json());
        let told = bar.clone();
        let stream = file_stream(&file, move |sum| told.set_position(sum)).await?;
        let answer = session.client.upload(&route, stream).await;
        bar.finish_and_clear();
        answer
    }
}

/// Splits `NAME` or `NAME:VERSION`; the version is `latest` when left out.
pub fn reference(text: &str) -> (String, String) {
    match text.split_once(':') {
        Some((name, version)) => (segment(name), segment(version)),
        None => (segment(text), "latest".to_owned()),
    }
}

impl Data {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        match self {
            Self::Register(register) => {
                let (version, created) = register.carry_out(session).await?;
                session.out.value(&version, |v| registered(v, created));
                Ok(())
            }
            Self::List => {
                let assets: Vec<DataAsset> = session.client.get("/api/v1/data").await?;
                session.out.value(&assets, |assets| {
                    table(
                        &["name", "latest", "created"],
                        assets.iter().map(|a| [a.name.to_string(), a.latest.to_string(), time(a.created)]),
                    )
                });
                Ok(())
            }
            Self::Show { asset } if !asset.contains(':') => versions(session, &asset).await,
            Self::Show { asset } | Self::Profile { asset } => {
                let (name, version) = reference(&asset);
                let version: DataVersion =
                    session.client.get(&format!("/api/v1/data/{name}/versions/{version}")).await?;
                session.out.value(&version, profile);
                Ok(())
            }
            Self::Preview { asset, rows } => preview(session, &asset, rows).await,
        }
    }
}

async fn versions(session: &Session, asset: &str) -> Result<(), Fault> {
    let versions: Vec<DataVersion> =
        session.client.get(&format!("/api/v1/data/{}/versions", segment(asset))).await?;
    session.out.value(&versions, |versions| {
        let rows = versions.iter().map(|v| {
            [
                v.version.to_string(),
                v.rows.to_string(),
                v.columns.len().to_string(),
                size(v.bytes),
                time(v.created),
                v.digest.hex()[..12].to_owned(),
            ]
        });
        table(&["version", "rows", "columns", "size", "created", "sha256"], rows)
    });
    Ok(())
}

async fn preview(session: &Session, asset: &str, rows: usize) -> Result<(), Fault> {
    let (name, version) = reference(asset);
    let found: Value =
        session.client.get(&format!("/api/v1/data/{name}/versions/{version}/preview?rows={rows}")).await?;
    session.out.value(&found, |found| {
        let text = |v: &Value| v.as_str().unwrap_or("").to_owned();
        let header: Vec<String> = found["columns"].as_array().into_iter().flatten().map(text).collect();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        let rows = found["rows"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| row.as_array().into_iter().flatten().map(text).collect::<Vec<_>>());
        table(&header, rows)
    });
    Ok(())
}

/// One line about a version just registered.
pub fn registered(v: &DataVersion, created: bool) -> String {
    let what = if created { "registered" } else { "already there, equal content:" };
    if v.columns.is_empty() {
        let files = &v.format["files"];
        return format!(
            "{what} {}:{} · {files} files · {} · tree {}…",
            v.name,
            v.version,
            size(v.bytes),
            &v.digest.hex()[..12]
        );
    }
    format!(
        "{what} {}:{} · {} rows × {} columns · {} · sha256 {}…",
        v.name,
        v.version,
        v.rows,
        v.columns.len(),
        size(v.bytes),
        &v.digest.hex()[..12]
    )
}

/// The profile as a table: a line a column.
pub fn profile(v: &DataVersion) -> String {
    let columns = v.profile.get("columns").unwrap_or(&v.profile).as_array().cloned().unwrap_or_default();
    let rows = columns.iter().map(|c| {
        let field = |key: &str| c.get(key).filter(|v| !v.is_null()).map(plain).unwrap_or_default();
        [
            field("name"),
            field("type"),
            field("missing"),
            field("distinct"),
            field("min"),
            field("mean"),
            field("max"),
            shape(c),
        ]
    });
    format!(
        "{}:{} · {} rows\n{}",
        v.name,
        v.version,
        v.rows,
        table(&["column", "type", "missing", "distinct", "min", "mean", "max", "values"], rows)
    )
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(n) => n.as_f64().map(number).unwrap_or_default(),
        Value::Object(map) => map.get("count").or_else(|| map.get("value")).map(plain).unwrap_or_default(),
        other => other.to_string(),
    }
}

/// A histogram as a row of blocks, or the most frequent values.
fn shape(column: &Value) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let counts: Vec<f64> =
        column["histogram"]["counts"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    let largest = counts.iter().copied().fold(0.0, f64::max);
    if largest > 0.0 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 0 to 7")]
        return counts.iter().map(|c| BLOCKS[((c / largest) * 7.0).ceil() as usize]).collect();
    }
    let top = column["top"].as_array().into_iter().flatten().take(4);
    let shown: Vec<String> = top.map(|t| format!("{} {}", plain(&t["value"]), plain(&t["count"]))).collect();
    if shown.is_empty() { bar(0.0, 1) } else { shown.join(", ") }
}
