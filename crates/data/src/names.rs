//! Names like a name, for messages.

/// Names proposed at most.
const PROPOSED: usize = 3;

/// The names nearest to one that is not there, nearest first; none when all are far.
pub(crate) fn near<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted: Vec<char> = wanted.to_lowercase().chars().collect();
    // A short name is near to every other short one.
    let most = wanted.len().div_ceil(3) - usize::from(wanted.len() < 3);
    let mut found: Vec<(usize, &str)> = known
        .map(|name| (distance(&wanted, &name.to_lowercase().chars().collect::<Vec<_>>()), name))
        .filter(|(apart, _)| *apart <= most)
        .collect();
    found.sort_unstable();
    found.into_iter().take(PROPOSED).map(|(_, name)| name.to_owned()).collect()
}

/// Insertions, deletions and changes that make one of the other (Levenshtein).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names() {
        let known = ["Risk", "Age", "Credit amount", "Sex"];
        assert_eq!(near("risk", known.into_iter()), ["Risk"]);
        assert_eq!(near("credit_amount", known.into_iter()), ["Credit amount"]);
        assert_eq!(near("Agee", known.into_iter()), ["Age"]);
        assert!(near("unrelated", known.into_iter()).is_empty());
    }
}
