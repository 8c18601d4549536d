//! Policy files of API Management as they are: XML in, one declarative [`Policy`] out. What a file says and this gateway does not
//! do is refused by element, attribute, line and column; nothing is skipped.
//!
//! Elements and their meaning: the vendor's policy reference. Named values `{{NAME}}` in header values stay in the policy and are
//! resolved when it is loaded; everywhere else they are put in here. `{name}` in single braces is the caller's own template.

mod cors;
mod counters;
mod element;
mod headers;
mod jwt;
mod limits;
mod sections;
mod source;
mod urls;
mod values;

#[cfg(test)]
mod tests;

use domain::{Fault, NamedValue, Policy};
use std::collections::BTreeMap;
use std::fmt;

pub use urls::{UrlMap, Urls};

/// Bytes of a policy file at most; the vendor's own limit.
pub const XML_MAX: usize = 256 * 1024;

/// What goes with a file.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// Audiences for a file that names none.
    pub audiences: Vec<String>,
    /// Takes tokens for any audience, when the file names none.
    pub any_audience: bool,
    /// What stands for `{name}` in single braces.
    pub set: BTreeMap<String, String>,
    /// The named values there are; the contents of secret ones are not among them.
    pub named_values: Vec<NamedValue>,
    /// Where cloud URLs lead, and which are our own.
    pub urls: Urls,
}

/// A place in the file, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Whose keys a `validate-jwt` trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trusted {
    /// The built-in token service.
    BuiltIn,
    /// Whoever answers at a discovery URL, as it is after mapping.
    Discovery {
        /// The URL.
        url: String,
        /// Whether plain http is meant: only where the operator's own map leads to loopback.
        loopback_http: bool,
    },
    /// The text of a JWK set made of `issuer-signing-keys`.
    Keys(String),
}

/// What a file says.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The policy; its issuers are empty until `trusted` and `listed` are looked up.
    pub policy: Policy,
    /// Where keys come from, in the file's order; empty when the file has no `validate-jwt`, or one with `issuers` alone.
    pub trusted: Vec<(Place, Trusted)>,
    /// The texts of `issuer` elements, after mapping; with any, no other issuer passes.
    pub listed: Vec<(Place, String)>,
    /// What whoever imports should know.
    pub notes: Vec<String>,
}

/// What is wrong, and where, in bytes from the beginning.
#[derive(Debug)]
struct Wrong {
    at: usize,
    text: String,
}

type Result<T, E = Wrong> = std::result::Result<T, E>;

impl Wrong {
    fn new(at: usize, text: impl Into<String>) -> Self {
        Self { at, text: text.into() }
    }
}

/// Reads a policy file.
pub fn import(xml: &str, options: &ImportOptions) -> std::result::Result<Imported, Fault> {
    let masked = source::mask(xml).map_err(|wrong| fault(source::place(xml, wrong.at), &wrong.text))?;
    let tree = source::parse(&masked)?;
    let file = element::File::new(xml, &tree, options);
    let place = |at| source::place(xml, at);
    let read = sections::read(&file).map_err(|wrong| fault(place(wrong.at), &wrong.text))?;
    Ok(Imported {
        policy: read.policy,
        trusted: read.trusted.into_iter().map(|(at, trusted)| (place(at), trusted)).collect(),
        listed: read.listed.into_iter().map(|(at, issuer)| (place(at), issuer)).collect(),
        notes: read.notes,
    })
}

/// A refusal with its place before it.
pub(crate) fn fault(place: Place, text: &str) -> Fault {
    Fault::invalid(format!("{place}: {text}"))
}
