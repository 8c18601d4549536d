//! `set-header`.

use super::Result;
use super::element::Element;
use super::sections::{Read, Section};
use domain::{HeaderAction, HeaderRule};

pub(super) fn read(element: &Element<'_>, section: Section, read: &mut Read) -> Result<()> {
    element.attributes(&["name", "exists-action"])?;
    let name = element.need("name")?;
    let action = match element.get("exists-action")? {
        None => HeaderAction::Override,
        Some(word) => match word.text.trim() {
            "override" => HeaderAction::Override,
            "skip" => HeaderAction::Skip,
            "append" => HeaderAction::Append,
            "delete" => HeaderAction::Delete,
            _ => {
                return Err(
                    word.wrong(format_args!("'{}': write override, skip, append or delete", word.short()))
                );
            }
        },
    };
    let mut values = Vec::new();
    for value in element.list("value")? {
        values.push(value.header_text()?.text);
    }
    match (action, values.is_empty()) {
        (HeaderAction::Delete, false) => {
            return Err(element.wrong("deletes a header and has a <value>: take the value out"));
        }
        (HeaderAction::Override | HeaderAction::Skip | HeaderAction::Append, true) => {
            return Err(element.wrong("has no <value>: write one, or exists-action=\"delete\""));
        }
        _ => {}
    }
    let request = section != Section::Outbound;
    let rule = HeaderRule { name: name.text.trim().to_owned(), action, values };
    crate::apis::check_header(&rule, request).map_err(|why| element.wrong(why))?;
    if request { &mut read.policy.request_headers } else { &mut read.policy.response_headers }.push(rule);
    Ok(())
}
