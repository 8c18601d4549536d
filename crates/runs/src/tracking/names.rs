//! Names of runs that were given none: an adjective, an animal and a number.

use domain::RunId;

const ADJECTIVES: [&str; 32] = [
    "able", "amber", "brave", "brisk", "calm", "clear", "clever", "crisp", "eager", "early", "fair", "fleet",
    "fresh", "gentle", "glad", "golden", "grand", "keen", "kind", "lively", "lucky", "merry", "mild",
    "noble", "proud", "quick", "quiet", "sharp", "steady", "sunny", "swift", "wise",
];
const ANIMALS: [&str; 32] = [
    "badger", "bear", "beaver", "bison", "crane", "deer", "dove", "eagle", "falcon", "finch", "fox", "hare",
    "hawk", "heron", "horse", "ibex", "lark", "lynx", "marten", "moose", "otter", "owl", "panther", "raven",
    "robin", "seal", "shrew", "stork", "swan", "trout", "whale", "wolf",
];

/// A name made from the random part of an id.
pub(super) fn of(id: &RunId) -> String {
    let text = id.as_str();
    let part =
        |from: usize| usize::from_str_radix(text.get(from..from + 4).unwrap_or("0"), 16).unwrap_or_default();
    let (adjective, animal, number) =
        (part(20) % ADJECTIVES.len(), part(24) % ANIMALS.len(), part(28) % 1000);
    format!("{}-{}-{number}", ADJECTIVES[adjective], ANIMALS[animal])
}
