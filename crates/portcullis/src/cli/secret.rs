//! `secret set|list|show|delete`: named values that policies write as `{{NAME}}`.

use crate::client::segment;
use crate::session::Session;
use crate::show::{table, time};
use clap::{Args, Subcommand};
use domain::{Fault, NamedValue};
use gateway::SetNamedValue;
use http::Method;
use serde_json::{Value, json};
use std::io::{IsTerminal, Read};
use std::path::PathBuf;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Secret {
    /// Set a named value from a file or standard input; policies that name it follow at once
    Set(Set),
    /// List named values; secret ones without their content
    List,
    /// Show the content of a named value that is not secret
    Show {
        /// The name
        name: String,
    },
    /// Delete a named value; refused while a policy names it
    Delete {
        /// The name
        name: String,
    },
}

/// `secret set`.
#[derive(Debug, Args)]
pub struct Set {
    /// The name, as it stands in {{NAME}}
    pub name: String,
    /// A file with the content, one line; standard input when left out
    #[arg(long, value_name = "FILE")]
    pub value_file: Option<PathBuf>,
    /// Not secret: may be shown again, and may stand in other parts of a policy than headers
    #[arg(long)]
    pub plain: bool,
}

/// The most bytes that are read; the server says what a content may be.
const READ_MAX: u64 = 64 * 1024;

impl Set {
    /// The content without the line break at its end.
    fn content(&self) -> Result<String, Fault> {
        let mut text = String::new();
        match &self.value_file {
            Some(file) => {
                let named = |e: std::io::Error| Fault::invalid(format!("{}: {e}", file.display()));
                std::fs::File::open(file)
                    .and_then(|f| f.take(READ_MAX).read_to_string(&mut text))
                    .map_err(named)?;
            }
            None => {
                let stdin = std::io::stdin();
                if stdin.is_terminal() {
                    return Err(Fault::invalid(
                        "give the content with --value-file FILE or on standard input",
                    ));
                }
                stdin
                    .take(READ_MAX)
                    .read_to_string(&mut text)
                    .map_err(|e| Fault::invalid(format!("standard input: {e}")))?;
            }
        }
        let end = text.strip_suffix('\n').map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t)).len();
        text.truncate(end);
        Ok(text)
    }
}

fn route(name: &str) -> String {
    format!("/api/v1/secrets/{}", segment(name))
}

fn row(value: &NamedValue) -> [String; 3] {
    let content = if value.secret { "(secret)".to_owned() } else { value.value.clone().unwrap_or_default() };
    [value.name.to_string(), content, time(value.updated)]
}

impl Secret {
    /// Carries the verb out.
    pub async fn run(self, session: &Session) -> Result<(), Fault> {
        let client = &session.client;
        match self {
            Self::Set(set) => {
                let body = SetNamedValue { value: set.content()?, plain: set.plain };
                let made: NamedValue = client.send(Method::PUT, &route(&set.name), &body).await?;
                session.out.value(&made, |made| {
                    let kind = if made.secret { "secret" } else { "plain" };
                    format!("set {} ({kind}); policies that name it follow at once", made.name)
                });
            }
            Self::List => {
                let all: Vec<NamedValue> = client.get("/api/v1/secrets").await?;
                session.out.value(&all, |all| table(&["name", "content", "set"], all.iter().map(row)));
            }
            Self::Show { name } => {
                let value: NamedValue = client.get(&route(&name)).await?;
                if value.secret {
                    return Err(Fault::conflict(format!("'{name}' is secret: its content is never shown")));
                }
                session.out.value(&value, |value| value.value.clone().unwrap_or_default());
            }
            Self::Delete { name } => {
                client.quiet(Method::DELETE, &route(&name), None::<&Value>).await?;
                session.out.value(&json!({ "deleted": name }), |_| format!("deleted the named value {name}"));
            }
        }
        Ok(())
    }
}
