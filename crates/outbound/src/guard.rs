//! The check between a name and a connection: the resolver that gives only addresses that may be reached.

use crate::error::{Error, Result};
use crate::range::{Range, special};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use url::{Host, Url};

/// The longest part of a URL shown in a message, in characters.
const SHOWN: usize = 200;

/// Which addresses may be reached.
#[derive(Debug, Clone)]
pub struct Guard {
    allow: Arc<[Range]>,
}

impl Guard {
    pub fn new(allow: &[Range]) -> Self {
        Self { allow: allow.into() }
    }

    /// Reads a URL and refuses what can be refused before a name is resolved.
    pub fn url(&self, text: &str) -> Result<Url> {
        let url = Url::parse(text.trim()).map_err(|e| Error::Url {
            url: text.chars().take(SHOWN).collect(),
            reason: e.to_string().to_lowercase(),
        })?;
        self.check(&url)?;
        Ok(url)
    }

    /// Scheme, credentials and literal addresses of a URL; a redirect's target passes here too.
    pub fn check(&self, url: &Url) -> Result<()> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::Credentials(url.host_str().unwrap_or_default().to_owned()));
        }
        // Why here as well as in the resolver: literal addresses never reach a resolver.
        match url.host() {
            Some(Host::Ipv4(a)) => self.address(&a.to_string(), IpAddr::V4(a)),
            Some(Host::Ipv6(a)) => self.address(&a.to_string(), IpAddr::V6(a)),
            Some(Host::Domain(_)) | None => Ok(()),
        }
    }

    fn address(&self, host: &str, address: IpAddr) -> Result<()> {
        match special(address) {
            Some(what) if !self.allow.iter().any(|range| range.contains(address)) => {
                Err(Error::Refused { host: host.to_owned(), address, what })
            }
            _ => Ok(()),
        }
    }

    /// The reachable ones among a name's addresses; the first refusal when there is none.
    fn reachable(&self, host: &str, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>> {
        let mut refusal = None;
        let mut good = Vec::new();
        for address in found {
            match self.address(host, address.ip()) {
                Ok(()) => good.push(address),
                Err(e) => refusal = refusal.or(Some(e)),
            }
        }
        match refusal {
            _ if !good.is_empty() => Ok(good),
            Some(refusal) => Err(refusal),
            None => Err(Error::Unresolved(host.to_owned())),
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let host = name.as_str();
            let found = match tokio::net::lookup_host((host, 0)).await {
                Ok(found) => found,
                Err(_) => return Err(Error::Unresolved(host.to_owned()).into()),
            };
            let addresses: Addrs = Box::new(guard.reachable(host, found)?.into_iter());
            Ok(addresses)
        })
    }
}

/// A URL as messages show it: without credentials, query and fragment, shortened.
pub fn shown(url: &Url) -> String {
    let mut plain = url.clone();
    plain.set_query(None);
    plain.set_fragment(None);
    let clean = plain.set_username("").and_then(|()| plain.set_password(None));
    let text = if clean.is_ok() { plain.as_str() } else { url.scheme() };
    text.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_spellings_of_an_address_are_that_address() {
        let guard = Guard::new(&[]);
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://169.254.169.254/latest/meta-data",
            "http://0/",
        ] {
            assert!(matches!(guard.url(url), Err(Error::Refused { .. })), "{url}");
        }
        assert!(guard.url("https://example.org/a.csv").is_ok());
    }

    #[test]
    fn only_http_without_credentials() {
        let guard = Guard::new(&[]);
        for url in ["file:///etc/passwd", "ftp://example.org/", "data:,x", "gopher://example.org/"] {
            assert!(matches!(guard.url(url), Err(Error::Scheme(_))), "{url}");
        }
        for url in ["http://me:secret@example.org/", "http://me@example.org/", "http://:secret@example.org/"]
        {
            let error = guard.url(url).unwrap_err();
            assert!(matches!(error, Error::Credentials(_)), "{url}");
            assert!(!error.to_string().contains("secret"));
        }
        assert!(matches!(guard.url("not a url"), Err(Error::Url { .. })));
    }

    #[test]
    fn a_name_keeps_only_its_public_addresses() {
        let guard = Guard::new(&[]);
        let mixed = ["10.0.0.1:0", "1.1.1.1:0"].map(|a| a.parse().unwrap());
        assert_eq!(guard.reachable("mixed.example", mixed.into_iter()).unwrap(), [mixed[1]]);
        let error = guard.reachable("inside.example", mixed.into_iter().take(1)).unwrap_err();
        assert!(error.to_string().contains("outbound.allow"), "{error}");
        assert!(matches!(guard.reachable("void.example", [].into_iter()), Err(Error::Unresolved(_))));
    }

    #[test]
    fn messages_show_no_query() {
        let url = Url::parse("https://example.org/a?sig=secret#f").unwrap();
        assert_eq!(shown(&url), "https://example.org/a");
    }
}
