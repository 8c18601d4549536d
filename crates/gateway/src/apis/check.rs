//! What a policy may say, field by field: judged once, at publishing, so that what serves never meets a policy it cannot carry out.

use crate::error::{Error, Result};
use domain::template::{Piece, pieces};
use domain::{
    Addresses, ClaimRule, Cors, CountBy, HeaderAction, HeaderRule, Issuer, Policy, Quota, RateLimit,
};
use http::{HeaderName, HeaderValue, Method, header};
use std::net::IpAddr;
use std::time::Duration;

/// Entries of a list at most, and of a list of addresses.
const ITEMS_MAX: usize = 32;
const ADDRESSES_MAX: usize = 1024;
/// Bytes of a text, and of a header's value.
const TEXT_MAX: usize = 512;
const VALUE_MAX: usize = 4096;
/// The longest a preflight may be remembered, and a call may take.
const MAX_AGE: u32 = 86_400;
const TIMEOUT: Duration = Duration::from_secs(86_400);

/// Headers that belong to a connection or frame a message (RFC 9110 §7.6.1, RFC 9112 §6): no policy sets them.
const FRAMING: [&str; 13] = [
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers of answers by which the server keeps its own promises.
const OWN: [&str; 6] = [
    "content-security-policy",
    "referrer-policy",
    "retry-after",
    "strict-transport-security",
    "www-authenticate",
    "x-content-type-options",
];

/// Headers that begin with x- and mean something to the server.
const TRACED: [&str; 6] = [
    "x-client-request-id",
    "x-content-type-options",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-ms-client-request-id",
    "x-request-id",
];

/// The server's own limits, which no policy widens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// `limits.body_bytes`.
    pub body_bytes: u64,
    /// `endpoint.rows`.
    pub rows: u64,
}

/// A field and what is wrong with it.
type Fit = std::result::Result<(), (String, String)>;

/// Judges every field; the message names the one that is wrong.
pub(crate) fn check_policy(path: &str, policy: &Policy, bounds: Bounds) -> Result<()> {
    if policy.audiences.is_empty() && !policy.any_audience {
        return Err(Error::NoAudience);
    }
    let parts = [
        who(policy),
        refusal(policy),
        limits(policy, bounds),
        addresses(&policy.addresses),
        policy
            .cors
            .as_ref()
            .map_or(Ok(()), |cors| check_cors(cors).map_err(|(field, why)| (format!("cors.{field}"), why))),
        headers(policy),
    ];
    let wrong = |(field, why)| Error::Field { path: path.to_owned(), field, why };
    parts.into_iter().collect::<Fit>().map_err(wrong)
}

fn wrong(field: impl Into<String>, why: impl Into<String>) -> Fit {
    Err((field.into(), why.into()))
}

fn text(field: &str, text: &str) -> Fit {
    if text.trim().is_empty() || text.len() > TEXT_MAX || text.chars().any(char::is_control) {
        return wrong(field, format!("write a text of 1 to {TEXT_MAX} bytes in one line"));
    }
    Ok(())
}

fn few(field: &str, count: usize, most: usize) -> Fit {
    if count > most { wrong(field, format!("{count} entries, at most {most} are taken")) } else { Ok(()) }
}

fn who(policy: &Policy) -> Fit {
    few("issuers", policy.issuers.len(), ITEMS_MAX)?;
    if policy.issuers.is_empty() {
        return wrong(
            "issuers",
            "it is empty, so no token would pass: write built_in, or a registered issuer",
        );
    }
    for (at, issuer) in policy.issuers.iter().enumerate() {
        if let Issuer::External(url) = issuer {
            text(&format!("issuers[{at}]"), url)?;
        }
    }
    few("audiences", policy.audiences.len(), ITEMS_MAX)?;
    if policy.any_audience && !policy.audiences.is_empty() {
        return wrong("any_audience", "audiences are named besides: choose one");
    }
    for (at, audience) in policy.audiences.iter().enumerate() {
        let field = format!("audiences[{at}]");
        text(&field, audience)?;
        // A token of the control plane must not score, nor one for scoring be of use for two things.
        if audience == crate::CONTROL_AUDIENCE {
            return wrong(field, "the control plane's audience cannot be that of an API");
        }
    }
    few("required_claims", policy.required_claims.len(), ITEMS_MAX)?;
    for (at, rule) in policy.required_claims.iter().enumerate() {
        claim(&format!("required_claims[{at}]"), rule)?;
    }
    Ok(())
}

fn claim(field: &str, rule: &ClaimRule) -> Fit {
    text(&format!("{field}.claim"), &rule.claim)?;
    few(&format!("{field}.values"), rule.values.len(), ITEMS_MAX)?;
    if rule.values.is_empty() {
        return wrong(format!("{field}.values"), "it is empty: write at least one value");
    }
    for (at, value) in rule.values.iter().enumerate() {
        text(&format!("{field}.values[{at}]"), value)?;
    }
    if rule.separator.as_ref().is_some_and(|s| s.is_empty() || s.len() > 8) {
        return wrong(format!("{field}.separator"), "write 1 to 8 bytes, or leave it out");
    }
    Ok(())
}

fn refusal(policy: &Policy) -> Fit {
    if policy.clock_skew.is_some_and(|skew| skew > 120) {
        return wrong("clock_skew", "write 0 to 120 seconds: set the clocks right instead");
    }
    if policy.refused_status.is_some_and(|status| !(400..500).contains(&status)) {
        return wrong("refused_status", "write a status from 400 to 499");
    }
    policy.refused_message.as_ref().map_or(Ok(()), |message| text("refused_message", message))
}

fn limits(policy: &Policy, bounds: Bounds) -> Fit {
    few("rate_limits", policy.rate_limits.len(), ITEMS_MAX)?;
    for (at, limit) in policy.rate_limits.iter().enumerate() {
        rate(&format!("rate_limits[{at}]"), limit)?;
    }
    few("quotas", policy.quotas.len(), ITEMS_MAX)?;
    for (at, limit) in policy.quotas.iter().enumerate() {
        quota(&format!("quotas[{at}]"), limit)?;
    }
    if policy.concurrency == Some(0) {
        return wrong("concurrency", "0 lets nobody in: write 1 or more");
    }
    for (field, value, most, setting) in [
        ("body_bytes", policy.body_bytes, bounds.body_bytes, "limits.body_bytes"),
        ("rows", policy.rows, bounds.rows, "endpoint.rows"),
    ] {
        if value.is_some_and(|value| value == 0 || value > most) {
            return wrong(field, format!("write 1 to {most}, which is {setting}"));
        }
    }
    if policy.timeout.is_some_and(|span| span.0.is_zero() || span.0 > TIMEOUT) {
        return wrong("timeout", "write 1ms to 24h");
    }
    Ok(())
}

fn rate(field: &str, limit: &RateLimit) -> Fit {
    if limit.calls == 0 {
        return wrong(format!("{field}.calls"), "0 lets nobody in: write 1 or more");
    }
    if !(Duration::from_secs(1)..=Duration::from_secs(300)).contains(&limit.per.0) {
        return wrong(format!("{field}.per"), "write 1s to 300s; a longer span is a quota");
    }
    count_by(field, &limit.by)
}

fn quota(field: &str, quota: &Quota) -> Fit {
    if quota.calls.is_none() && quota.kilobytes.is_none() {
        return wrong(field, "it limits nothing: write calls or kilobytes");
    }
    if quota.calls == Some(0) || quota.kilobytes == Some(0) {
        return wrong(field, "0 lets nobody in: write 1 or more");
    }
    if !quota.per.0.is_zero() && quota.per.0 < Duration::from_secs(300) {
        return wrong(
            format!("{field}.per"),
            "write 300s or more, or 0s for ever; a shorter span is a rate limit",
        );
    }
    count_by(field, &quota.by)
}

fn count_by(field: &str, by: &CountBy) -> Fit {
    let field = format!("{field}.by");
    match by {
        CountBy::Claim(name) => text(&field, name),
        CountBy::Header(name) if name.eq_ignore_ascii_case("authorization") => wrong(
            field,
            "a count by the token's text begins anew with every token: write caller or claim:sub",
        ),
        CountBy::Header(name) => match HeaderName::from_bytes(name.as_bytes()) {
            Ok(_) => Ok(()),
            Err(_) => wrong(field, format!("'{name}' is no header")),
        },
        CountBy::Caller | CountBy::Subscription | CountBy::Address | CountBy::Api => Ok(()),
    }
}

fn addresses(addresses: &Addresses) -> Fit {
    for (field, list) in [("addresses.allow", &addresses.allow), ("addresses.forbid", &addresses.forbid)] {
        few(field, list.len(), ADDRESSES_MAX)?;
        for (at, one) in list.iter().enumerate() {
            check_address(one).map_err(|why| (format!("{field}[{at}]"), why))?;
        }
    }
    Ok(())
}

/// An address, `10.0.0.0/8`, or `10.0.0.1-10.0.0.9`.
pub(crate) fn check_address(text: &str) -> std::result::Result<(), String> {
    let address = |text: &str| text.trim().parse::<IpAddr>().ok();
    let good = if let Some((from, to)) = text.split_once('-') {
        let pair = (address(from), address(to));
        matches!(pair, (Some(from), Some(to)) if from.is_ipv4() == to.is_ipv4() && from <= to)
    } else if let Some((base, length)) = text.split_once('/') {
        let most = address(base).map(|ip| if ip.is_ipv4() { 32 } else { 128 });
        most.is_some_and(|most| length.parse::<u8>().is_ok_and(|length| length <= most))
    } else {
        address(text).is_some()
    };
    if good {
        return Ok(());
    }
    let short: String = text.chars().take(80).collect();
    Err(format!("'{short}' is no address: write 10.0.0.1, 10.0.0.0/8 or 10.0.0.1-10.0.0.9"))
}

/// The field is relative to `cors`.
pub(crate) fn check_cors(cors: &Cors) -> std::result::Result<(), (&'static str, String)> {
    if cors.origins.is_empty() {
        return Err(("origins", "it is empty: name an origin, or leave cors out".to_owned()));
    }
    let lists = [&cors.origins, &cors.methods, &cors.headers, &cors.expose];
    for (field, list) in ["origins", "methods", "headers", "expose"].into_iter().zip(lists) {
        few(field, list.len(), ITEMS_MAX).map_err(|(_, why)| (field, why))?;
    }
    let any = cors.origins.iter().any(|origin| origin == "*");
    if any && cors.credentials {
        return Err(("credentials", "never together with the origin '*': name the origins".to_owned()));
    }
    if let Some(bad) = cors.origins.iter().find(|origin| *origin != "*" && !is_origin(origin)) {
        return Err(("origins", format!("'{bad}' is no origin: write https://host[:port], or *")));
    }
    let methods = [Method::GET, Method::POST, Method::HEAD, Method::OPTIONS];
    if let Some(bad) =
        cors.methods.iter().find(|method| !methods.iter().any(|known| known == method.as_str()))
    {
        return Err(("methods", format!("'{bad}' is no method of an API: write GET, POST, HEAD or OPTIONS")));
    }
    for (field, list) in [("headers", &cors.headers), ("expose", &cors.expose)] {
        if let Some(bad) = list.iter().find(|name| HeaderName::from_bytes(name.as_bytes()).is_err()) {
            return Err((field, format!("'{bad}' is no header")));
        }
    }
    if cors.max_age.is_some_and(|age| age > MAX_AGE) {
        return Err(("max_age", format!("write at most {MAX_AGE} seconds")));
    }
    Ok(())
}

/// Scheme, host and port, nothing behind them (RFC 6454 §6.2).
fn is_origin(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text
    })
}

fn headers(policy: &Policy) -> Fit {
    for (field, rules, request) in [
        ("request_headers", &policy.request_headers, true),
        ("response_headers", &policy.response_headers, false),
    ] {
        few(field, rules.len(), ITEMS_MAX)?;
        for (at, rule) in rules.iter().enumerate() {
            check_header(rule, request).map_err(|why| (format!("{field}[{at}]"), why))?;
        }
    }
    forwarded(policy)
}

/// Headers that carry claims: of their own, none that means something else.
fn forwarded(policy: &Policy) -> Fit {
    few("forward_claims", policy.forward_claims.len(), ITEMS_MAX)?;
    for (name, claim) in &policy.forward_claims {
        let short: String = name.chars().take(80).collect();
        let field = format!("forward_claims.{short}");
        text(&field, claim)?;
        let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
            return wrong(field, format!("'{short}' is no header"));
        };
        let standard = !header.as_str().starts_with("x-");
        if standard || TRACED.contains(&header.as_str()) {
            return wrong(field, "a claim goes in a header of its own: one that begins with x-, as x-caller");
        }
        if policy.request_headers.iter().any(|rule| rule.name.eq_ignore_ascii_case(name)) {
            return wrong(field, "request_headers changes the same header: leave it out there");
        }
    }
    Ok(())
}

/// One rule for headers of the request, or of the answer.
pub(crate) fn check_header(rule: &HeaderRule, request: bool) -> std::result::Result<(), String> {
    let short: String = rule.name.chars().take(80).collect();
    let name = HeaderName::from_bytes(rule.name.as_bytes()).map_err(|_| format!("'{short}' is no header"))?;
    if FRAMING.contains(&name.as_str()) {
        return Err(format!(
            "'{name}' belongs to the connection or frames the message: no policy changes it"
        ));
    }
    if !request && (OWN.contains(&name.as_str()) || name.as_str().starts_with("access-control-")) {
        return Err(format!(
            "'{name}' of an answer is the server's own: no policy changes it (CORS has a part of its own)"
        ));
    }
    let delete = rule.action == HeaderAction::Delete;
    if delete != rule.values.is_empty() {
        return Err(format!("'{name}': a header to delete has no value, every other has at least one"));
    }
    if rule.values.len() > ITEMS_MAX {
        return Err(format!("'{name}' has {} values, at most {ITEMS_MAX} are taken", rule.values.len()));
    }
    for value in &rule.values {
        check_value(&name, value)?;
    }
    if name != header::AUTHORIZATION {
        return Ok(());
    }
    if !request {
        return Err("'authorization' is no header of an answer".to_owned());
    }
    let named =
        |value: &String| pieces(value).unwrap_or_default().iter().any(|p| matches!(p, Piece::Named(_)));
    match rule.action {
        HeaderAction::Delete => Ok(()),
        HeaderAction::Override if rule.values.len() == 1 && rule.values.iter().all(named) => Ok(()),
        HeaderAction::Override => {
            Err("'authorization' holds a key, and policies are shown to readers: keep it with \
             `secret set NAME` and write one value with {{NAME}}"
                .to_owned())
        }
        HeaderAction::Skip | HeaderAction::Append => {
            Err("'authorization' is only overridden or deleted: the caller's token never goes on".to_owned())
        }
    }
}

fn check_value(name: &HeaderName, value: &str) -> std::result::Result<(), String> {
    if value.len() > VALUE_MAX {
        return Err(format!("'{name}' has a value of more than {VALUE_MAX} bytes"));
    }
    for piece in pieces(value).map_err(|why| format!("'{name}': {why}"))? {
        if let Piece::Text(text) = piece
            && HeaderValue::from_str(text).is_err()
        {
            return Err(format!("'{name}' has a value with a line break or a character that is not ASCII"));
        }
    }
    Ok(())
}
