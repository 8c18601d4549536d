//! When a trial is stopped that falls behind.

use definitions::jobs::EarlyTermination;
use std::collections::BTreeMap;

/// What a trial has logged of the metric, turned so that larger is better.
pub type Logged = Vec<f64>;

/// The trials that are to be stopped now. `running`: by number; `all`: those that have ended too. `looked`: how many values of
/// each had been logged at the last look.
pub fn behind(
    policy: &EarlyTermination,
    running: &[u32],
    all: &BTreeMap<u32, Logged>,
    looked: &mut BTreeMap<u32, usize>,
) -> Vec<u32> {
    let (interval, delay) = match policy {
        EarlyTermination::Bandit { evaluation_interval, delay_evaluation, .. }
        | EarlyTermination::MedianStopping { evaluation_interval, delay_evaluation }
        | EarlyTermination::TruncationSelection { evaluation_interval, delay_evaluation, .. } => {
            (*evaluation_interval as usize, *delay_evaluation as usize)
        }
    };
    let mut found = Vec::new();
    for number in running {
        let Some(own) = all.get(number).filter(|own| !own.is_empty()) else { continue };
        let length = own.len();
        let due = length / interval.max(1) > looked.get(number).copied().unwrap_or(0) / interval.max(1);
        looked.insert(*number, length);
        if due && length > delay && is_behind(policy, *number, own, all) {
            found.push(*number);
        }
    }
    found
}

fn is_behind(policy: &EarlyTermination, number: u32, own: &Logged, all: &BTreeMap<u32, Logged>) -> bool {
    let mine = best(own);
    let others = all.iter().filter(|(other, logged)| **other != number && !logged.is_empty());
    match policy {
        EarlyTermination::Bandit { slack_factor, slack_amount, .. } => {
            let Some(top) = others.map(|(_, logged)| best(logged)).reduce(f64::max) else { return false };
            // A share of the best's size: away from it also where it is below zero.
            let slack = slack_amount.unwrap_or_else(|| {
                let factor = slack_factor.unwrap_or(0.0);
                if top >= 0.0 { top - top / (1.0 + factor) } else { -top * factor }
            });
            mine < top - slack
        }
        EarlyTermination::MedianStopping { .. } => {
            let mut means: Vec<f64> = others
                .map(|(_, logged)| {
                    let part = &logged[..own.len().min(logged.len())];
                    part.iter().sum::<f64>() / part.len() as f64
                })
                .collect();
            means.sort_by(f64::total_cmp);
            let middle = means.len() / 2;
            match means.get(middle) {
                None => false,
                Some(_) if means.len().is_multiple_of(2) => {
                    mine < f64::midpoint(means[middle - 1], means[middle])
                }
                Some(median) => mine < *median,
            }
        }
        EarlyTermination::TruncationSelection { truncation_percentage, .. } => {
            // As far as this trial has come.
            let at = |logged: &Logged| best(&logged[..own.len().min(logged.len())]);
            let reached = others.filter(|(_, logged)| logged.len() >= own.len());
            let (worse, count) = reached.fold((0, 1), |(worse, count), (_, logged)| {
                (worse + usize::from(at(logged) < mine), count + 1)
            });
            count > 1 && (worse as f64 + 1.0) / f64::from(count) <= f64::from(*truncation_percentage) / 100.0
        }
    }
}

fn best(logged: &[f64]) -> f64 {
    logged.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(lists: &[&[f64]]) -> BTreeMap<u32, Logged> {
        (1..).zip(lists.iter().map(|list| list.to_vec())).collect()
    }

    fn stopped(policy: EarlyTermination, lists: &[&[f64]]) -> Vec<u32> {
        let all = logged(lists);
        let running: Vec<u32> = all.keys().copied().collect();
        behind(&policy, &running, &all, &mut BTreeMap::new())
    }

    #[test]
    fn a_bandit_stops_what_is_behind_by_more_than_the_slack() {
        let bandit = |slack_factor, slack_amount, delay_evaluation| EarlyTermination::Bandit {
            evaluation_interval: 1,
            delay_evaluation,
            slack_factor,
            slack_amount,
        };
        let lists: [&[f64]; 3] = [&[0.8], &[0.7], &[0.6]];
        assert_eq!(stopped(bandit(Some(0.2), None, 0), &lists), [3]);
        assert_eq!(stopped(bandit(None, Some(0.05), 0), &lists), [2, 3]);
        assert_eq!(stopped(bandit(Some(0.2), None, 1), &lists), [0; 0]);
    }

    #[test]
    fn medians_and_shares_stop_the_worse() {
        let median = EarlyTermination::MedianStopping { evaluation_interval: 1, delay_evaluation: 0 };
        assert_eq!(stopped(median, &[&[0.9], &[0.8], &[0.1]]), [3]);
        let share = EarlyTermination::TruncationSelection {
            evaluation_interval: 1,
            delay_evaluation: 0,
            truncation_percentage: 25,
        };
        assert_eq!(stopped(share, &[&[0.9], &[0.8], &[0.7], &[0.1]]), [4]);
    }

    #[test]
    fn a_look_comes_with_every_interval() {
        let policy = EarlyTermination::Bandit {
            evaluation_interval: 2,
            delay_evaluation: 0,
            slack_factor: None,
            slack_amount: Some(0.1),
        };
        let mut looked = BTreeMap::new();
        let mut look = |lists: &[&[f64]]| behind(&policy, &[2], &logged(lists), &mut looked);
        assert_eq!(look(&[&[0.9], &[0.1]]), [0; 0]);
        assert_eq!(look(&[&[0.9], &[0.1, 0.1]]), [2]);
    }
}
