//! What each column type takes: a weighted sum tells which value arrived where.

use crate::testing::{self, Bench, text};
use http::StatusCode;

/// The sum for a row with one member replaced; the row alone gives 0.
fn total(bench: &mut Bench, member: &str, value: &str) -> Result<f32, String> {
    let members = ["float.x", "whole", "flag", "when", "word"].map(|name| {
        format!(
            "{name:?}:{}",
            if name == member {
                value
            } else if name == "word" {
                "\"\""
            } else {
                "0"
            }
        )
    });
    let outcome = bench.post("score", format!(r#"{{"input_data":[{{{}}}]}}"#, members.join(",")));
    if outcome.status == StatusCode::OK {
        let text = text(&outcome);
        Ok(text[1..text.len() - 1].parse().unwrap_or(f32::NAN))
    } else {
        assert_eq!(outcome.status, StatusCode::UNPROCESSABLE_ENTITY);
        let problem: serde_json::Value = serde_json::from_slice(&outcome.body).unwrap();
        Err(problem["message"].as_str().unwrap().to_owned())
    }
}

#[test]
fn numbers() {
    let mut bench = Bench::new(testing::sum());
    for (value, sum) in [
        ("2.5", 2.5),
        ("7", 7.0),
        ("\"1e2\"", 100.0),
        ("\" -3 \"", -3.0),
        ("18446744073709551615", 1.844_674_4e19),
    ] {
        assert_eq!(total(&mut bench, "float.x", value), Ok(sum), "{value}");
    }
    assert_eq!(total(&mut bench, "whole", "\"4\""), Ok(40.0));
    assert_eq!(total(&mut bench, "whole", "4.5"), Ok(45.0));
    assert!(total(&mut bench, "float.x", "null").unwrap().is_nan());
}

#[test]
fn truths() {
    let mut bench = Bench::new(testing::sum());
    for value in ["true", "1", "1.0", "\"true\"", "\"True\"", "\"yes\"", "\"1\""] {
        assert_eq!(total(&mut bench, "flag", value), Ok(100.0), "{value}");
    }
    for value in ["false", "0", "\"FALSE\"", "\"0\""] {
        assert_eq!(total(&mut bench, "flag", value), Ok(0.0), "{value}");
    }
}

#[test]
fn times() {
    let mut bench = Bench::new(testing::sum());
    for value in [
        "\"1970-01-03\"",
        "\"1970-01-03T00:00:00Z\"",
        "\"1970-01-03 00:00:00,000000\"",
        "172800",
        "\"172800\"",
    ] {
        assert_eq!(total(&mut bench, "when", value), Ok(2.0), "{value}");
    }
}

#[test]
fn words() {
    let mut bench = Bench::new(testing::sum());
    for (value, sum) in [
        ("\"a\"", 1000.0),
        ("3", 2000.0),
        ("\"3\"", 2000.0),
        ("true", 3000.0),
        ("2.5", 4000.0),
        ("2.50", 4000.0),
        ("\"?\"", 0.0),
        ("null", 0.0),
        ("\"\\u0061\"", 1000.0),
    ] {
        assert_eq!(total(&mut bench, "word", value), Ok(sum), "{value}");
    }
}

/// A column, a value that does not fit, and what is said after the row and field.
const MISFITS: &[(&str, &str, &str)] = &[
    ("float.x", "\"abc\"", "a number, found the text \"abc\""),
    ("float.x", "\"\"", "a number, found the text \"\""),
    ("float.x", "\"NaN\"", "a number, found the text \"NaN\""),
    ("float.x", "true", "a number, found true"),
    ("float.x", "1e39", "a number within ±3.4e38, found the number 1e39"),
    ("whole", "[1]", "a whole number, found a list"),
    ("flag", "2", "true or false, found the number 2"),
    ("flag", "\"maybe\"", "true or false, found the text \"maybe\""),
    ("when", "\"soon\"", "a time as ISO 8601 text or seconds since 1970, found the text \"soon\""),
    ("when", "false", "a time as ISO 8601 text or seconds since 1970, found false"),
    ("word", "{}", "text, found an object"),
];

#[test]
fn what_does_not_fit_is_named() {
    let mut bench = Bench::new(testing::sum());
    for (member, value, message) in MISFITS {
        let expected = format!("row 0, field '{member}': expected {message}");
        assert_eq!(total(&mut bench, member, value).unwrap_err(), expected);
    }
    let long = format!("\"{}\"", "y".repeat(70));
    let message = total(&mut bench, "float.x", &long).unwrap_err();
    assert!(message.ends_with(&format!("found the text \"{}…\"", "y".repeat(60))), "{message}");
}

#[test]
fn unknown_categories_are_scored_and_counted() {
    let mut bench = Bench::new(testing::sum());
    let body = r#"{"data":[{"float.x":0,"whole":0,"flag":0,"when":0,"word":"new"},{"float.x":0,"whole":0,"flag":0,"when":0,"word":"a"}]}"#;
    let outcome = bench.post("score", body);
    assert_eq!((outcome.status, outcome.unknown), (StatusCode::OK, 1));
}
