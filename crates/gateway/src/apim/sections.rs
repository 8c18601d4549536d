//! The root, its four sections, and which element goes where.

use super::element::{Element, File};
use super::{Result, Trusted, Wrong, cors, headers, jwt, limits};
use domain::Policy;
use std::collections::BTreeSet;

/// The four sections of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Inbound,
    Backend,
    Outbound,
    OnError,
}

use Section::{Backend, Inbound, OnError, Outbound};

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub policy: Policy,
    pub trusted: Vec<(usize, Trusted)>,
    pub listed: Vec<(usize, String)>,
    pub notes: Vec<String>,
    /// What `output-token-variable-name` says.
    pub variable: Option<String>,
    /// Elements that may stand once.
    once: BTreeSet<&'static str>,
}

/// Reads a file from its root.
pub(super) fn read(file: &File<'_>) -> Result<Read> {
    let mut read = Read::default();
    read.policy.issuers.clear();
    let root = file.root();
    if root.name() != "policies" {
        return Err(root.wrong("is no policy of an API: the root is <policies>"));
    }
    root.attributes(&[])?;
    let mut seen = BTreeSet::new();
    for child in root.children()? {
        let section = match child.name() {
            "inbound" => Inbound,
            "backend" => Backend,
            "outbound" => Outbound,
            "on-error" => OnError,
            _ => {
                return Err(child.wrong(
                    "is no section of a policy: there are <inbound>, <backend>, <outbound> and <on-error>",
                ));
            }
        };
        if !seen.insert(child.name()) {
            return Err(child.wrong("stands there twice: join the two"));
        }
        child.attributes(&[])?;
        let statements = child.children()?;
        if section == Backend && statements.is_empty() {
            return Err(child.wrong("is empty, so nothing would be scored: write <base /> into it"));
        }
        for statement in &statements {
            take(statement, section, &mut read)?;
        }
    }
    finish(file, &mut read)?;
    Ok(read)
}

/// The elements that are carried out, and where they may stand.
const KNOWN: [(&str, &[Section]); 13] = [
    ("base", &[Inbound, Backend, Outbound, OnError]),
    ("validate-jwt", &[Inbound]),
    ("set-header", &[Inbound, Backend, Outbound]),
    ("rate-limit", &[Inbound]),
    ("rate-limit-by-key", &[Inbound]),
    ("quota", &[Inbound]),
    ("quota-by-key", &[Inbound]),
    ("limit-concurrency", &[Inbound, Backend]),
    ("ip-filter", &[Inbound]),
    ("cors", &[Inbound]),
    ("validate-client-certificate", &[Inbound]),
    ("validate-content", &[Inbound]),
    ("forward-request", &[Backend]),
];

/// Elements that may stand once in a file.
const ONCE: [&str; 6] = [
    "validate-jwt",
    "limit-concurrency",
    "cors",
    "validate-client-certificate",
    "validate-content",
    "forward-request",
];

/// What to do instead of some elements that people have.
const INSTEAD: [(&str, &str); 6] = [
    ("set-backend-service", "the endpoint behind an API is named with --endpoint: take the element out"),
    ("check-header", "required request headers are not supported: demand a claim in <validate-jwt> instead"),
    ("set-body", "bodies go through unchanged: take the element out"),
    ("set-query-parameter", "queries go through unchanged: take the element out"),
    ("rewrite-uri", "paths are those of the endpoint: take the element out"),
    ("include-fragment", "write the fragment's elements into the file itself"),
];

/// Takes one element of a section in.
pub(super) fn take(element: &Element<'_>, section: Section, read: &mut Read) -> Result<()> {
    let name = element.name();
    let Some((known, sections)) = KNOWN.iter().find(|(known, _)| *known == name) else {
        let instead = INSTEAD.iter().find(|(known, _)| *known == name);
        let instead =
            instead.map_or("take it out, or see docs/guides/gateway.md for what is", |(_, instead)| instead);
        return Err(element.wrong(format_args!("is not supported: {instead}")));
    };
    if !sections.contains(&section) {
        let places: Vec<&str> = sections.iter().map(|s| section_name(*s)).collect();
        return Err(element.wrong(format_args!(
            "does not belong into {}: write it into {}",
            section_name(section),
            places.join(" or ")
        )));
    }
    if ONCE.contains(known) && !read.once.insert(known) {
        return Err(element.wrong("stands there twice: one is carried out, so join the two"));
    }
    match *known {
        "base" => element.attributes(&[]).and_then(|()| element.empty()),
        "validate-jwt" => jwt::read(element, read),
        "set-header" => headers::read(element, section, read),
        "rate-limit" => limits::rate(element, read, false),
        "rate-limit-by-key" => limits::rate(element, read, true),
        "quota" => limits::quota(element, read, false),
        "quota-by-key" => limits::quota(element, read, true),
        "limit-concurrency" => limits::concurrency(element, section, read),
        "ip-filter" => limits::addresses(element, read),
        "cors" => cors::read(element, read),
        "validate-client-certificate" => limits::certificate(element, read),
        "validate-content" => limits::content(element, read),
        _ => limits::forward(element, read),
    }
}

fn section_name(section: Section) -> &'static str {
    match section {
        Inbound => "<inbound>",
        Backend => "<backend>",
        Outbound => "<outbound>",
        OnError => "<on-error>",
    }
}

/// Audiences, and what should be said aloud.
fn finish(file: &File<'_>, read: &mut Read) -> Result<()> {
    let options = file.options;
    let root = file.root();
    for name in options.set.keys().filter(|name| *name != "tenant_id") {
        if !file.used.borrow().contains(name) {
            return Err(Wrong::new(
                0,
                format!("--set {name}: the file has no '{{{name}}}': take the flag out"),
            ));
        }
    }
    let policy = &mut read.policy;
    if !policy.audiences.is_empty() {
        if options.any_audience || !options.audiences.is_empty() {
            return Err(root.wrong("names its audiences itself: leave --audience and --any-audience out"));
        }
    } else if options.any_audience && options.audiences.is_empty() {
        policy.any_audience = true;
    } else if options.audiences.is_empty() {
        return Err(root.wrong(
            "names no audience, so every token of its issuers would pass: give --audience A beside it, or --any-audience",
        ));
    } else if options.any_audience {
        return Err(root.wrong("is given both --audience and --any-audience: choose one"));
    } else {
        policy.audiences.clone_from(&options.audiences);
    }
    if !read.once.contains("validate-jwt") {
        read.notes.push(
            "the file has no <validate-jwt>: callers bring a token of the built-in token service all the same".to_owned(),
        );
    }
    Ok(())
}
