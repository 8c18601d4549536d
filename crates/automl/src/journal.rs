//! Finished trials kept outside, so that an interrupted search goes on where it was.
//!
//! An entry is a line of JSON and the out-of-fold predictions. It says of which data, specification and version it is
//! by a digest; entries of others are passed over. Models are not kept: those that are needed are made again, and are
//! the same.

use crate::dataset::Dataset;
use crate::folds::Folds;
use crate::portfolio::Plan;
use crate::search::{Done, Search, past};
use crate::spec::Spec;
use serde::{Deserialize, Serialize};

/// Where a search keeps its finished trials, when it shall be able to go on after an interruption.
pub trait Keeper: Sync {
    /// What an earlier attempt kept, whole entries in any order.
    fn kept(&self) -> Vec<Vec<u8>>;
    /// Keeps an entry. A failure is no reason to stop the search: the trial is done again after an interruption.
    fn keep(&self, entry: &[u8]);
}

/// The journal of a search; without a keeper nothing is kept.
pub(crate) struct Journal<'a> {
    keeper: Option<&'a dyn Keeper>,
    digest: String,
}

/// The first line of an entry. Numbers that must come back to the bit are written as bits.
#[derive(Serialize, Deserialize)]
struct Head {
    digest: String,
    number: u32,
    learner: String,
    rounds: usize,
    curve: Vec<u64>,
    size: usize,
    wide: usize,
    worst: u64,
    seconds: u64,
    /// Seconds of the whole search when the trial ended.
    elapsed: u64,
    /// Trials that gave nothing, among those that this one could look at.
    #[serde(default)]
    left_out: Vec<LeftOut>,
}

/// A trial that gave nothing.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    pub number: u32,
    /// Whether it took longer than one may.
    pub overdue: bool,
}

impl<'a> Journal<'a> {
    pub(crate) fn new(keeper: Option<&'a dyn Keeper>, data: &Dataset, spec: &Spec, folds: &Folds) -> Self {
        // Trials of a search that learned from fewer rows are none of this one.
        let spec = Spec { fit_rows: folds.sample.as_ref().map(|sample| sample.rows), ..spec.clone() };
        let digest = if keeper.is_some() { digest(data, &spec) } else { String::new() };
        Self { keeper, digest }
    }

    /// Keeps a finished trial, with those before it that gave nothing.
    pub(crate) fn write(&self, search: &Search<'_>, done: &Done, left_out: Vec<LeftOut>) {
        let Some(keeper) = self.keeper else { return };
        let head = Head {
            digest: self.digest.clone(),
            number: done.number,
            learner: done.candidate.name(),
            rounds: done.rounds,
            curve: done.curve.iter().map(|x| x.to_bits()).collect(),
            size: done.size,
            wide: done.wide,
            worst: done.worst.to_bits(),
            seconds: done.seconds.to_bits(),
            elapsed: search.control.seconds().to_bits(),
            left_out,
        };
        let Ok(mut entry) = serde_json::to_vec(&head) else { return };
        entry.push(b'\n');
        entry.extend(done.predictions.iter().flat_map(|p| p.to_le_bytes()));
        keeper.keep(&entry);
    }

    /// The trials an earlier attempt finished, in order of their number, and those that gave it nothing and that these could
    /// have looked at; the time it took counts as spent.
    pub(crate) fn read(&self, search: &Search<'_>, plan: &Plan) -> (Vec<Done>, Vec<LeftOut>) {
        let Some(keeper) = self.keeper else { return (Vec::new(), Vec::new()) };
        let mut entries: Vec<(Head, Vec<f32>)> =
            keeper.kept().iter().filter_map(|entry| self.parse(search, entry)).collect();
        entries.sort_by_key(|(head, _)| head.number);
        entries.dedup_by_key(|(head, _)| head.number);
        let mut restored: Vec<Done> = Vec::with_capacity(entries.len());
        let mut left_out = Vec::new();
        for (head, predictions) in entries {
            if head.number == 0 || head.number > plan.trials() {
                continue;
            }
            let candidate = plan.candidate(head.number, &past(restored.iter(), head.number));
            if candidate.name() != head.learner {
                continue;
            }
            search.control.spend(f64::from_bits(head.elapsed));
            left_out.extend(head.left_out);
            let metrics = search.metrics(&predictions);
            restored.push(Done {
                number: head.number,
                candidate,
                score: search.goal.of(&metrics),
                loss: search.loss(&predictions),
                metrics,
                predictions,
                worst: f64::from_bits(head.worst),
                seconds: f64::from_bits(head.seconds),
                rounds: head.rounds,
                curve: head.curve.into_iter().map(f64::from_bits).collect(),
                size: head.size,
                wide: head.wide,
                probes: Vec::new(),
            });
        }
        (restored, left_out)
    }

    fn parse(&self, search: &Search<'_>, entry: &[u8]) -> Option<(Head, Vec<f32>)> {
        let end = entry.iter().position(|&b| b == b'\n')?;
        let head: Head = serde_json::from_slice(&entry[..end]).ok()?;
        let values = entry[end + 1..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let predictions: Vec<f32> = values.collect();
        let wanted = search.folds.scored.len() * search.shared.data.target.width();
        let whole = predictions.len() == wanted && entry.len() - end - 1 == wanted * 4;
        (head.digest == self.digest && whole).then_some((head, predictions))
    }
}

/// 128 bits over everything the trials depend on: the prepared data, and the specification without its budget.
fn digest(data: &Dataset, spec: &Spec) -> String {
    let mut digest = Digest([0x243F_6A88_85A3_08D3, 0x1319_8A2E_0370_7344]);
    let same = Spec {
        max_trials: None,
        time_limit_seconds: None,
        trial_time_limit_seconds: None,
        threads: 0,
        exit_score: None,
        ..spec.clone()
    };
    digest.text(env!("CARGO_PKG_VERSION"));
    digest.text(&serde_json::to_string(&same).unwrap_or_default());
    for feature in &data.features {
        digest.text(&format!("{feature:?}"));
    }
    digest.text(&format!("{:?} {}", data.target.classes, data.marks.validation));
    let beside = data.matrix.places.values().chain([&data.target.values, &data.marks.weights]);
    data.matrix.columns.iter().chain(beside).for_each(|column| {
        digest.take(column.len() as u64);
        column.iter().for_each(|x| digest.take(u64::from(x.to_bits())));
    });
    data.marks.groups.iter().for_each(|&g| digest.take(u64::from(g)));
    data.marks.times.iter().for_each(|t| digest.take(t.to_bits()));
    data.marks.held.iter().flatten().for_each(|&h| digest.take(u64::from(h)));
    format!("{:016x}{:016x}", digest.0[0], digest.0[1])
}

/// Two chains of SplitMix64's mixing; it tells data apart, and is no defence against forgery.
struct Digest([u64; 2]);

impl Digest {
    fn take(&mut self, x: u64) {
        for (i, state) in self.0.iter_mut().enumerate() {
            let mut z = (*state ^ x).wrapping_add(0x9E37_79B9_7F4A_7C15 + 2 * i as u64);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            *state = z ^ (z >> 31);
        }
    }

    fn text(&mut self, text: &str) {
        self.take(text.len() as u64);
        for part in text.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.take(u64::from_le_bytes(word));
        }
    }
}
