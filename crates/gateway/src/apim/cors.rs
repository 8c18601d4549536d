//! `cors`.

use super::Result;
use super::element::Element;
use super::sections::Read;
use domain::Cors;

pub(super) fn read(element: &Element<'_>, read: &mut Read) -> Result<()> {
    element.attributes(&["allow-credentials", "terminate-unmatched-request"])?;
    element.only(
        "terminate-unmatched-request",
        &["true"],
        "is not supported: an origin that is not listed gets no CORS headers",
    )?;
    let mut cors = Cors::default();
    if let Some(value) = element.get("allow-credentials")? {
        cors.credentials = value.boolean()?;
    }
    for child in element.children()? {
        let (item, known): (&str, &[&str]) = match child.name() {
            "allowed-origins" => ("origin", &[]),
            "allowed-methods" => ("method", &["preflight-result-max-age"]),
            "allowed-headers" | "expose-headers" => ("header", &[]),
            _ => return Err(child.wrong("does not belong into <cors>: take it out")),
        };
        child.attributes(known)?;
        if let Some(age) = child.get("preflight-result-max-age")? {
            cors.max_age = u32::try_from(age.number(0, 86_400)?).ok();
        }
        let mut texts = Vec::new();
        for one in child.list(item)? {
            texts.push(one.text()?.settled()?.text);
        }
        if texts.is_empty() {
            return Err(child.wrong(format_args!("is empty: write a <{item}> into it, or take it out")));
        }
        match child.name() {
            "allowed-origins" => cors.origins = texts,
            // An API has POST and GET, so all methods are these two, which is what none named means.
            "allowed-methods" => cors.methods = texts.into_iter().filter(|method| method != "*").collect(),
            "allowed-headers" => cors.headers = texts,
            _ => cors.expose = texts,
        }
    }
    if cors.origins.is_empty() {
        return Err(element.wrong("allows no origin: write <allowed-origins>"));
    }
    crate::apis::check_cors(&cors).map_err(|(field, why)| element.wrong(format_args!("{field}: {why}")))?;
    read.policy.cors = Some(cors);
    Ok(())
}
