//! Train and validation splits: stratified k-fold, repeated on small tables, a hold-out on large ones; groups kept
//! together, later rows judged by earlier ones, the user's own splits, or the rows of a validation table.

mod dealing;

use crate::dataset::{Dataset, Target};
use crate::random::Random;
use crate::{Error, Spec, Task};
use dealing::{deal, deal_groups, deal_share, strata};

/// One split; the two row lists are disjoint and ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Split {
    pub train: Vec<u32>,
    pub valid: Vec<u32>,
}

/// The splits of a search, the same for every trial.
#[derive(Debug, Clone)]
pub(crate) struct Folds {
    pub splits: Vec<Split>,
    /// Rows with at least one out-of-fold prediction, ascending.
    pub scored: Vec<u32>,
    /// What the splits are, in a few words.
    pub kind: String,
    /// The rows that are learned from, when they are not all.
    pub sample: Option<Sample>,
}

/// Some of the rows, of every class its share.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    taken: Vec<bool>,
    /// Rows of the longest split, at most.
    pub rows: usize,
}

impl Sample {
    /// Those of the rows that are learned from.
    pub fn of(&self, rows: impl Iterator<Item = u32>) -> Vec<u32> {
        rows.filter(|&r| self.taken[r as usize]).collect()
    }
}

impl Folds {
    /// Whether models of the only split stand for fits on all rows: both learn from a sample, and hardly a row was held out. The
    /// latest rows are never done without.
    pub(crate) fn are_final(&self, data: &Dataset) -> bool {
        let [split] = self.splits.as_slice() else { return false };
        let held = split.valid.iter().filter(|&&row| (row as usize) < data.trainable()).count();
        self.sample.is_some()
            && data.marks.times.is_empty()
            && held as f64 <= HARDLY * data.trainable() as f64
    }
}

/// Share of the rows without which a model is as good as one of all.
const HARDLY: f64 = 0.1;
/// Rows above which one hold-out replaces the folds.
const HOLDOUT_ROWS: usize = 60_000;
/// Share and bounds of that hold-out.
const HOLDOUT_SHARE: f64 = 0.05;
const HOLDOUT_MIN: usize = 3_000;
const HOLDOUT_MAX: usize = 20_000;
/// Windows of rows ordered by time.
const WINDOWS: usize = 5;

/// Seconds of one core that a boosted configuration may take over all splits before rows are dealt less often.
const BEARABLE: f64 = 4.0;
/// Rounds of such a configuration, and cells (rows × columns × trees a round) that it passes a second, roughly. They are
/// the same on every machine and for every time limit, so that the splits are, and a longer search goes on with the
/// trials of a shorter one.
const ROUNDS: f64 = 150.0;
const PACE: f64 = 1e8;
/// Share of the time limit that such a configuration may take on one core before it learns from some rows only: with
/// one split, and with several, which are in work at once. On large tables it has so many rounds.
const FIT_SHARES: [f64; 2] = [0.2, 0.35];
const LONG_ROUNDS: f64 = 300.0;
/// Classes with no more rows are learned from whole.
const RARE: u32 = 50;
/// No sample is smaller.
pub(crate) const LEAST_ROWS: usize = 10_000;
/// Stream of the random numbers that draw it.
const THINNED: u64 = 30_000;

/// Folds and repeats: many repeats where a fit is cheap and the estimate noisy. `trees` a round. From 2,500 rows on eight
/// folds in place of five were no better in the same 30 s: of eight samples of 3,000 and 8,000 rows of bank marketing and
/// census, the held-out log loss was worse on six, all of 8,000 among them.
fn shape(rows: usize, columns: usize, trees: usize) -> (usize, usize) {
    let (k, most) = match rows {
        0..=49 => (5, 2),
        50..=499 => (5, 4),
        500..=2_499 => (5, 6),
        _ => (5, 1),
    };
    let seconds = k as f64 * (rows * columns * trees) as f64 * ROUNDS / PACE;
    (k, ((BEARABLE / seconds.max(f64::MIN_POSITIVE)) as usize).clamp(1, most))
}

/// Makes the splits; a pure function of the data, the wishes in `spec` and its seed.
pub(crate) fn make(data: &Dataset, spec: &Spec) -> Result<Folds, Error> {
    let marks = &data.marks;
    let chosen = spec.n_cross_validations.is_some() || spec.validation_size.is_some();
    let (splits, kind) = if marks.validation > 0 {
        let marked = !(marks.held.is_empty() && marks.groups.is_empty() && marks.times.is_empty());
        if chosen || marked {
            let detail = "the validation data is the only split: leave out other wishes for splitting; a column of groups or \
                          times that is no feature can be excluded";
            return Err(Error::Spec { setting: "validation_data", detail: detail.into() });
        }
        let valid = data.trainable() as u32..data.rows() as u32;
        let train = 0..data.trainable() as u32;
        (vec![Split { train: train.collect(), valid: valid.collect() }], "validation data".to_owned())
    } else if !marks.held.is_empty() {
        let kind = format!("{} splits of the table's own", marks.held.len());
        (marks.held.iter().map(|held| part(data.rows(), |r| held[r])).collect(), kind)
    } else if !marks.times.is_empty() {
        windows(&marks.times, spec)
    } else {
        dealt(data, spec)?
    };
    let mut folds = finish(data, splits, kind)?;
    thin(&mut folds, data, spec);
    Ok(folds)
}

/// Rows that a boosted configuration can learn from in the time there is.
fn affordable(data: &Dataset, splits: usize, limit: f64) -> usize {
    let seconds = limit * FIT_SHARES[usize::from(splits > 1)] / splits as f64;
    let row = data.features.len().max(1) * data.target.width();
    (seconds * PACE / (LONG_ROUNDS * row as f64)) as usize
}

/// Lets configurations learn from a sample, when all rows are too many for the time.
fn thin(folds: &mut Folds, data: &Dataset, spec: &Spec) {
    let by_time = || spec.time_limit_seconds.map(|limit| affordable(data, folds.splits.len(), limit));
    let longest = folds.splits.iter().map(|s| s.train.len()).max().unwrap_or(0);
    let Some(most) = spec.fit_rows.or_else(by_time).map(|rows| rows.max(LEAST_ROWS)) else { return };
    if most >= longest {
        return;
    }
    let strata = strata(&data.target);
    let mut taken = deal_share(&strata, most as f64 / longest as f64, &mut Random::new(spec.seed, THINNED));
    if data.target.task != Task::Regression {
        let mut counts = vec![0u32; data.target.class_count()];
        strata.iter().for_each(|&s| counts[s as usize] += 1);
        taken.iter_mut().zip(&strata).for_each(|(taken, &s)| *taken |= counts[s as usize] <= RARE);
    }
    let sample = Sample { taken, rows: most };
    for split in &mut folds.splits {
        split.train = sample.of(split.train.iter().copied());
    }
    folds.kind.push_str(&format!(", learned from {most} rows"));
    folds.sample = Some(sample);
}

/// Leaves out splits that teach a single class or weigh nothing, and lists the rows that are validated on.
fn finish(data: &Dataset, mut splits: Vec<Split>, kind: String) -> Result<Folds, Error> {
    let (target, weights) = (&data.target, &data.marks.weights);
    let weighs = |rows: &[u32]| {
        weights.is_empty() || rows.iter().any(|&r| weights.get(r as usize).is_none_or(|&w| w > 0.0))
    };
    let several = |split: &Split| {
        let mut values = split.train.iter().map(|&r| target.values[r as usize]);
        let first = values.next();
        first.is_some_and(|first| target.task == Task::Regression || values.any(|v| v != first))
    };
    let weighty = |split: &Split| weighs(&split.train) && weighs(&split.valid);
    splits.retain(|split| !split.valid.is_empty() && several(split) && weighty(split));
    if splits.is_empty() {
        let detail = "no split leaves rows of several classes to learn from and rows to validate on".into();
        return Err(Error::Target { target: target.name.clone(), detail });
    }
    let mut seen = vec![false; data.rows()];
    for row in splits.iter().flat_map(|s| &s.valid) {
        seen[*row as usize] = true;
    }
    let scored = (0..data.rows()).filter(|&r| seen[r]).map(|r| r as u32).collect();
    Ok(Folds { splits, scored, kind, sample: None })
}

/// The rows for which `held` is true, and the others.
fn part(rows: usize, held: impl Fn(usize) -> bool) -> Split {
    let (valid, train) = (0..rows as u32).partition(|&r| held(r as usize));
    Split { train, valid }
}

/// Expanding windows: rows are put in order of time and cut in equal blocks; each block but the first is validated on
/// after learning from all before it. Rows of one moment are never on both sides.
fn windows(times: &[f64], spec: &Spec) -> (Vec<Split>, String) {
    let rows = times.len();
    let mut order: Vec<u32> = (0..rows as u32).collect();
    order.sort_by(|&a, &b| times[a as usize].total_cmp(&times[b as usize]));
    // The place of the first row of the moment that stands at `place`.
    let start = |place: usize| {
        let moment = order.get(place).map_or(f64::INFINITY, |&r| times[r as usize]);
        order.partition_point(|&r| times[r as usize] < moment)
    };
    let sorted = |slice: &[u32]| {
        let mut rows = slice.to_vec();
        rows.sort_unstable();
        rows
    };
    let cut =
        |from: usize, to: usize| Split { train: sorted(&order[..from]), valid: sorted(&order[from..to]) };
    if let Some(size) = spec.validation_size {
        let from = start(rows - ((rows as f64 * size).round() as usize).clamp(1, rows - 1));
        return (vec![cut(from, rows)], "the latest rows held out".to_owned());
    }
    let count = spec.n_cross_validations.map_or(WINDOWS, |n| n as usize).min(rows - 1);
    let places: Vec<usize> = (1..=count + 1).map(|i| start(rows * i / (count + 1))).collect();
    let splits: Vec<Split> = places.windows(2).map(|w| cut(w[0], w[1])).collect();
    (splits, format!("{count} expanding windows of time"))
}

/// Rows dealt at random: a hold-out, or folds.
fn dealt(data: &Dataset, spec: &Spec) -> Result<(Vec<Split>, String), Error> {
    let rows = data.rows();
    let strata = strata(&data.target);
    let single = lone_rows(&data.target, &strata);
    let groups = &data.marks.groups;
    let distinct = groups.iter().max().map_or(rows, |&last| last as usize + 1);
    if distinct < 2 {
        let detail = "all rows are of one group, so none can be held out".into();
        return Err(Error::Spec { setting: "group_column", detail });
    }
    let assign = |k: usize, stream: u64| {
        let mut random = Random::new(spec.seed, stream);
        if groups.is_empty() {
            deal(&strata, k, &mut random)
        } else {
            deal_groups(&strata, groups, k, &mut random)
        }
    };
    // A row that is the only one of its class is always learned from, unless its group is held out.
    let held =
        |assigned: &[usize], fold: usize, r: usize| assigned[r] == fold && (!single[r] || !groups.is_empty());
    let automatic = spec.n_cross_validations.is_none() && rows > HOLDOUT_ROWS;
    let share = spec.validation_size.or_else(|| {
        let wished = (rows as f64 * HOLDOUT_SHARE) as usize;
        automatic.then(|| wished.clamp(HOLDOUT_MIN, HOLDOUT_MAX) as f64 / rows as f64)
    });
    if let Some(share) = share {
        let taken = if groups.is_empty() {
            deal_share(&strata, share, &mut Random::new(spec.seed, 1))
        } else {
            // Of thin folds the first ones make the share.
            let thin = 20.min(distinct);
            let first = ((thin as f64 * share).round() as usize).clamp(1, thin - 1);
            assign(thin, 1).into_iter().map(|fold| fold < first).collect()
        };
        let split = part(rows, |r| taken[r] && (!single[r] || !groups.is_empty()));
        return Ok((vec![split], format!("{:.0} % of the rows held out", share * 100.0)));
    }
    let (k, repeats) = match spec.n_cross_validations {
        Some(k) => (k as usize, 1),
        None => shape(rows, data.features.len(), data.target.width()),
    };
    let wished = k;
    let k = k.clamp(2, distinct);
    let mut splits = Vec::with_capacity(k * repeats);
    let mut seen: Vec<Vec<usize>> = Vec::with_capacity(repeats);
    for repeat in 0..repeats {
        let assigned = assign(k, 1 + repeat as u64);
        // Groups of different sizes are always dealt alike.
        if seen.contains(&assigned) {
            break;
        }
        splits.extend((0..k).map(|fold| part(rows, |r| held(&assigned, fold, r))));
        seen.push(assigned);
    }
    let times = if seen.len() > 1 { format!(", {} times", seen.len()) } else { String::new() };
    let dealt = if groups.is_empty() { "rows" } else { "groups" };
    let fewer = if k < wished {
        format!(", {wished} were wished but there are {distinct} {dealt}")
    } else {
        String::new()
    };
    Ok((splits, format!("{k} folds{fewer}{times}")))
}

/// Rows that are the only one of their class.
fn lone_rows(target: &Target, strata: &[u32]) -> Vec<bool> {
    if target.task == Task::Regression {
        return vec![false; strata.len()];
    }
    let mut counts = vec![0usize; target.class_count()];
    for &s in strata {
        counts[s as usize] += 1;
    }
    strata.iter().map(|&s| counts[s as usize] == 1).collect()
}

#[cfg(test)]
mod tests;
