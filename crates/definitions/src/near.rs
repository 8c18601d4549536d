//! The nearest of some known words, for messages.

/// The known word nearest to what was written, when it is near enough to have been meant.
pub(crate) fn nearest<'k>(written: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let plain = plain(written);
    // Longer than any known word and its slips: not worth the time.
    if plain.len() > 64 {
        return None;
    }
    let most = (plain.len() / 3).clamp(1, 3);
    known
        .map(|word| (distance(&plain, &self::plain(word)), word))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Lower case without separators, so that camel case and kebab case find snake case.
fn plain(word: &str) -> Vec<char> {
    word.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Letters to change, add, take out or swap with the next one.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut now = vec![i + 1; b.len() + 1];
        for (j, y) in b.iter().enumerate() {
            let change = last[j] + usize::from(x != y);
            now[j + 1] = change.min(last[j + 1] + 1).min(now[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                now[j + 1] = now[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut last, now);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_their_word() {
        let known = ["command", "environment", "instance_count", "code"];
        for (written, meant) in [
            ("comand", "command"),
            ("enviroment", "environment"),
            ("instanceCount", "instance_count"),
            ("cdoe", "code"),
        ] {
            assert_eq!(nearest(written, known.into_iter()), Some(meant), "{written}");
        }
        assert_eq!(nearest("banana", known.into_iter()), None);
        assert_eq!(nearest("", known.into_iter()), None);
    }
}
