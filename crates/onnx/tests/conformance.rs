//! Generated cases against onnxruntime: every operator in every version, and whole models of the converters; and the ONNX
//! project's own cases of operators.
//!
//! The normal run takes a seeded part of the cases of operators and all models. With `PORTCULLIS_BLESS=N` one
//! in N runs, and the tables in `docs/guides/onnx.md` are written anew. A wrong answer fails the test; what
//! the engine refuses must be refused in words, and is counted.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests stop at what is not as expected"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis_onnx::{Batch, Data, Labels, Model, Output, Tensor};

const NEEDED: &str = "import onnx, onnxruntime, skl2onnx, sklearn";
/// Of the cases of operators, one in this many runs in a normal run.
const EVERY: &str = "11";
/// Absolute difference allowed, and relative for values above 1.
const TOLERANCE: f64 = 1e-5;
/// The same for whole models, where sums are longer.
const MODEL_TOLERANCE: f64 = 1e-4;

/// Of a hundred generated cases at least so many pass: a refusal is no wrong answer, but many of them are a fault.
const LEAST_PASSED: usize = 95;
/// Of the ONNX project's own cases at least so many pass.
const LEAST_PASSED_OWN: usize = 860;

/// What became of the cases of one operator in one version.
#[derive(Default)]
struct Row {
    cases: usize,
    passed: usize,
    /// Cases whose graph was compiled for rows too.
    compiled: usize,
    /// Reasons of refusals, with how often.
    refused: BTreeMap<String, usize>,
}

struct Case {
    group: String,
    name: String,
    version: i64,
    model: Vec<u8>,
    inputs: Vec<(String, Tensor)>,
    /// None where they are of a type that the engine does not have: such a case must be refused.
    outputs: Option<Vec<(String, Tensor)>>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// One in how many cases of operators is to be run for the guide; none when it is not to be written.
fn blessing() -> Option<String> {
    std::env::var("PORTCULLIS_BLESS").ok()
}

/// Writes cases with Python; none where it lacks what is needed.
fn generate(test: &str, script: &str, more: &[&str]) -> Option<Vec<Case>> {
    let python = std::env::var_os("PORTCULLIS_PYTHON").map(PathBuf::from).filter(|path| {
        Command::new(path).args(["-c", NEEDED]).output().is_ok_and(|out| out.status.success())
    });
    let Some(python) = python else {
        println!("skipped: {test} needs PORTCULLIS_PYTHON with onnx, onnxruntime, skl2onnx and sklearn");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let script = root().join("tests-python").join(script);
    let out = Command::new(python).arg(script).arg(folder.path()).args(more).output().unwrap();
    let (text, faults) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{text}\n{faults}");
    println!("{text}{faults}");
    Some(read(folder.path()))
}

fn read(folder: &Path) -> Vec<Case> {
    let bytes = std::fs::read(folder.join("cases.bin")).unwrap();
    let mut rest = bytes.as_slice();
    let mut part = || {
        let (length, after) = rest.split_first_chunk::<4>().unwrap();
        let (content, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        rest = after;
        content
    };
    let list = std::fs::read_to_string(folder.join("cases.tsv")).unwrap();
    let mut cases = Vec::new();
    for line in list.lines() {
        let [group, name, version, inputs, outputs] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line:?}");
        };
        let model = part().to_vec();
        let mut tensors = |n: &str| -> Result<Vec<_>, _> {
            let parts: Vec<_> = (0..n.parse().unwrap()).map(|_| Tensor::from_proto_bytes(part())).collect();
            parts.into_iter().collect()
        };
        cases.push(Case {
            group: group.to_owned(),
            name: name.to_owned(),
            version: version.parse().unwrap(),
            model,
            inputs: tensors(inputs).unwrap(),
            outputs: tensors(outputs).ok(),
        });
    }
    cases
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= tolerance * b.abs().max(1.0)
}

/// What differs between two tensors.
fn compare(got: &Tensor, expected: &Tensor, tolerance: f64) -> Result<(), String> {
    if got.dims != expected.dims {
        return Err(format!("shape {:?}, expected {:?}", got.dims, expected.dims));
    }
    let same = match (&got.data, &expected.data) {
        (Data::Float(a), Data::Float(b)) => {
            a.iter().zip(b).all(|(&a, &b)| close(a.into(), b.into(), tolerance))
        }
        (Data::Double(a), Data::Double(b)) => a.iter().zip(b).all(|(&a, &b)| close(a, b, tolerance)),
        (a, b) => a == b,
    };
    if same { Ok(()) } else { Err(format!("{:?}, expected {:?}", got.data, expected.data)) }
}

/// Fills a batch from tensors; none when they are no rows of its slots.
fn fill(model: &Model, inputs: &[(String, Tensor)]) -> Option<Batch> {
    let rows = *inputs.first()?.1.dims.first()?;
    if rows == 0 || inputs.iter().any(|(_, t)| t.dims.first() != Some(&rows)) {
        return None;
    }
    let mut batch = model.batch();
    for row in 0..rows {
        batch.push_row();
        for (name, tensor) in inputs {
            let slot = model.slot(name)?;
            let width = model.slots()[slot].width;
            for index in 0..width {
                let at = row * width + index;
                match &tensor.data {
                    Data::Float(v) => batch.set_number(slot, index, v[at]),
                    Data::Double(v) => batch.set_number(slot, index, v[at] as f32),
                    Data::Int64(v) if v[at].abs() < 1 << 24 => batch.set_number(slot, index, v[at] as f32),
                    Data::Int32(v) => batch.set_number(slot, index, v[at] as f32),
                    Data::Uint8(v) => batch.set_number(slot, index, f32::from(v[at])),
                    Data::Bool(v) => batch.set_number(slot, index, f32::from(u8::from(v[at]))),
                    Data::Text(v) => batch.set_text(model, slot, index, &v[at]),
                    Data::Int64(_) => return None,
                }
            }
        }
    }
    Some(batch)
}

/// What a compiled model says differently from the graph; whether there was anything to compare.
fn compare_rows(model: &Model, case: &Case, tolerance: f64) -> Result<bool, String> {
    if model.predictable().is_err() || case.inputs.is_empty() {
        return Ok(false);
    }
    let Some(mut batch) = fill(model, &case.inputs) else { return Ok(false) };
    model.predict(&mut batch).map_err(|e| format!("compiled: {e}"))?;
    for (name, expected) in case.outputs.iter().flatten() {
        for row in 0..batch.rows() {
            let differs = |got: String, want: String| {
                Err(format!("compiled, {name} of row {row}: {got}, expected {want}"))
            };
            match (&expected.data, model.output()) {
                (Data::Float(v), Output::Value)
                    if v.len() == batch.rows()
                        && !close(batch.value(row).into(), v[row].into(), tolerance) =>
                {
                    return differs(batch.value(row).to_string(), v[row].to_string());
                }
                (Data::Float(v), Output::Classes(labels)) if v.len() == batch.rows() * labels.len() => {
                    let want = &v[row * labels.len()..(row + 1) * labels.len()];
                    let got = batch.probabilities(row);
                    let pairs = got.iter().zip(want);
                    if got.len() != want.len()
                        || pairs.into_iter().any(|(&a, &b)| !close(a.into(), b.into(), tolerance))
                    {
                        return differs(format!("{got:?}"), format!("{want:?}"));
                    }
                }
                (Data::Text(v), Output::Classes(Labels::Text(l))) if l[batch.class(row)] != v[row] => {
                    return differs(l[batch.class(row)].clone(), v[row].clone());
                }
                (Data::Int64(v), Output::Classes(Labels::Integer(l))) if l[batch.class(row)] != v[row] => {
                    return differs(l[batch.class(row)].to_string(), v[row].to_string());
                }
                _ => {}
            }
        }
    }
    Ok(true)
}

enum Verdict {
    Passed { compiled: bool },
    Refused(String),
    Wrong(String),
}

fn judge(case: &Case, tolerance: f64) -> Verdict {
    let model = match Model::from_bytes(&case.model) {
        Ok(model) => model,
        Err(e) => return Verdict::Refused(e.to_string()),
    };
    let outputs = match model.run_tensors(case.inputs.clone()) {
        Ok(outputs) => outputs,
        Err(e) => return Verdict::Refused(e.to_string()),
    };
    let Some(all) = &case.outputs else { return Verdict::Wrong("gives a type it does not have".to_owned()) };
    for ((name, got), (_, expected)) in outputs.iter().zip(all) {
        if let Err(e) = compare(got, expected, tolerance) {
            return Verdict::Wrong(format!("{name}: {e}"));
        }
    }
    match compare_rows(&model, case, tolerance) {
        Ok(compiled) => Verdict::Passed { compiled },
        Err(e) => Verdict::Wrong(e),
    }
}

/// Why a whole model was not compiled.
fn uncompiled(case: &Case) -> Option<String> {
    let whole =
        !case.name.ends_with(" rows") && case.group.contains("onnx") && !case.group.starts_with("ai.");
    let model = Model::from_bytes(&case.model).ok().filter(|_| whole)?;
    model.predictable().err().map(|e| e.to_string())
}

type Table = BTreeMap<(String, i64), Row>;

/// Judges all cases; the table, and what is wrong.
fn run(cases: &[Case], tolerance: f64) -> (Table, Vec<String>) {
    let mut table = Table::new();
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let row = table.entry((case.group.clone(), case.version)).or_default();
        row.cases += 1;
        match judge(case, tolerance) {
            Verdict::Passed { compiled } => {
                row.passed += 1;
                row.compiled += usize::from(compiled);
                if let (false, Some(reason)) = (compiled, uncompiled(case)) {
                    println!("not compiled: {}: {reason}", case.name);
                }
            }
            Verdict::Refused(reason) => {
                println!("refused: {} {}: {reason}", case.name, case.version);
                assert!(reason.len() > 20, "{}: {reason}", case.name);
                *row.refused.entry(reason).or_default() += 1;
            }
            Verdict::Wrong(reason) => {
                let inputs: Vec<_> = case.inputs.iter().map(|i| &i.1).collect();
                let (name, version) = (&case.name, case.version);
                let told = format!("{number} {name} {version}: {reason}\n    of {inputs:?}");
                wrong.push(told.chars().take(900).collect());
            }
        }
    }
    (table, wrong)
}

fn total(table: &Table) -> (usize, usize, usize) {
    table.values().fold((0, 0, 0), |(c, p, k), r| (c + r.cases, p + r.passed, k + r.compiled))
}

/// The most frequent reason, without the node's name.
fn reason(row: &Row) -> String {
    let most = row.refused.iter().max_by_key(|r| r.1).map_or("", |r| r.0.as_str());
    most.split_once("): ").or_else(|| most.split_once("run: ")).map_or(most, |r| r.1).replace('|', "\\|")
}

fn show(table: &Table, versions: bool) -> String {
    let mut text = String::new();
    for ((group, version), row) in table {
        let version = if versions { format!(" {version}") } else { format!(", operator set {version}") };
        let refused = row.cases - row.passed;
        let why = if refused == 0 { String::new() } else { reason(row) };
        let (cases, passed, compiled) = (row.cases, row.passed, row.compiled);
        writeln!(text, "| {group}{version} | {cases} | {passed} | {compiled} | {refused} | {why} |").unwrap();
    }
    text
}

/// Puts a text between two marks of the guide.
fn bless(mark: &str, text: &str) {
    let path = root().join("docs/guides/onnx.md");
    let guide = std::fs::read_to_string(&path).unwrap();
    let (open, shut) = (format!("<!-- {mark} -->\n"), format!("<!-- end of {mark} -->"));
    let (before, rest) = guide.split_once(&open).unwrap();
    let (_, after) = rest.split_once(&shut).unwrap();
    std::fs::write(path, format!("{before}{open}{text}{shut}{after}")).unwrap();
}

fn finish(mark: &str, (table, wrong): (Table, Vec<String>), versions: bool) {
    let (cases, passed, compiled) = total(&table);
    println!("{cases} cases, {passed} passed, {compiled} compiled, {} refused", cases - passed - wrong.len());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(60)].join("\n"));
    assert!(passed * 100 >= cases * LEAST_PASSED, "only {passed} of {cases} cases passed");
    if let Some(every) = blessing() {
        let refused = cases - passed;
        let head = format!(
            "{cases} cases: {passed} passed ({compiled} of them compiled for rows too), {refused} refused, none \
             wrong (of operators one case in {every}).\n\n\
             | what | cases | passed | compiled too | refused | why, most often |\n|---|---|---|---|---|---|\n"
        );
        bless(mark, &(head + &show(&table, versions)));
    }
}

#[test]
fn operators_give_what_onnxruntime_gives() {
    let every = blessing().unwrap_or_else(|| EVERY.to_owned());
    let (test, script) = ("operators_give_what_onnxruntime_gives", "onnx_conformance.py");
    let Some(cases) = generate(test, script, &["--every", &every]) else { return };
    assert!(cases.len() > 1000, "only {} cases were written", cases.len());
    finish("operators", run(&cases, TOLERANCE), true);
}

#[test]
fn converted_models_give_what_onnxruntime_gives() {
    let (test, script) = ("converted_models_give_what_onnxruntime_gives", "onnx_conformance.py");
    let Some(cases) = generate(test, script, &["--pipelines"]) else { return };
    assert!(cases.len() > 200, "only {} models were written", cases.len());
    finish("models", run(&cases, MODEL_TOLERANCE), false);
}

#[test]
fn the_onnx_projects_own_cases_of_operators() {
    let test = "the_onnx_projects_own_cases_of_operators";
    let Some(cases) = generate(test, "onnx_backend.py", &[]) else { return };
    assert!(cases.len() > 1000, "only {} cases were written", cases.len());
    let (table, wrong) = run(&cases, TOLERANCE);
    let (count, passed, _) = total(&table);
    println!("{count} cases, {passed} passed, {} refused", count - passed - wrong.len());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(60)].join("\n"));
    assert!(passed >= LEAST_PASSED_OWN, "only {passed} passed");
    if blessing().is_some() {
        bless("backend", &summary(&table));
    }
}

/// The cases of the operators of which some pass, and the names of the others.
fn summary(table: &Table) -> String {
    let (known, others): (Vec<_>, Vec<_>) = table.iter().partition(|(_, row)| row.passed > 0);
    let sum = |rows: &[(&(String, i64), &Row)], of: fn(&Row) -> usize| -> usize {
        rows.iter().map(|(_, row)| of(row)).sum()
    };
    // Versions of cases apart, one is known and another not.
    let elsewhere = |group: &String| known.iter().any(|((other, _), _)| other == group);
    let unknown = others.iter().map(|((group, _), _)| group).filter(|group| !elsewhere(group));
    let mut names: Vec<String> = unknown.map(|group| format!("`{group}`")).collect();
    names.dedup();
    let mut text = format!(
        "{} cases of the operators of which some pass: {} passed, {} refused, none wrong.\n\n| what | cases | passed | refused | why, most often |\n|---|---|---|---|---|\n",
        sum(&known, |row| row.cases),
        sum(&known, |row| row.passed),
        sum(&known, |row| row.cases - row.passed),
    );
    for ((group, version), row) in known.iter().filter(|(_, row)| row.passed < row.cases) {
        let (cases, passed) = (row.cases, row.passed);
        writeln!(text, "| {group} {version} | {cases} | {passed} | {} | {} |", cases - passed, reason(row))
            .unwrap();
    }
    let count = sum(&others, |row| row.cases);
    writeln!(text, "\nAll {count} of the others are refused: {}.", names.join(", ")).unwrap();
    text
}
