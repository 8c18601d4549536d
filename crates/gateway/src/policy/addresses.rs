//! Where calls may come from.

use domain::Addresses;
use std::net::IpAddr;

/// Inclusive ranges of one family, as numbers.
type Spans = Vec<(u128, u128)>;

/// [`Addresses`], read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    allow: Option<Set>,
    forbid: Set,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Set {
    v4: Spans,
    v6: Spans,
}

impl Places {
    /// Reads them; the error names the text that is no address.
    pub(crate) fn read(addresses: &Addresses) -> Result<Option<Self>, String> {
        if addresses.allow.is_empty() && addresses.forbid.is_empty() {
            return Ok(None);
        }
        let allow = Set::read(&addresses.allow)?;
        let forbid = Set::read(&addresses.forbid)?;
        Ok(Some(Self { allow: (!addresses.allow.is_empty()).then_some(allow), forbid }))
    }

    /// Whether calls from an address pass.
    pub(crate) fn admit(&self, address: IpAddr) -> bool {
        self.allow.as_ref().is_none_or(|set| set.holds(address)) && !self.forbid.holds(address)
    }
}

impl Set {
    fn read(texts: &[String]) -> Result<Self, String> {
        let mut set = Self::default();
        for text in texts {
            let (first, last) = span(text).ok_or_else(|| {
                format!("'{text}' is no address: write 10.0.0.1, 10.0.0.0/8 or 10.0.0.1-10.0.0.9")
            })?;
            match (first, last) {
                (IpAddr::V4(a), IpAddr::V4(b)) => set.v4.push((a.to_bits().into(), b.to_bits().into())),
                (IpAddr::V6(a), IpAddr::V6(b)) => set.v6.push((a.to_bits(), b.to_bits())),
                _ => return Err(format!("'{text}' runs from one family of addresses into the other")),
            }
        }
        Ok(Self { v4: joined(set.v4), v6: joined(set.v6) })
    }

    fn holds(&self, address: IpAddr) -> bool {
        let (spans, at) = match address.to_canonical() {
            IpAddr::V4(v4) => (&self.v4, u128::from(v4.to_bits())),
            IpAddr::V6(v6) => (&self.v6, v6.to_bits()),
        };
        let next = spans.partition_point(|(first, _)| *first <= at);
        next.checked_sub(1).is_some_and(|before| at <= spans[before].1)
    }
}

/// The first and last address of a text.
fn span(text: &str) -> Option<(IpAddr, IpAddr)> {
    let one = |text: &str| text.trim().parse::<IpAddr>().ok().map(|a| a.to_canonical());
    if let Some((first, last)) = text.split_once('-') {
        let (first, last) = (one(first)?, one(last)?);
        return (first <= last).then_some((first, last));
    }
    let Some((base, bits)) = text.split_once('/') else {
        return one(text).map(|a| (a, a));
    };
    let bits: u32 = bits.trim().parse().ok()?;
    match base.trim().parse().ok()? {
        IpAddr::V4(v4) if bits <= 32 => {
            let host = u32::MAX.checked_shr(bits).unwrap_or(0);
            Some((IpAddr::V4((v4.to_bits() & !host).into()), IpAddr::V4((v4.to_bits() | host).into())))
        }
        IpAddr::V6(v6) if bits <= 128 => {
            let host = u128::MAX.checked_shr(bits).unwrap_or(0);
            Some((IpAddr::V6((v6.to_bits() & !host).into()), IpAddr::V6((v6.to_bits() | host).into())))
        }
        _ => None,
    }
}

/// In order and without overlaps, so that a search by halves finds the one that may hold an address.
fn joined(mut spans: Spans) -> Spans {
    spans.sort_unstable();
    let mut out: Spans = Vec::with_capacity(spans.len());
    for (first, last) in spans {
        match out.last_mut() {
            Some(before) if first <= before.1 => before.1 = before.1.max(last),
            _ => out.push((first, last)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(allow: &[&str], forbid: &[&str]) -> Result<Option<Places>, String> {
        let texts = |all: &[&str]| all.iter().map(|t| (*t).to_owned()).collect();
        Places::read(&Addresses { allow: texts(allow), forbid: texts(forbid) })
    }

    #[test]
    fn addresses_pass_by_their_ranges() {
        let some =
            places(&["10.0.0.0/8", "192.0.2.7", "192.0.2.10-192.0.2.20", "2001:db8::/32"], &["10.1.0.0/16"])
                .unwrap()
                .unwrap();
        for (address, passes) in [
            ("10.0.0.0", true),
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("10.1.2.3", false),
            ("10.2.0.0", true),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("192.0.2.10", true),
            ("192.0.2.20", true),
            ("192.0.2.21", false),
            ("::ffff:10.2.0.1", true),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
        ] {
            assert_eq!(some.admit(address.parse().unwrap()), passes, "{address}");
        }
        let not_one = places(&[], &["0.0.0.0/0"]).unwrap().unwrap();
        assert!(!not_one.admit("1.2.3.4".parse().unwrap()) && not_one.admit("::1".parse().unwrap()));
        let overlapping = places(&["10.0.0.0/8", "10.0.0.5", "10.255.0.0-11.0.0.0"], &[]).unwrap().unwrap();
        assert!(
            overlapping.admit("10.9.9.9".parse().unwrap()) && overlapping.admit("11.0.0.0".parse().unwrap())
        );
        assert_eq!(places(&[], &[]), Ok(None));
    }

    #[test]
    fn what_is_no_range_is_named() {
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0.9-10.0.0.1", "10.0.0.1-::1", "example.org", "10.0.0"]
        {
            assert!(places(&[bad], &[]).unwrap_err().contains(bad), "{bad}");
        }
    }
}
