//! What is left out of tables that are too wide for it.

use super::*;

#[test]
fn an_encoding_with_too_many_columns_or_cells_is_not_made() {
    let million = 1_000_000;
    for (codes, rows, may) in [
        (400, million, true),
        (400, million + 1, false),
        (40, 10 * million, true),
        (401, 10, false),
        (0, usize::MAX, true),
        (2, usize::MAX, false),
    ] {
        assert_eq!(may_be_one_hot(codes, rows), may, "{codes} codes, {rows} rows");
    }
    let facts = |one_hot| Facts {
        rows: million,
        numbers: 2,
        codes: 400,
        categories: 3,
        placed: false,
        one_hot,
        regression: false,
        outputs: 1,
    };
    // Boosting reads the codes themselves then; trees of one threshold a level have no sets of codes.
    for candidate in [symmetric(6, 0.04, 3.3), depth_wise(false)] {
        let name = |one_hot| facts(one_hot).boost(candidate.clone()).name();
        assert!(name(true).contains("one-hot"), "{}", name(true));
        assert!(name(false).contains(", native categories") && !name(false).contains("symmetric"));
    }
}

#[test]
fn wide_tables_have_no_model_that_no_file_holds() {
    let facts = |numbers, categories, outputs| Facts {
        rows: 400,
        numbers,
        codes: 10 * categories,
        categories,
        placed: false,
        one_hot: false,
        regression: outputs == 1,
        outputs,
    };
    let name = |f: &Facts| f.linear(Linear { pieces: 8, ..Linear::default() }).name();
    for (numbers, pieces, logarithms) in [
        (500, true, true),
        (3_000, true, true),
        (4_000, false, true),
        (13_000, false, false),
        (16_384, false, false),
    ] {
        let f = facts(numbers, 0, 1);
        assert!(f.bears(Algorithm::Linear), "{numbers}");
        assert_eq!(
            (name(&f).contains("splines"), name(&f).contains("logarithms")),
            (pieces, logarithms),
            "{numbers}"
        );
        assert!(network(&f, 8).name().contains("0 pieces") || numbers < 700, "{numbers}");
        assert_eq!(f.bears(Algorithm::NeuralNetwork), numbers <= 10_000, "{numbers}");
    }
    // Parts of many rows would not fit in memory.
    let long = Facts { rows: 20_000, ..facts(2_500, 0, 1) };
    assert!(!name(&long).contains("splines") && network(&long, 8).name().contains("0 pieces"));
    // Of categories: each a look-up an output, or each code a comparison.
    assert!(facts(10, 16_000, 1).bears(Algorithm::Linear) && !facts(10, 16_000, 4).bears(Algorithm::Linear));
    assert!(!facts(10, 16_000, 1).bears(Algorithm::NeuralNetwork));
}
