//! Shares of traffic on the command line, in the words of the cloud's: `--traffic "blue=90 green=10" --mirror-traffic "green=10"`.

use clap::Args;
use domain::{EndpointUpdate, Fault, Name};
use gateway::MirrorReport;
use std::collections::BTreeMap;

/// Answers that differed, shown of a report.
const SHOWN: usize = 3;

/// Who gets calls, and who copies of them.
#[derive(Debug, Default, Args)]
pub struct Shares {
    /// DEPLOYMENT=PERCENT of each; the sum is 0 or 100
    #[arg(long, value_name = "DEPLOYMENT=PERCENT …")]
    traffic: Option<String>,
    /// The one deployment that gets copies of calls: DEPLOYMENT=PERCENT, at most 50; empty for none
    #[arg(long, value_name = "DEPLOYMENT=PERCENT")]
    mirror_traffic: Option<String>,
}

impl Shares {
    /// An update of the shares alone; `pairs` are those said without an option.
    pub fn with(self, pairs: &[String]) -> Result<EndpointUpdate, Fault> {
        let mut ask = EndpointUpdate::default();
        if !pairs.is_empty() {
            if self.traffic.is_some() {
                return Err(Fault::invalid("say the traffic once: as words or as --traffic"));
            }
            ask.traffic = Some(shares(&pairs.join(" "))?);
        }
        self.lay_over(&mut ask)?;
        Ok(ask)
    }

    /// Puts what is said into an update.
    pub fn lay_over(self, ask: &mut EndpointUpdate) -> Result<(), Fault> {
        if let Some(text) = &self.traffic {
            ask.traffic = Some(shares(text)?);
        }
        if let Some(text) = &self.mirror_traffic {
            ask.mirror_traffic = Some(shares(text)?);
        }
        Ok(())
    }
}

/// `blue=90 green=10`, with commas or blanks between.
fn shares(text: &str) -> Result<BTreeMap<Name, u8>, Fault> {
    let mut all = BTreeMap::new();
    for pair in text.split([' ', ',', '\t']).filter(|pair| !pair.is_empty()) {
        let wrong =
            || Fault::invalid(format!("'{pair}': write DEPLOYMENT=PERCENT with a percent from 0 to 100"));
        let (deployment, percent) = pair.split_once('=').ok_or_else(wrong)?;
        let percent = percent.parse::<u8>().map_err(|_| wrong())?;
        if all.insert(Name::new(deployment)?, percent).is_some() {
            return Err(Fault::invalid(format!("'{deployment}' is named twice")));
        }
    }
    Ok(all)
}

/// A report for people.
pub fn told(report: &MirrorReport) -> String {
    let MirrorReport { deployment, percent, equal, different, failed, dropped, sample } = report;
    let mut text = format!(
        "\n\nmirrored to {deployment} ({percent} %): {equal} equal, {different} different, {failed} failed, {dropped} dropped"
    );
    for one in sample.iter().rev().take(SHOWN) {
        text.push_str(&format!(
            "\n  {} {}: {} {} {}\n    mirror {} {}",
            one.time,
            one.request_id,
            one.deployment,
            one.status,
            one.answer,
            one.mirror_status,
            one.mirror_answer
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_in_the_clouds_form() {
        let read = |text: &str| {
            shares(text).map(|all| all.iter().map(|(n, p)| format!("{n}:{p}")).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(read("blue=90 green=10").unwrap(), "blue:90 green:10");
        assert_eq!(read("green=10,blue=90").unwrap(), "blue:90 green:10");
        assert_eq!(read("").unwrap(), "");
        for wrong in ["blue", "blue=x", "blue=300", "blue=1 blue=2", "=1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
