//! Models that our own engine does not cover, in ONNX Runtime's library beside what its Python package answers. Runs where the environment
//! variable `PORTCULLIS_PYTHON` names an interpreter with onnx, onnxruntime, skl2onnx and sklearn.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at what is not as expected")]

use onnx::{Labels, Output, SlotKind};
use portcullis_engines::{Batch, Engine, Error, use_library};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Interpreter and library, when they are there.
fn found() -> Option<(PathBuf, PathBuf)> {
    let told = "import onnxruntime, onnx, skl2onnx, glob, os; \
                print(glob.glob(os.path.dirname(onnxruntime.__file__) + '/capi/libonnxruntime.so*')[0])";
    let python = std::env::var_os("PORTCULLIS_PYTHON").map(PathBuf::from)?;
    let out = Command::new(&python).args(["-c", told]).output().ok().filter(|out| out.status.success())?;
    Some((python, PathBuf::from(String::from_utf8(out.stdout).ok()?.trim())))
}

/// Fills a row from a record, by the names of the columns.
fn fill(engine: &Engine, batch: &mut Batch, record: &Value) {
    batch.push_row();
    for (at, slot) in engine.slots().iter().enumerate() {
        for index in 0..slot.width {
            let name = if slot.width == 1 { slot.name.clone() } else { format!("{}_{index}", slot.name) };
            let fits = match &record[&name] {
                Value::String(text) => batch.set_text(engine, (at, index), text),
                Value::Bool(truth) => batch.set_number(at, index, f64::from(u8::from(*truth))),
                value => batch.set_number(at, index, value.as_f64().unwrap()),
            };
            assert!(fits, "{name}: {}", record[&name]);
        }
    }
}

fn close(name: &str, ours: f32, theirs: &Value) {
    let theirs = theirs.as_f64().unwrap();
    assert!(
        (f64::from(ours) - theirs).abs() <= 1e-6 * theirs.abs().max(1.0),
        "{name}: {ours} beside {theirs}"
    );
}

/// One case: as many rows as it has, twice over, so that a batch is used again.
fn as_there(case: &Value) {
    let name = case["name"].as_str().unwrap();
    let engine = Engine::load(&std::fs::read(case["path"].as_str().unwrap()).unwrap()).unwrap();
    engine.predictable().unwrap();
    assert!(engine.name().starts_with("onnxruntime 1."), "{name}: {}", engine.name());
    let labels: Vec<String> = match engine.output() {
        Output::Value => Vec::new(),
        Output::Classes(Labels::Text(texts)) => texts.clone(),
        Output::Classes(Labels::Integer(numbers)) => numbers.iter().map(ToString::to_string).collect(),
    };
    let mut batch = engine.batch();
    for _ in 0..2 {
        batch.clear();
        case["rows"].as_array().unwrap().iter().for_each(|row| fill(&engine, &mut batch, row));
        engine.predict(&mut batch).unwrap();
        for (row, theirs) in case["values"].as_array().unwrap().iter().enumerate() {
            match theirs {
                Value::Array(shares) => {
                    assert_eq!(batch.probabilities(row).len(), shares.len(), "{name}");
                    batch.probabilities(row).iter().zip(shares).for_each(|(a, b)| close(name, *a, b));
                    let label = &case["labels"][row];
                    let label = label.as_str().map_or_else(|| label.to_string(), str::to_owned);
                    assert_eq!(labels[batch.class(row)], label, "{name}, row {row}");
                }
                value => close(name, batch.value(row), value),
            }
        }
    }
}

#[test]
fn they_answer_as_onnxruntime_does() {
    let Some((python, library)) = found() else {
        println!(
            "skipped: they_answer_as_onnxruntime_does needs PORTCULLIS_PYTHON with onnxruntime and skl2onnx"
        );
        return;
    };
    use_library(library.to_str().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests-python/onnxruntime_models.py");
    let out = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let cases = std::fs::read_to_string(folder.path().join("cases.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
    assert_eq!(cases.len(), 9);
    cases.iter().for_each(as_there);
    let load = |name: &str| Engine::load(&std::fs::read(folder.path().join(name)).unwrap());
    for ours in ["plain.onnx", "net.onnx"] {
        assert_eq!(load(ours).unwrap().name(), "portcullis", "{ours}");
    }
    refused(&load);
    many_rows(&load("lstm.onnx").unwrap());
    types(&load("mixed.onnx").unwrap());
    alone(&load("beside.onnx").unwrap());
}

/// What is broken, made to harm or without an answer is refused all the same, and told apart.
fn refused(load: &dyn Fn(&str) -> Result<Engine, Error>) {
    assert!(matches!(load("broken.onnx"), Err(Error::Own(_))));
    for (file, told) in [
        ("external.onnx", "another file"),
        ("scores.onnx", "gives neither a class"),
        ("unknown.onnx", "Convolute"),
    ] {
        match load(file) {
            Err(Error::Neither { own, reason }) => {
                assert!(own.is_uncovered() && reason.contains(told), "{file}: {own}; {reason}");
                assert!(!reason.contains('\n'), "{reason}");
            }
            other => panic!("{file}: {other:?}"),
        }
    }
}

/// More rows than go to the library at a time, by several threads.
fn many_rows(engine: &Engine) {
    let answers = |rows: usize| {
        let mut batch = engine.batch();
        for row in 0..rows {
            batch.push_row();
            (0..5).for_each(|column| assert!(batch.set_number(0, column, (row % 97) as f64 / 97.0)));
        }
        engine.predict(&mut batch).unwrap();
        (0..rows).map(|row| batch.value(row)).collect::<Vec<_>>()
    };
    let first = answers(97);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let all = answers(3000);
                assert!(all.iter().enumerate().all(|(row, value)| (value - first[row % 97]).abs() < 1e-6));
            });
        }
    });
}

/// A graph that would mix rows gets them one by one.
fn alone(engine: &Engine) {
    let mut batch = engine.batch();
    for value in [1.0, 5.0, -7.0] {
        batch.push_row();
        assert!(batch.set_number(0, 0, value));
    }
    engine.predict(&mut batch).unwrap();
    assert!((0..3).all(|row| batch.value(row) == 1.0));
}

/// What an input can't hold is told, and which cells may be missing.
fn types(engine: &Engine) {
    let at = |name: &str| engine.slots().iter().position(|slot| slot.name == name).unwrap();
    let mut batch = engine.batch();
    batch.push_row();
    assert!(batch.set_number(at("double"), 0, 1e300) && !batch.set_number(at("pair"), 0, 1e300));
    assert!(batch.set_number(at("long"), 0, -3.0) && !batch.set_number(at("long"), 0, 0.5));
    assert!(!batch.set_number(at("int"), 0, 3e9) && !batch.set_number(at("truth"), 0, 2.0));
    let missing = ["pair", "text", "double", "long", "int", "truth"].map(|name| engine.may_miss(at(name)));
    assert_eq!(missing, [true, true, true, false, false, false]);
    assert_eq!(engine.slots()[at("text")].kind, SlotKind::Text);
}
