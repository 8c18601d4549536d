//! `cargo xtask fuzz` and `cargo xtask soak`: the fuzz targets of `fuzz/` for a while or for long, and the kill -9 rounds.
//!
//! A fuzzer needs a nightly compiler. What it finds goes to `fuzz/` in the target folder: the corpus of each target, made
//! smaller after each run, and the inputs that broke it. The seeds in the repository are only read.

use crate::outcome::{Fault, Result};
use crate::{place, run, say, tools};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every target, by the names of its file and of its folder of seeds.
const TARGETS: &[&str] = &[
    "jwt",
    "jwks",
    "onnx",
    "onnx_eval",
    "onnx_folding",
    "importers",
    "csv",
    "parquet",
    "http",
    "rows",
    "infer",
    "policy",
    "definitions",
    "filter",
];
/// Seconds a target runs for `fuzz`, and for `soak`.
const SECONDS: u64 = 60;
const SOAK_SECONDS: u64 = 600;
/// How often a soak runs the test of kill -9, which is 50 rounds: a thousand in all.
const SOAK_KILLS: u64 = 20;
/// The longest input in bytes, the most memory in MiB, the most seconds for one input.
const LENGTH_MAX: u32 = 65_536;
const MEMORY_MAX: u32 = 4096;
const INPUT_SECONDS: u32 = 20;

/// What was asked: one target or all, and for how long.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    targets: Vec<&'static str>,
    seconds: u64,
}

/// Reads `[TARGET] [--seconds N]`; nothing when it says nothing known.
pub fn asked(words: &[&str]) -> Option<Asked> {
    let (target, rest) = match words {
        [first, rest @ ..] if !first.starts_with('-') => (Some(*first), rest),
        rest => (None, rest),
    };
    let seconds = match rest {
        [] => SECONDS,
        ["--seconds", number] => number.parse().ok().filter(|n| *n > 0)?,
        _ => return None,
    };
    let targets = match target {
        None => TARGETS.to_vec(),
        Some(name) => vec![*TARGETS.iter().find(|known| **known == name)?],
    };
    Some(Asked { targets, seconds })
}

/// Runs each target for its time; a fault that names those that broke.
pub fn fuzz(asked: &Asked) -> Result<()> {
    let cargo_fuzz = tools::cargo_fuzz()?;
    let mut broken = Vec::new();
    for target in &asked.targets {
        say::line(&format!("\n== {target}: {} s", asked.seconds));
        if let Err(fault) = one(&cargo_fuzz, target, asked.seconds) {
            say::fault(&fault.to_string());
            broken.push(*target);
        }
    }
    match broken.is_empty() {
        true => Ok(()),
        false => Err(Fault::new(format!("broken: {}; see {}", broken.join(", "), kept().display()))),
    }
}

/// Long runs of everything that looks for the rare: every target, and kill -9 at random moments.
pub fn soak() -> Result<()> {
    fuzz(&Asked { targets: TARGETS.to_vec(), seconds: SOAK_SECONDS })?;
    let words = ["test", "--locked", "-p", "portcullis", "--test", "it", "kill_nine", "--", "--nocapture"];
    for time in 1..=SOAK_KILLS {
        say::line(&format!("\n== kill -9, time {time} of {SOAK_KILLS}"));
        // Odd, so that it is never 0; far apart, so that the moments are others each time.
        let seed = time.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        run::pass(run::cargo(&words).env("PORTCULLIS_KILL_SEED", seed.to_string()))?;
    }
    Ok(())
}

/// The folder of what fuzzing found.
fn kept() -> PathBuf {
    place::target().join("fuzz")
}

fn one(cargo_fuzz: &Path, target: &str, seconds: u64) -> Result<()> {
    let (corpus, artifacts) = (kept().join("corpus").join(target), kept().join("artifacts").join(target));
    for folder in [&corpus, &artifacts] {
        std::fs::create_dir_all(folder).map_err(|e| Fault::new(format!("{}: {e}", folder.display())))?;
    }
    let seeds = place::root().join("fuzz/corpus").join(target);
    let mut fuzzer = command(cargo_fuzz, "run", target);
    fuzzer.args([&corpus, &seeds]).arg("--");
    fuzzer.arg(format!("-artifact_prefix={}/", artifacts.display()));
    fuzzer.arg(format!("-max_total_time={seconds}")).args(["-print_final_stats=1", "-verbosity=0"]);
    fuzzer.args(limits());
    run::pass(&mut fuzzer)?;
    let mut smaller = command(cargo_fuzz, "cmin", target);
    run::pass(smaller.arg(&corpus).arg("--").args(limits()))
}

fn limits() -> [String; 3] {
    [
        format!("-max_len={LENGTH_MAX}"),
        format!("-rss_limit_mb={MEMORY_MAX}"),
        format!("-timeout={INPUT_SECONDS}"),
    ]
}

/// `cargo fuzz WORD TARGET` by the nightly compiler.
fn command(cargo_fuzz: &Path, word: &str, target: &str) -> Command {
    let mut command =
        run::program(&cargo_fuzz.to_string_lossy(), &[word, "--fuzz-dir", "fuzz", "--target-dir"]);
    command.arg(kept()).arg(target);
    command.env("RUSTUP_TOOLCHAIN", "nightly").env_remove("CARGO").env_remove("CARGO_MANIFEST_DIR");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_and_a_time_may_be_said() {
        assert_eq!(asked(&[]), Some(Asked { targets: TARGETS.to_vec(), seconds: 60 }));
        assert_eq!(asked(&["jwt"]), Some(Asked { targets: vec!["jwt"], seconds: 60 }));
        assert_eq!(asked(&["csv", "--seconds", "5"]), Some(Asked { targets: vec!["csv"], seconds: 5 }));
        for wrong in
            [&["nothing"][..], &["--seconds"], &["--seconds", "0"], &["--seconds", "x"], &["jwt", "csv"]]
        {
            assert_eq!(asked(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn every_target_has_its_file_its_seeds_and_its_line() {
        let folder = place::root().join("fuzz");
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        for target in TARGETS {
            assert!(folder.join(format!("fuzz_targets/{target}.rs")).is_file(), "{target}");
            assert!(folder.join("corpus").join(target).read_dir().unwrap().count() > 2, "{target}");
            assert!(manifest.contains(&format!("fuzz_targets/{target}.rs")), "{target}");
        }
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    }
}
