//! Searches on a table whose text decides the target.

use super::{column, search};
use crate::random::Random;
use crate::table::{Kind, MISSING_CODE, Table, Values};
use crate::{ColumnRole, Guard, Outcome, Spec};
use std::path::Path;
use std::process::Command;

const FILLER: [&str; 12] =
    ["the", "Service", "was", "room", "Größe", "of", "very", "and", "hotel,", "we", "ÄRGER", "staff"];

/// Texts in which `good` pleases and `not good` does not, as people write them: capitals, signs, gaps, letters beyond
/// ASCII, now and then none; and a number of no use.
pub(super) fn table(rows: usize) -> Table {
    let mut random = Random::new(3, rows as u64);
    let (mut codes, mut levels, mut y, mut noise) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        let mut words: Vec<&str> = (0..4 + random.below(5)).map(|_| FILLER[random.below(12)]).collect();
        let at = random.below(words.len());
        let pleased = random.unit() < 0.5;
        let verdict: &[&str] = match (pleased, random.below(3)) {
            (true, 0) => &["Good!"],
            (true, _) => &["good"],
            (false, 0) => &["NOT", "good."],
            (false, _) => &["not", "good"],
        };
        words.splice(at..at, verdict.iter().copied());
        let gap = ["  ", " ", " ", " ", "\t"][random.below(5)];
        let text = format!("{}{gap}{}", words[..2].join(" "), words[2..].join(" "));
        noise.push(random.unit());
        match random.below(20) {
            0 => codes.push(MISSING_CODE),
            _ => {
                codes.push(levels.len() as u32);
                levels.push(text);
            }
        }
        y.push(f64::from(u8::from(if random.unit() < 0.05 { !pleased } else { pleased })));
    }
    Table {
        columns: vec![
            column("noise", Kind::Float, Values::Numbers(noise)),
            column("review", Kind::Text, Values::Texts { codes, levels }),
            column("y", Kind::Integer, Values::Numbers(y)),
        ],
    }
}

fn made(trials: u32) -> (Table, Outcome) {
    let table = table(300);
    let outcome = search(&table, &Spec::new("y", trials, 4)).unwrap();
    (table, outcome)
}

#[test]
fn a_text_that_decides_is_learned_from_and_explains() {
    let (mut table, outcome) = made(9);
    assert!(outcome.score > 0.85, "{}", outcome.score);
    let report = &outcome.columns[1];
    assert_eq!((report.role, report.kind.as_str()), (ColumnRole::Text, "text"));
    assert!(report.note.as_ref().unwrap().contains("read word by word"), "{report:?}");
    assert_eq!(outcome.signature["inputs"][1]["type"], "text");
    assert!(outcome.signature["inputs"][1]["example"].as_str().unwrap().contains(' '));
    assert_eq!(outcome.importance.len(), 2);
    assert_eq!(outcome.importance[0].column, "review");
    assert!(outcome.importance[0].mean > 0.2, "{:?}", outcome.importance);
    assert!(outcome.guardrails.iter().all(|g| g.guard != Guard::HighCardinality), "{:?}", outcome.guardrails);

    let model = onnx::Model::from_bytes(&outcome.model).unwrap();
    let explainer = onnx::Explainer::new(&model, &outcome.model).unwrap();
    let slot = model.slot("review").unwrap();
    let mut batch = model.batch();
    let texts = ["the room was Good, and we", "the room was NOT good", "unheard\u{1}of words", ""];
    for text in texts {
        batch.push_row();
        batch.set_text(&model, slot, 0, text);
        // The middle: a missing number, which training has not seen, would be as strange as any text.
        batch.set_number(model.slot("noise").unwrap(), 0, 0.5);
    }
    model.predict(&mut batch).unwrap();
    let pleased: Vec<f32> = (0..4).map(|row| batch.probabilities(row)[1]).collect();
    assert!(pleased[0] > pleased[1] + 0.4, "{pleased:?}");
    for (row, text) in texts.iter().enumerate() {
        let explained = explainer.explain(&batch, row).unwrap();
        let sum = explained.base + explained.contributions.iter().sum::<f64>();
        assert!((sum - f64::from(batch.probabilities(row)[explained.class])).abs() < 1e-4, "{text:?}: {sum}");
        let [noise, review] = explained.contributions[..] else { panic!("{explained:?}") };
        assert!(row > 1 || review > 0.1 && review > 4.0 * noise.abs(), "{text:?}: {explained:?}");
    }

    table.columns.remove(1);
    let without = search(&table, &Spec::new("y", 9, 4)).unwrap();
    assert!(outcome.score > without.score + 0.25, "{} with, {} without", outcome.score, without.score);
}

#[test]
fn texts_give_the_same_bytes_on_any_number_of_threads() {
    let table = table(100);
    let model = |threads| search(&table, &Spec { threads, ..Spec::new("y", 3, 2) }).unwrap().model;
    assert!(model(1) == model(2));
}

/// What the file answers to every row of the table, and to some that are unlike them.
fn answers(table: &Table, outcome: &Outcome) -> serde_json::Value {
    let model = onnx::Model::from_bytes(&outcome.model).unwrap();
    let Values::Texts { codes, levels } = &table.columns[1].values else { panic!("no texts") };
    let Values::Numbers(noise) = &table.columns[0].values else { panic!("no numbers") };
    let text = |&code: &u32| levels.get(code as usize).cloned().unwrap_or_default();
    let mut texts: Vec<String> = codes.iter().map(text).collect();
    let strange = [
        "",
        " ",
        "   ",
        "good",
        "GOOD",
        "not  good",
        "not\tgood",
        "not\u{a0}good",
        "größe GRÖSSE Größe",
        "ärger ÄRGER Ärger",
        " not good ",
        "İstanbul ǅ ﬁ 漢字 🦀",
        "nothing known",
        "good,good",
        "!!! good",
        "not\ngood",
    ];
    texts.extend(strange.map(str::to_owned));
    let mut batch = model.batch();
    let noise: Vec<f32> = (0..texts.len()).map(|row| noise[row % noise.len()] as f32).collect();
    for (text, &noise) in texts.iter().zip(&noise) {
        batch.push_row();
        batch.set_number(model.slot("noise").unwrap(), 0, noise);
        batch.set_text(&model, model.slot("review").unwrap(), 0, text);
    }
    model.predict(&mut batch).unwrap();
    let answers: Vec<&[f32]> = (0..texts.len()).map(|row| batch.probabilities(row)).collect();
    serde_json::json!({ "inputs": { "review": texts, "noise": noise }, "probabilities": answers })
}

#[test]
fn onnxruntime_answers_as_our_engine_does() {
    let needed = "import onnxruntime, numpy";
    let python = std::env::var_os("PORTCULLIS_PYTHON").filter(|python| {
        Command::new(python).args(["-c", needed]).output().is_ok_and(|o| o.status.success())
    });
    let Some(python) = python else {
        println!("skipped: onnxruntime_answers_as_our_engine_does needs PORTCULLIS_PYTHON with onnxruntime");
        return;
    };
    let (table, outcome) = made(8);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.onnx"), &outcome.model).unwrap();
    std::fs::write(folder.path().join("answers.json"), answers(&table, &outcome).to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests-python/automl_texts.py");
    let out = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    let text = [out.stdout.as_slice(), &out.stderr].concat();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&text));
}
