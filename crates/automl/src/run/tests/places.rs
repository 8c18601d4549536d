//! Categories of more texts than codes.

use super::budget::quick;
use super::*;

/// Texts of the category, each of which decides.
const TEXTS: u32 = 600;

/// A category that alone decides, and a number that says nothing; every hundredth row lacks the text or has one of its own.
fn shop(rows: usize, seed: u64) -> Table {
    let mut random = Random::new(seed, 1);
    let mut levels: Vec<String> = (0..TEXTS).map(|l| format!("shop-{l}")).collect();
    let (mut codes, mut noise, mut y) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..rows {
        let level = random.below(TEXTS as usize) as u32;
        let good = Random::new(u64::from(level), 77).unit() < 0.5;
        codes.push(match row % 100 {
            7 => MISSING_CODE,
            8 => {
                levels.push(format!("once-{row}-{seed}"));
                levels.len() as u32 - 1
            }
            _ => level,
        });
        noise.push(random.unit());
        y.push(f64::from(u8::from(random.unit() < if good { 0.85 } else { 0.15 })));
    }
    Table {
        columns: vec![
            column("shop", Kind::Category, Values::Texts { codes, levels }),
            column("noise", Kind::Float, Values::Numbers(noise)),
            column("y", Kind::Integer, Values::Numbers(y)),
        ],
    }
}

#[test]
fn every_text_that_comes_again_counts_by_its_own_mean() {
    let (train, test) = (shop(4_800, 1), shop(2_000, 2));
    let spec = Spec { allowed_learners: vec!["LightGBM".into(), "GradientBoosting".into()], ..quick(4) };
    let search = |threads| {
        let tables = Tables { training: &train, validation: None, test: Some(&test) };
        run(tables, &Spec { threads, ..spec.clone() }, &mut |_| ControlFlow::Continue(())).unwrap()
    };
    let outcome = search(1);
    assert!(outcome.model == search(2).model);
    let note = outcome.columns[0].note.as_deref().unwrap();
    assert!(note.ends_with("have a mean of the target of their own"), "{note}");
    assert!(
        outcome.trials.iter().any(|t| t.learner.contains("leaves") && t.learner.contains("target means"))
    );
    // The 248 texts with a code are two rows of five: without the others the AUC would be some 0.73.
    let area = outcome.test.as_ref().unwrap()["AUC_weighted"];
    assert!(area > 0.79, "{area}");
    assert_eq!(outcome.importance[0].column, "shop");
    assert!(outcome.importance[0].low > 0.1, "{:?}", outcome.importance);
}
