//! `validate-jwt`: whose tokens pass, and with what in them.

use super::element::Element;
use super::sections::Read;
use super::{Result, Trusted};
use domain::ClaimRule;
use serde_json::json;

const ATTRIBUTES: [&str; 10] = [
    "header-name",
    "query-parameter-name",
    "token-value",
    "failed-validation-httpcode",
    "failed-validation-error-message",
    "require-expiration-time",
    "require-scheme",
    "require-signed-tokens",
    "clock-skew",
    "output-token-variable-name",
];

/// Issuers and discovery documents of a file at most.
const ISSUERS_MAX: usize = 32;

/// Why a token comes in the header only.
const HEADER_ONLY: &str = "a token is taken from the Authorization header only; queries and other places end in logs and histories: \
     write header-name=\"Authorization\"";

pub(super) fn read(element: &Element<'_>, read: &mut Read) -> Result<()> {
    element.attributes(&ATTRIBUTES)?;
    let names = |rule: &domain::HeaderRule| rule.name.eq_ignore_ascii_case("authorization");
    if read.policy.request_headers.iter().any(names) {
        return Err(element.wrong(
            "stands after a <set-header> of Authorization and would check that instead of the caller's token: put it first",
        ));
    }
    attributes(element, read)?;
    let mut keys = Vec::new();
    for child in element.children()? {
        match child.name() {
            "openid-config" => discovery(&child, read)?,
            "issuer-signing-keys" => signing_keys(&child, &mut keys)?,
            "audiences" => {
                child.attributes(&[])?;
                for audience in child.list("audience")? {
                    read.policy.audiences.push(audience.text()?.settled()?.text);
                }
            }
            "issuers" => issuers(&child, read)?,
            "required-claims" => claims(&child, read)?,
            _ => return Err(child.wrong("is not supported in <validate-jwt>: take it out")),
        }
    }
    let discovered = !read.trusted.is_empty();
    if !keys.is_empty() {
        if discovered || read.listed.len() != 1 {
            return Err(element.wrong(
                "has issuer-signing-keys: name the one issuer they belong to in <issuers>, and no openid-config",
            ));
        }
        read.trusted.push((element.at(), Trusted::Keys(json!({ "keys": keys }).to_string())));
    }
    if !discovered && keys.is_empty() && read.listed.is_empty() {
        return Err(element.wrong("names no issuer: write an <openid-config url=\"…\" /> into it"));
    }
    Ok(())
}

fn attributes(element: &Element<'_>, read: &mut Read) -> Result<()> {
    for other in ["query-parameter-name", "token-value"] {
        if element.has(other) {
            return Err(element.wrong(format_args!("attribute '{other}': {HEADER_ONLY}")));
        }
    }
    let header = element.need("header-name")?;
    if !header.text.trim().eq_ignore_ascii_case("authorization") {
        return Err(header.wrong(format_args!("'{}': {HEADER_ONLY}", header.short())));
    }
    element.only(
        "require-expiration-time",
        &["true"],
        "is not supported: a token without 'exp' never passes",
    )?;
    element.only(
        "require-signed-tokens",
        &["true"],
        "is not supported: a token without signature never passes",
    )?;
    element.only("require-scheme", &["bearer"], "is not supported: the scheme is Bearer")?;
    let policy = &mut read.policy;
    if let Some(status) = element.get("failed-validation-httpcode")? {
        policy.refused_status = u16::try_from(status.number(400, 499)?).ok();
    }
    policy.refused_message = element.get("failed-validation-error-message")?.map(|message| message.text);
    // The vendor's default differs from the server's own.
    let skew = element.get("clock-skew")?.map_or(Ok(0), |skew| skew.number(0, 120))?;
    policy.clock_skew = u32::try_from(skew).ok();
    read.variable = element.get("output-token-variable-name")?.map(|name| name.text);
    Ok(())
}

fn discovery(element: &Element<'_>, read: &mut Read) -> Result<()> {
    element.attributes(&["url"])?;
    element.empty()?;
    if read.trusted.len() >= ISSUERS_MAX {
        return Err(element.wrong(format_args!("is one too many: at most {ISSUERS_MAX} are taken")));
    }
    let url = element.need("url")?.settled()?;
    let trusted = element.file().options.urls.discovery(url.text.trim()).map_err(|why| url.wrong(why))?;
    read.trusted.push((url.at, trusted));
    Ok(())
}

fn issuers(element: &Element<'_>, read: &mut Read) -> Result<()> {
    element.attributes(&[])?;
    for issuer in element.list("issuer")? {
        if read.listed.len() >= ISSUERS_MAX {
            return Err(issuer.wrong(format_args!("is one too many: at most {ISSUERS_MAX} are taken")));
        }
        let value = issuer.text()?.settled()?;
        read.listed.push((value.at, element.file().options.urls.mapped(&value.text)));
    }
    if read.listed.is_empty() {
        return Err(element.wrong("is empty: write an <issuer> into it, or take it out"));
    }
    Ok(())
}

fn claims(element: &Element<'_>, read: &mut Read) -> Result<()> {
    element.attributes(&[])?;
    for claim in element.children()? {
        if claim.name() != "claim" {
            return Err(claim.wrong("does not belong into <required-claims>: write <claim>"));
        }
        claim.attributes(&["name", "match", "separator"])?;
        // The vendor's default: all of the values.
        let all = match claim.get("match")? {
            None => true,
            Some(word) if word.text.trim() == "all" => true,
            Some(word) if word.text.trim() == "any" => false,
            Some(word) => return Err(word.wrong(format_args!("'{}': write all or any", word.short()))),
        };
        let name = claim.need("name")?.settled()?.text;
        let mut values = Vec::new();
        for value in claim.list("value")? {
            values.push(value.text()?.text);
        }
        if values.is_empty() {
            return Err(claim.wrong("has no <value>: write the value that the claim must have"));
        }
        let separator = claim.get("separator")?.map(|separator| separator.text);
        if separator.as_ref().is_some_and(String::is_empty) {
            return Err(
                claim.wrong("has an empty separator: write the character between values, or take it out")
            );
        }
        read.policy.required_claims.push(ClaimRule { claim: name, values, all, separator });
    }
    Ok(())
}

fn signing_keys(element: &Element<'_>, keys: &mut Vec<serde_json::Value>) -> Result<()> {
    element.attributes(&[])?;
    for key in element.children()? {
        if key.name() != "key" {
            return Err(key.wrong("does not belong into <issuer-signing-keys>: write <key>"));
        }
        key.attributes(&["id", "n", "e", "certificate-id"])?;
        if key.has("certificate-id") {
            return Err(
                key.wrong("names a certificate of the vendor's store: write its modulus n and exponent e")
            );
        }
        if !key.has("n") {
            return Err(key.wrong(
                "holds a shared secret, with which every caller could sign: write the public key's n and e, or an openid-config",
            ));
        }
        key.empty()?;
        let mut jwk =
            json!({ "kty": "RSA", "use": "sig", "n": key.need("n")?.text, "e": key.need("e")?.text });
        if let Some(id) = key.get("id")? {
            jwk["kid"] = json!(id.text);
        }
        let one = json!({ "keys": [jwk.clone()] }).to_string();
        let good = crate::jose::KeySet::parse(one.as_bytes()).is_some_and(|set| set.len() == 1);
        if !good {
            return Err(key.wrong("is no RSA key of 2048 bits or more: write n and e in base64url"));
        }
        keys.push(jwk);
    }
    if keys.is_empty() {
        return Err(element.wrong("is empty: write a <key> into it, or take it out"));
    }
    Ok(())
}
