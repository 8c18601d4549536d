//! The project's own commands: set up and test, house rules, the shipped table, measurements.
//!
//! `cargo xtask` without a word lists them. Exit codes: 0 done, 1 failed, 2 wrong use.

mod fuzz;
mod german_credit;
mod measure;
mod outcome;
mod place;
mod rules;
mod run;
mod say;
mod test;
mod tools;

use outcome::Result;
use std::path::Path;
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask WORD

  test [--quick]      set up what is missing, then pass every check and test; --quick leaves out what needs
                      Python, a browser or cargo-deny
  setup               the setting up alone
  rules               the house rules alone: dependencies, sizes, words, texts
  fuzz [TARGET] [--seconds N]
                      feed a fuzz target, or each, for 60 s or for so long; needs a nightly compiler, builds cargo-fuzz
  soak                the long runs: every fuzz target for ten minutes, then a thousand rounds of kill -9
  german-credit SOURCE OUT
                      make the shipped table from credit-g.arff, or from the Debian package weka that holds it
  measure [CRATE]… [--clean-release]
                      seconds of `cargo check` after touching one line in each crate (or in those named), as a table
                      for ARCHITECTURE.md; --clean-release instead builds the release from nothing and weighs it

Build output goes to CARGO_TARGET_DIR, tools to `tools` in it. With PORTCULLIS_ADVISORY_DB, a folder of advisory
databases as cargo-deny keeps them, `test` judges the advisories too.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let Some(outcome) = carry_out(&words) else {
        say::fault(&format!("wrong use: cargo xtask {}\n\n{HELP}", words.join(" ")));
        return ExitCode::from(2);
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            say::fault(&format!("failed: {fault}"));
            ExitCode::FAILURE
        }
    }
}

/// Does what the words say; nothing when they say nothing known.
fn carry_out(words: &[&str]) -> Option<Result<()>> {
    match words {
        [] | ["help" | "--help" | "-h"] => {
            say::line(HELP);
            Some(Ok(()))
        }
        ["test"] => Some(test::run(test::Depth::Full)),
        ["test", "--quick"] => Some(test::run(test::Depth::Quick)),
        ["setup"] => Some(test::set_up()),
        ["rules"] => Some(rules::check()),
        ["fuzz", words @ ..] => fuzz::asked(words).map(|asked| fuzz::fuzz(&asked)),
        ["soak"] => Some(fuzz::soak()),
        ["german-credit", source, out] => Some(german_credit::make(Path::new(source), Path::new(out))),
        ["measure", "--clean-release"] => Some(measure::clean_release()),
        ["measure", crates @ ..] if crates.iter().all(|name| !name.starts_with('-')) => {
            Some(measure::checks(crates))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_words_are_wrong_use() {
        for words in [
            &["tests"][..],
            &["test", "--fast"],
            &["german-credit", "one"],
            &["measure", "--x"],
            &["rules", "x"],
        ] {
            assert!(carry_out(words).is_none(), "{words:?}");
        }
        assert!(matches!(carry_out(&["help"]), Some(Ok(()))));
    }
}
