//! How often, how much, from where: rates, quotas, concurrency, addresses, certificates, sizes, time.

use super::Result;
use super::counters::count_by;
use super::element::Element;
use super::sections::{Read, Section, take};
use domain::{CountBy, Quota, RateLimit, Span};
use std::time::Duration;

/// What our answers carry already.
const COUNT_HEADERS: &str =
    "is not supported: a limited answer carries RateLimit, RateLimit-Policy and Retry-After";

fn seconds(number: u64) -> Span {
    Span(Duration::from_secs(number))
}

/// What is counted, by an attribute or by the subscription.
fn by(element: &Element<'_>, read: &Read, keyed: bool) -> Result<CountBy> {
    if !keyed {
        if let Some(child) = element.children()?.first() {
            return Err(
                child.wrong("limits a single API or operation: publish that one with a policy of its own")
            );
        }
        return Ok(CountBy::Subscription);
    }
    element.empty()?;
    if element.has("increment-condition") {
        return Err(element.wrong(
            "has an increment-condition, which is an expression: every call is counted, take it out",
        ));
    }
    element.only("increment-count", &["1"], "is not supported: every call counts once")?;
    count_by(&element.expression("counter-key")?, read.variable.as_deref())
}

pub(super) fn rate(element: &Element<'_>, read: &mut Read, keyed: bool) -> Result<()> {
    let common = ["calls", "renewal-period", "retry-after-header-name"];
    let more = ["counter-key", "increment-condition", "increment-count"];
    let known: Vec<&str> = common.into_iter().chain(more.into_iter().filter(|_| keyed)).collect();
    element.attributes(&known)?;
    element.only("retry-after-header-name", &["Retry-After"], COUNT_HEADERS)?;
    let calls = element.need("calls")?.number(1, u64::MAX)?;
    let per = seconds(element.need("renewal-period")?.number(1, 300)?);
    let by = by(element, read, keyed)?;
    read.policy.rate_limits.push(RateLimit { calls, per, by });
    Ok(())
}

pub(super) fn quota(element: &Element<'_>, read: &mut Read, keyed: bool) -> Result<()> {
    let common = ["calls", "bandwidth", "renewal-period"];
    let more = ["counter-key", "increment-condition", "increment-count"];
    let known: Vec<&str> = common.into_iter().chain(more.into_iter().filter(|_| keyed)).collect();
    element.attributes(&known)?;
    let calls = element.get("calls")?.map(|calls| calls.number(1, u64::MAX)).transpose()?;
    let kilobytes = element.get("bandwidth")?.map(|kilobytes| kilobytes.number(1, u64::MAX)).transpose()?;
    if calls.is_none() && kilobytes.is_none() {
        return Err(element.wrong("limits nothing: write calls or bandwidth"));
    }
    let period = element.need("renewal-period")?;
    let per = match period.number(0, u64::MAX)? {
        0 => seconds(0),
        _ => seconds(period.number(300, u64::MAX / 1000)?),
    };
    let by = by(element, read, keyed)?;
    read.policy.quotas.push(Quota { calls, kilobytes, per, by });
    Ok(())
}

/// `limit-concurrency`: what it wraps is read as if it stood beside it; the whole call is counted.
pub(super) fn concurrency(element: &Element<'_>, section: Section, read: &mut Read) -> Result<()> {
    element.attributes(&["key", "max-count"])?;
    let key = element.expression("key")?;
    if count_by(&key, None).ok() != Some(CountBy::Api) {
        return Err(key.wrong(format_args!(
            "'{}' is not supported: calls at the same time are counted over the whole API, so write a constant",
            key.short()
        )));
    }
    let most = element.need("max-count")?.number(1, 1_000_000)?;
    read.policy.concurrency = u32::try_from(most).ok();
    for child in element.children()? {
        take(&child, section, read)?;
    }
    Ok(())
}

pub(super) fn addresses(element: &Element<'_>, read: &mut Read) -> Result<()> {
    element.attributes(&["action"])?;
    let action = element.need("action")?;
    let mut found = Vec::new();
    for child in element.children()? {
        let (value, text) = match child.name() {
            "address" => {
                child.attributes(&[])?;
                let value = child.text()?;
                let text = value.text.clone();
                (value, text)
            }
            "address-range" => {
                child.attributes(&["from", "to"])?;
                child.empty()?;
                let from = child.need("from")?;
                let text = format!("{}-{}", from.text.trim(), child.need("to")?.text.trim());
                (from, text)
            }
            _ => {
                return Err(
                    child.wrong("does not belong into <ip-filter>: write <address> or <address-range>")
                );
            }
        };
        crate::apis::check_address(&text).map_err(|why| value.wrong(why))?;
        found.push(text);
    }
    if found.is_empty() {
        return Err(element.wrong("names no address: write an <address> or an <address-range> into it"));
    }
    let addresses = &mut read.policy.addresses;
    match action.text.trim() {
        "forbid" => addresses.forbid.extend(found),
        // Two filters that allow would both have to; ours is one list.
        "allow" if !addresses.allow.is_empty() => {
            return Err(
                element.wrong("is the second that allows: write one with the addresses that both allow")
            );
        }
        "allow" => addresses.allow = found,
        _ => return Err(action.wrong(format_args!("'{}': write allow or forbid", action.short()))),
    }
    Ok(())
}

pub(super) fn certificate(element: &Element<'_>, read: &mut Read) -> Result<()> {
    let checked = ["validate-trust", "validate-not-before", "validate-not-after"];
    let known: Vec<&str> = checked.into_iter().chain(["validate-revocation", "ignore-error"]).collect();
    element.attributes(&known)?;
    for name in checked {
        element.only(
            name,
            &["true"],
            "is not supported: the listener always checks a certificate's chain and dates",
        )?;
    }
    element.only("ignore-error", &["false"], "is not supported: a wrong certificate never passes")?;
    // Left out it is true, and nobody here reads revocation lists.
    let revocation = element.get("validate-revocation")?.map_or(Ok(true), |value| value.boolean())?;
    if revocation {
        return Err(element.wrong(
            "asks for revocation lists, which are not read here: write validate-revocation=\"false\" and give certificates short lives",
        ));
    }
    if let Some(child) = element.children()?.first() {
        return Err(child.wrong("is not supported: any certificate of the listener's authority passes"));
    }
    read.policy.client_certificate = true;
    Ok(())
}

pub(super) fn content(element: &Element<'_>, read: &mut Read) -> Result<()> {
    let known =
        ["unspecified-content-type-action", "max-size", "size-exceeded-action", "errors-variable-name"];
    element.attributes(&known)?;
    element.only(
        "size-exceeded-action",
        &["prevent"],
        "is not supported: a body that is too large is refused",
    )?;
    element.only(
        "unspecified-content-type-action",
        &["ignore"],
        "is not supported: the endpoint itself refuses what it cannot read",
    )?;
    if let Some(child) = element.children()?.first() {
        return Err(child.wrong("is not supported: the endpoint checks bodies against the model's signature"));
    }
    read.policy.body_bytes = Some(element.need("max-size")?.number(1, u64::MAX)?);
    Ok(())
}

pub(super) fn forward(element: &Element<'_>, read: &mut Read) -> Result<()> {
    element.attributes(&["timeout", "timeout-ms", "follow-redirects"])?;
    element.empty()?;
    element.only("follow-redirects", &["false"], "is not supported: a model never redirects")?;
    let whole = element.get("timeout")?.map(|value| value.number(1, 86_400)).transpose()?;
    let fine = element.get("timeout-ms")?.map(|value| value.number(1, 86_400_000)).transpose()?;
    read.policy.timeout = match (whole, fine) {
        (Some(_), Some(_)) => return Err(element.wrong("has both timeout and timeout-ms: write one")),
        (Some(whole), None) => Some(seconds(whole)),
        (None, fine) => fine.map(|fine| Span(Duration::from_millis(fine))),
    };
    Ok(())
}
