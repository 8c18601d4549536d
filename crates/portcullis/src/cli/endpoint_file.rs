//! `endpoint create|update -f`: an online endpoint's YAML (contract V2-12) as what the control plane is asked.

use crate::show::note;
use definitions::online::AuthMode;
use definitions::{OnlineEndpoint, Parsed};
use domain::{EndpointUpdate, Fault, Name, PublicNetworkAccess};
use endpoint::NewEndpoint;
use std::collections::BTreeMap;
use std::path::Path;

/// A new endpoint: the file's, or one of the name alone. The name on the command line wins.
pub fn new(file: Option<&Path>, name: Option<String>) -> Result<NewEndpoint, Fault> {
    let name = name.map(Name::new).transpose()?;
    let Some(file) = file else {
        return Ok(NewEndpoint {
            name: name.ok_or_else(|| Fault::invalid("name the endpoint, or give its file with -f"))?,
            docs_public: false,
            public_network_access: PublicNetworkAccess::default(),
            description: String::new(),
            tags: BTreeMap::new(),
        });
    };
    let parsed = read(file)?;
    let said = &parsed.value;
    for (field, shares) in [("traffic", &said.traffic), ("mirror_traffic", &said.mirror_traffic)] {
        if shares.values().any(|percent| *percent > 0) {
            let text =
                "a new endpoint has no deployment yet: take this out, and set it with `endpoint update`";
            return Err(parsed.fault(field, text));
        }
    }
    let OnlineEndpoint { name: own, description, tags, public_network_access, .. } = parsed.value;
    Ok(NewEndpoint {
        name: name.unwrap_or(own),
        docs_public: false,
        public_network_access: access(public_network_access),
        description,
        tags,
    })
}

/// A change of an endpoint: what the file says, or nothing yet. The name on the command line wins.
pub fn update(file: Option<&Path>, name: Option<String>) -> Result<(String, EndpointUpdate), Fault> {
    let Some(file) = file else {
        let name = name.ok_or_else(|| Fault::invalid("name the endpoint, or give its file with -f"))?;
        return Ok((name, EndpointUpdate::default()));
    };
    let said = read(file)?.value;
    let ask = EndpointUpdate {
        docs_public: None,
        public_network_access: said.public_network_access.map(|open| access(Some(open))),
        description: Some(said.description).filter(|text| !text.is_empty()),
        traffic: Some(said.traffic).filter(|shares| !shares.is_empty()),
        mirror_traffic: Some(said.mirror_traffic).filter(|shares| !shares.is_empty()),
        tags: Some(said.tags).filter(|tags| !tags.is_empty()),
    };
    Ok((name.unwrap_or_else(|| said.name.to_string()), ask))
}

/// Reads the file, and tells what of it has no effect.
fn read(file: &Path) -> Result<Parsed<OnlineEndpoint>, Fault> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|e| Fault::invalid(format!("{shown}: {e}")))?;
    let parsed: Parsed<OnlineEndpoint> = definitions::read(&shown, &text)?;
    for told in &parsed.notes {
        note(&format!("{shown}: {told}"));
    }
    if parsed.value.auth_mode != AuthMode::Key {
        note(&format!(
            "{shown}: auth_mode: the endpoint takes its keys; tokens of the token service pass at /v2 and at published APIs"
        ));
    }
    Ok(parsed)
}

fn access(open: Option<bool>) -> PublicNetworkAccess {
    if open == Some(false) { PublicNetworkAccess::Disabled } else { PublicNetworkAccess::Enabled }
}
