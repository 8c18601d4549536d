//! What calls are counted by: the few expressions that are common in `counter-key`, read, never run.
//!
//! White space and `?.` for `.` make no difference, and neither does a default, as `?? "anonymous"` or a second argument.
//!
//! | expression | counted by |
//! |---|---|
//! | `context.Subscription.Id`, `.Key` | subscription |
//! | `context.Request.IpAddress` | address |
//! | `context.Api.Id`, `.Name`; a constant | api |
//! | `context.Request.Headers.GetValueOrDefault("X", "")` | header X |
//! | `context.Request.Headers.GetValueOrDefault("Authorization", "").AsJwt().Subject` | claim `sub` |
//! | `… .AsJwt().Claims.GetValueOrDefault("C", "")`, `… .AsJwt().Claims["C"].FirstOrDefault()` | claim C |
//! | `((Jwt)context.Variables["V"]).Subject` and `.Claims…`, with V of `output-token-variable-name` | claim |

use super::Result;
use super::values::Value;
use domain::CountBy;

/// What is told when an expression is none of these.
const KNOWN: &str = "is no expression that is read here: count by context.Subscription.Id, context.Request.IpAddress, context.Api.Id, \
     context.Request.Headers.GetValueOrDefault(\"X\", \"\"), its .AsJwt()?.Subject or .AsJwt()?.Claims.GetValueOrDefault(\"C\", \"\"), \
     or by a constant";

/// Reads a counter key. `variable` is the name that `validate-jwt` gives its token.
pub(super) fn count_by(key: &Value, variable: Option<&str>) -> Result<CountBy> {
    let text = key.text.trim();
    if text.is_empty() {
        return Err(key.wrong("is empty: write what is counted"));
    }
    if !text.starts_with('@') {
        return Ok(CountBy::Api);
    }
    let inner = text.strip_prefix("@(").and_then(|rest| rest.strip_suffix(')'));
    let by = inner.and_then(reduce).and_then(|(shape, words)| known(&shape, &words, variable));
    by.ok_or_else(|| key.wrong(format_args!("'{}' {KNOWN}", key.short())))
}

/// The expression without white space and with `$` for each string, and the strings.
fn reduce(text: &str) -> Option<(String, Vec<String>)> {
    let (mut shape, mut words) = (String::new(), Vec::new());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                let mut word = String::new();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => return None,
                        c => word.push(c),
                    }
                }
                words.push(word);
                shape.push('$');
            }
            '$' => return None,
            c if c.is_whitespace() => {}
            c => shape.push(c),
        }
    }
    let shape = shape.replace("?.", ".");
    Some((shape.strip_suffix("??$").unwrap_or(&shape).to_owned(), words))
}

fn known(shape: &str, words: &[String], variable: Option<&str>) -> Option<CountBy> {
    match shape {
        "context.Subscription.Id" | "context.Subscription.Key" => return Some(CountBy::Subscription),
        "context.Request.IpAddress" => return Some(CountBy::Address),
        "context.Api.Id" | "context.Api.Name" => return Some(CountBy::Api),
        _ => {}
    }
    const HEADERS: &str = "context.Request.Headers.GetValueOrDefault";
    if let Some(rest) = shape.strip_prefix(HEADERS) {
        let (behind, used) = match rest.strip_prefix("($,$)") {
            Some(behind) => (behind, 2),
            None => (rest.strip_prefix("($)")?, 1),
        };
        let credential = words[0].eq_ignore_ascii_case("Authorization");
        // A count by the credential's text would begin anew with every token.
        return match behind.strip_prefix(".AsJwt()") {
            Some(member) if credential => claim(member, &words[used..]),
            None if behind.is_empty() && !credential && is_token(&words[0]) => {
                Some(CountBy::Header(words[0].to_ascii_lowercase()))
            }
            _ => None,
        };
    }
    let member = shape.strip_prefix("((Jwt)context.Variables[$])")?;
    (variable.is_some() && words.first().map(String::as_str) == variable).then_some(())?;
    claim(member, &words[1..])
}

fn claim(member: &str, words: &[String]) -> Option<CountBy> {
    let name = match member {
        ".Subject" => "sub",
        ".Claims.GetValueOrDefault($)"
        | ".Claims.GetValueOrDefault($,$)"
        | ".Claims[$].FirstOrDefault()"
        | ".Claims[$][0]" => words.first()?,
        _ => return None,
    };
    (!name.is_empty()).then(|| CountBy::Claim(name.to_owned()))
}

/// A header's name (RFC 9110 §5.6.2).
fn is_token(text: &str) -> bool {
    http::HeaderName::from_bytes(text.as_bytes()).is_ok()
}
