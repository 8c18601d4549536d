//! Seeds and damaged seeds, for the normal tests: what a fuzzer does, in small, without one and always alike.

use std::path::Path;

/// Damaged inputs made of all seeds of a target.
const MUTANTS: usize = 2000;
/// Bytes that mean something to one of the formats.
const TOKENS: &[&[u8]] = &[
    b"\r\n",
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b".",
    b"\0",
    b"\xff",
    b"1e9",
    b"null",
    b"-",
    b" ",
    b"\\u0000",
    b"\x80\x80\x01",
];

/// Feeds every seed of a target, then damaged ones; how many there were.
pub fn each(target: &str, mut body: impl FnMut(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().filter_map(|path| std::fs::read(path).ok()).collect();
    assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
    seeds.iter().for_each(|seed| body(seed));
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for at in 0..MUTANTS {
        let mut bytes = seeds[at % seeds.len()].clone();
        for _ in 0..=random.below(4) {
            damage(&mut bytes, &seeds, &mut random);
        }
        body(&bytes);
    }
    seeds.len() + MUTANTS
}

fn damage(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    let end = (at + random.below(16)).min(bytes.len());
    match random.below(7) {
        0 => drop(bytes.drain(at..end)),
        1 => bytes.truncate(at),
        2 => {
            let token = TOKENS[random.below(TOKENS.len())];
            bytes.splice(at..at, token.iter().copied());
        }
        3 => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        4 => {
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        kind => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = if kind == 5 {
                    *byte ^ (1 << random.below(8))
                } else {
                    [0, 0x7f, 0xff, b'0'][random.below(4)]
                };
            }
        }
    }
}

/// Xorshift.
struct Random(u64);

impl Random {
    /// A number below `n`, which is not 0.
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap_or_default()
    }
}
