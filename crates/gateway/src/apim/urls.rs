//! Where cloud URLs lead: a table of prefixes, so that a policy file that names a cloud's discovery documents works unchanged.

use super::Trusted;
use domain::Fault;
use serde::Deserialize;
use std::collections::BTreeMap;
use url::{Host, Url};

/// The word for this server's own base URL.
const BUILT_IN: &str = "built_in";
/// Where discovery documents are below an issuer.
const WELL_KNOWN: &str = ".well-known/openid-configuration";

/// Prefix of a URL → what stands in its place, another prefix or `built_in`. The longest that fits is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct UrlMap(pub BTreeMap<String, String>);

impl UrlMap {
    /// Refuses entries that could catch more than they say.
    pub fn check(&self) -> Result<(), Fault> {
        for (from, to) in &self.0 {
            let whole = |text: &str| text.ends_with('/') && Url::parse(text).is_ok_and(|url| url.has_host());
            if !whole(from) || !(to == BUILT_IN || whole(to)) {
                return Err(Fault::invalid(format!(
                    "gateway.url_map: '{from}' = '{to}': write prefixes of URLs that end with '/', as \
                     \"https://login.microsoftonline.com/\" = \"built_in\""
                )));
            }
        }
        Ok(())
    }
}

/// What is known of URLs.
#[derive(Debug, Clone, Default)]
pub struct Urls {
    /// The operator's map.
    pub map: UrlMap,
    /// The base URL of this server, without a slash at its end.
    pub public_url: String,
    /// The workspace's tenant.
    pub tenant: String,
}

impl Urls {
    /// A text with its longest known prefix replaced.
    pub fn mapped(&self, text: &str) -> String {
        let found = self.map.0.iter().filter(|(from, _)| text.starts_with(*from));
        let Some((from, to)) = found.max_by_key(|(from, _)| from.len()) else { return text.to_owned() };
        let rest = &text[from.len()..];
        if to == BUILT_IN { format!("{}/{rest}", self.public_url) } else { format!("{to}{rest}") }
    }

    /// Whether this is one of the two issuer names of the built-in token service.
    pub fn is_built_in(&self, issuer: &str) -> bool {
        let base = format!("{}/{}", self.public_url, self.tenant);
        issuer == format!("{base}/") || issuer == format!("{base}/v2.0")
    }

    /// Whom a discovery URL of a file stands for.
    pub(super) fn discovery(&self, text: &str) -> Result<Trusted, String> {
        let mapped = self.mapped(text);
        let own = format!("{}/{}", self.public_url, self.tenant);
        if mapped == format!("{own}/{WELL_KNOWN}") || mapped == format!("{own}/v2.0/{WELL_KNOWN}") {
            return Ok(Trusted::BuiltIn);
        }
        let via = if mapped == text { String::new() } else { format!(", by gateway.url_map '{mapped}',") };
        if mapped.starts_with(&format!("{}/", self.public_url)) {
            return Err(format!(
                "'{text}'{via} leads to this server, but to no discovery document of its tenant {}: write {{tenant_id}} for the tenant",
                self.tenant
            ));
        }
        let url = Url::parse(&mapped).map_err(|wrong| format!("'{text}'{via} is no URL: {wrong}"))?;
        let plain = !url.username().is_empty() || url.password().is_some() || url.fragment().is_some();
        if plain || url.host().is_none() {
            return Err(format!("'{text}'{via} has credentials or a fragment, or no host: take them out"));
        }
        let loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        let loopback_http = mapped != text && url.scheme() == "http" && loopback;
        if url.scheme() != "https" && !loopback_http {
            return Err(format!(
                "'{text}'{via} is not https, so anybody on the way could put in keys of his own: write https"
            ));
        }
        Ok(Trusted::Discovery { url: mapped, loopback_http })
    }
}
