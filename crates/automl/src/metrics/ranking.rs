//! Areas under curves, one class against the rest.

use super::classes::Scored;

/// Score of a row for a class, whether the row is of the class, its weight.
pub(crate) type Ranked = Vec<(f64, bool, f64)>;

/// AUC and average precision, macro, micro and weighted.
pub(super) fn all(s: &Scored<'_>) -> Vec<(&'static str, f64)> {
    let each: Vec<(f64, f64, f64)> = usable(s)
        .map(|(class, support)| {
            let ranked = one_against_rest(s, class);
            (area(&ranked), average_precision(&ranked), support)
        })
        .collect();
    let micro = every_class(s);
    let count = each.len() as f64;
    let weight: f64 = each.iter().map(|e| e.2).sum();
    vec![
        ("AUC_macro", each.iter().map(|e| e.0).sum::<f64>() / count),
        ("AUC_micro", area(&micro)),
        ("AUC_weighted", each.iter().map(|e| e.0 * e.2).sum::<f64>() / weight),
        ("average_precision_score_macro", each.iter().map(|e| e.1).sum::<f64>() / count),
        ("average_precision_score_micro", average_precision(&micro)),
        ("average_precision_score_weighted", each.iter().map(|e| e.1 * e.2).sum::<f64>() / weight),
    ]
}

/// `AUC_weighted` alone; NaN where all rows are of one class.
pub(super) fn weighted_area(s: &Scored<'_>) -> f64 {
    let (sum, weight) = usable(s).fold((0.0, 0.0), |(sum, weight), (class, support)| {
        (sum + area(&one_against_rest(s, class)) * support, weight + support)
    });
    sum / weight
}

/// The classes that some rows are of, and not all, with the weight of theirs.
fn usable(s: &Scored<'_>) -> impl Iterator<Item = (usize, f64)> {
    let support = s.support();
    let total: f64 = support.iter().sum();
    support.into_iter().enumerate().filter(move |&(_, weight)| weight > 0.0 && weight < total)
}

/// The rows by falling probability of a class.
pub(crate) fn one_against_rest(s: &Scored<'_>, class: usize) -> Ranked {
    sort(of_class(s, class).collect())
}

/// All pairs of a row and a class by falling probability.
fn every_class(s: &Scored<'_>) -> Ranked {
    // Reserved, since nothing says how many pairs there are, and they are many.
    let mut pairs = Vec::with_capacity(s.probabilities.len());
    pairs.extend((0..s.k).flat_map(|c| of_class(s, c)));
    sort(pairs)
}

fn of_class<'a>(s: &'a Scored<'_>, class: usize) -> impl Iterator<Item = (f64, bool, f64)> + 'a {
    let scores = s.probabilities.iter().skip(class).step_by(s.k);
    scores.zip(s.classes).enumerate().map(move |(at, (&p, &c))| (p, c == class, s.weight(at)))
}

/// By falling score.
fn sort(mut ranked: Ranked) -> Ranked {
    ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    ranked
}

/// Calls `visit(score, positives, negatives)` for each group of equal scores, highest first; amounts are weights.
pub(crate) fn groups(ranked: &Ranked, mut visit: impl FnMut(f64, f64, f64)) {
    for group in ranked.chunk_by(|a, b| a.0 == b.0) {
        let of = |positive: bool| group.iter().filter(|r| r.1 == positive).map(|r| r.2).sum::<f64>();
        visit(group[0].0, of(true), of(false));
    }
}

/// Area under the receiver operating characteristic; ties count half.
fn area(ranked: &Ranked) -> f64 {
    let (mut above, mut negatives, mut pairs) = (0.0, 0.0, 0.0);
    groups(ranked, |_, p, n| {
        pairs += n * (above + p / 2.0);
        above += p;
        negatives += n;
    });
    pairs / (above * negatives)
}

/// Σ (Rₙ − Rₙ₋₁) Pₙ over the distinct thresholds.
fn average_precision(ranked: &Ranked) -> f64 {
    let (mut hits, mut taken, mut sum) = (0.0, 0.0, 0.0);
    groups(ranked, |_, p, n| {
        hits += p;
        taken += p + n;
        if taken > 0.0 {
            sum += p * hits / taken;
        }
    });
    sum / hits
}
