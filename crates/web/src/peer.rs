//! Who is at the other end of a connection, and which proxies may speak for others.

use crate::error::Error;
use crate::tls::ClientCertificate;
use http::HeaderMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its address and port.
    pub address: SocketAddr,
    /// How it speaks to us.
    pub link: Link,
    /// Its certificate, verified by the CA of `listen.tls.clients`; only over TLS.
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// What a connection is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Plain HTTP where nothing else is offered.
    Plain,
    /// Plain HTTP at a port that speaks TLS.
    PlainAtTls,
    /// TLS that ends here.
    Tls,
}

impl Peer {
    /// A peer without a certificate.
    pub fn new(address: SocketAddr, link: Link) -> Self {
        Self { address, link, certificate: None }
    }
}

/// Address ranges, as `10.0.0.0/8`; a bare address is a range of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges(Vec<(IpAddr, u8)>);

impl Ranges {
    /// Reads ranges.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, Error> {
        texts.iter().map(|t| one(t.as_ref())).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an address is in one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|(base, bits)| within(address, *base, *bits))
    }
}

fn one(text: &str) -> Result<(IpAddr, u8), Error> {
    let wrong = || Error::Range(text.to_owned());
    let (base, bits) = text.split_once('/').map_or((text, None), |(b, n)| (b, Some(n)));
    let base: IpAddr = base.trim().parse().map_err(|_| wrong())?;
    let most = if base.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Ok(most), |n| n.trim().parse().map_err(|_| wrong()))?;
    if bits > most { Err(wrong()) } else { Ok((base, bits)) }
}

fn within(address: IpAddr, base: IpAddr, bits: u8) -> bool {
    match (address, base) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let shift = 32 - u32::from(bits);
            a.to_bits().checked_shr(shift) == b.to_bits().checked_shr(shift)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let shift = 128 - u32::from(bits);
            a.to_bits().checked_shr(shift) == b.to_bits().checked_shr(shift)
        }
        _ => false,
    }
}

/// What the rule "HTTPS only off loopback" says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Over our own TLS, on loopback, or by a listed proxy that took it over TLS; with the address of the real client.
    Trusted(IpAddr),
    /// In the clear across a network: answer 426 and read nothing.
    Plain,
}

/// Stands for a client whose address the proxy wrote in a form nobody reads: it is in no range, so that a list of addresses
/// refuses it, rather than taking the proxy for the client.
const UNREADABLE: IpAddr = IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);

/// An address as proxies write it: alone, with a port, or in brackets.
fn forwarded(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|a| a.ip())).map(|ip| ip.to_canonical())
}

/// Judges a request by its peer and, for a listed proxy, by what the proxy says.
pub fn transport(peer: &Peer, proxies: &Ranges, headers: &HeaderMap) -> Transport {
    let address = peer.address.ip().to_canonical();
    // Where TLS is offered, nothing is taken in the clear: neither from loopback, nor from a proxy.
    if peer.link == Link::PlainAtTls {
        return Transport::Plain;
    }
    if !proxies.contain(address) {
        let safe = peer.link == Link::Tls || address.is_loopback();
        return if safe { Transport::Trusted(address) } else { Transport::Plain };
    }
    let text = |name: &str| headers.get_all(name).iter().next_back().and_then(|v| v.to_str().ok());
    if text("x-forwarded-proto").is_some_and(|p| !p.trim().eq_ignore_ascii_case("https")) {
        return Transport::Plain;
    }
    // Only the last entry was written by the proxy itself; those before it are the client's word.
    let last = text("x-forwarded-for").and_then(|list| list.rsplit(',').next()).map(str::trim);
    Transport::Trusted(last.map_or(Some(address), forwarded).unwrap_or(UNREADABLE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(ip: &str) -> Peer {
        Peer::new(SocketAddr::new(ip.parse().unwrap(), 1), Link::Plain)
    }

    #[test]
    fn ranges_hold_what_they_should() {
        let ranges = Ranges::parse(&["10.0.0.0/8", "192.0.2.7", "fd00::/8", "::1/128"]).unwrap();
        for (ip, inside) in [
            ("10.255.1.1", true),
            ("11.0.0.0", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("fdff::1", true),
            ("fe80::1", false),
            ("::ffff:10.1.1.1", true),
        ] {
            assert_eq!(ranges.contain(ip.parse().unwrap()), inside, "{ip}");
        }
        assert!(Ranges::parse(&["0.0.0.0/0"]).unwrap().contain("8.8.8.8".parse().unwrap()));
        for bad in ["", "10.0.0.0/33", "x/8", "10.0.0.0/"] {
            assert!(Ranges::parse(&[bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn plain_http_off_loopback_is_not_trusted() {
        let proxies = Ranges::parse(&["10.0.0.1"]).unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(
            transport(&peer("127.0.0.1"), &proxies, &headers),
            Transport::Trusted("127.0.0.1".parse().unwrap())
        );
        assert_eq!(transport(&peer("192.0.2.1"), &proxies, &headers), Transport::Plain);
        headers.insert("x-forwarded-for", "6.6.6.6, 198.51.100.9".parse().unwrap());
        headers.insert("x-forwarded-proto", "https".parse().unwrap());
        assert_eq!(
            transport(&peer("10.0.0.1"), &proxies, &headers),
            Transport::Trusted("198.51.100.9".parse().unwrap())
        );
        headers.insert("x-forwarded-proto", "http".parse().unwrap());
        assert_eq!(transport(&peer("10.0.0.1"), &proxies, &headers), Transport::Plain);
    }

    #[test]
    fn what_a_proxy_says_of_the_client_is_read_or_is_nobody() {
        let proxies = Ranges::parse(&["10.0.0.1"]).unwrap();
        for (text, client) in [
            ("198.51.100.9", "198.51.100.9"),
            ("198.51.100.9:51234", "198.51.100.9"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("1.2.3.4, unknown", "::"),
            ("", "::"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", text.parse().unwrap());
            assert_eq!(
                transport(&peer("10.0.0.1"), &proxies, &headers),
                Transport::Trusted(client.parse().unwrap()),
                "{text}"
            );
        }
    }

    #[test]
    fn over_our_own_tls_all_addresses_are_trusted_and_beside_it_none() {
        let (none, headers) = (Ranges::default(), HeaderMap::new());
        for (ip, link, trusted) in [
            ("192.0.2.1", Link::Tls, true),
            ("127.0.0.1", Link::Tls, true),
            ("192.0.2.1", Link::PlainAtTls, false),
            ("127.0.0.1", Link::PlainAtTls, false),
        ] {
            let peer = Peer { link, ..peer(ip) };
            assert_eq!(transport(&peer, &none, &headers) != Transport::Plain, trusted, "{ip} {link:?}");
        }
        let proxies = Ranges::parse(&["10.0.0.1"]).unwrap();
        let proxy = Peer { link: Link::Tls, ..peer("10.0.0.1") };
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "198.51.100.9".parse().unwrap());
        let client = Transport::Trusted("198.51.100.9".parse().unwrap());
        assert_eq!(transport(&proxy, &proxies, &headers), client);
        headers.insert("x-forwarded-proto", "http".parse().unwrap());
        assert_eq!(transport(&proxy, &proxies, &headers), Transport::Plain);
    }
}
