//! Which deployment answers a call: the one the caller names, else one by the traffic split.

use domain::{Deployment, Name};
use std::collections::BTreeMap;

/// The request header that picks one deployment whatever the traffic split.
pub const DEPLOYMENT_HEADER: &str = "azureml-model-deployment";

/// Why no deployment answers; both are 404.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unrouted {
    /// The header names a deployment that is not there.
    #[error("the endpoint has no deployment of the name in the header 'azureml-model-deployment'")]
    Unknown,
    /// No deployment has a share of the traffic.
    #[error(
        "no deployment of the endpoint gets traffic; set the traffic, or name a deployment in the header 'azureml-model-deployment'"
    )]
    NoTraffic,
}

/// The index of the deployment that answers. `random` is any evenly distributed number.
///
/// Shares of deployments that are gone count for nothing: the others take over in proportion.
pub fn choose(
    deployments: &[Deployment],
    traffic: &BTreeMap<Name, u8>,
    wanted: Option<&str>,
    random: u32,
) -> Result<usize, Unrouted> {
    if let Some(name) = wanted {
        let named = |d: &Deployment| d.name.as_str() == name;
        return deployments.iter().position(named).ok_or(Unrouted::Unknown);
    }
    let share = |d: &Deployment| traffic.get(&d.name).map_or(0, |percent| u64::from(*percent));
    let total: u64 = deployments.iter().map(share).sum();
    // The high bits of the product: even over 0..total without a division.
    let mut point = (u64::from(random) * total) >> 32;
    for (at, deployment) in deployments.iter().enumerate() {
        let share = share(deployment);
        if point < share {
            return Ok(at);
        }
        point -= share;
    }
    Err(Unrouted::NoTraffic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Timestamp, Version};

    fn deployment(name: &str) -> Deployment {
        Deployment {
            name: Name::new(name).unwrap(),
            endpoint: Name::new("e").unwrap(),
            model: domain::ModelName::new("m").unwrap(),
            version: Version(1),
            spec: None,
            data_collector: None,
            created: Timestamp(0),
        }
    }

    fn split(shares: &[(&str, u8)]) -> BTreeMap<Name, u8> {
        let named = |(name, share): &(&str, u8)| (Name::new(*name).unwrap(), *share);
        shares.iter().map(named).collect()
    }

    #[test]
    fn the_split_is_kept() {
        let both = [deployment("blue"), deployment("green")];
        let traffic = split(&[("blue", 90), ("green", 10)]);
        let mut counts = [0; 2];
        for step in 0..1000 {
            let random = (u32::MAX / 1000) * step + 7;
            counts[choose(&both, &traffic, None, random).unwrap()] += 1;
        }
        assert!((899..=901).contains(&counts[0]), "{counts:?}");
        assert_eq!(choose(&both, &traffic, None, u32::MAX), Ok(1));
        assert_eq!(choose(&both, &traffic, None, 0), Ok(0));
    }

    #[test]
    fn the_header_passes_over_the_split() {
        let both = [deployment("blue"), deployment("green")];
        let traffic = split(&[("blue", 100)]);
        assert_eq!(choose(&both, &traffic, Some("green"), 0), Ok(1));
        assert_eq!(choose(&both, &traffic, Some("grey"), 0), Err(Unrouted::Unknown));
    }

    #[test]
    fn without_traffic_nothing_answers() {
        let one = [deployment("blue")];
        assert_eq!(choose(&one, &split(&[]), None, 5), Err(Unrouted::NoTraffic));
        assert_eq!(choose(&one, &split(&[("gone", 100)]), None, 5), Err(Unrouted::NoTraffic));
        assert_eq!(choose(&[], &split(&[]), None, 5), Err(Unrouted::NoTraffic));
    }
}
