//! `onnx check|score|run|convert`: ONNX files without a server.

use crate::cli::Global;
use crate::config::Settings;
use crate::show::{INPUTS, Printer, beginning, line, size, table};
use clap::Subcommand;
use domain::{ErrorCode, Fault, Signature};
use endpoint::{Call, Scratch, Servable};
use engines::Engine;
use http::{HeaderMap, Method};
use onnx::tensor::Tensor;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Onnx {
    /// Read, check and compile a model; says what it takes and answers, or which node can't be run
    Check {
        /// The ONNX file
        model: PathBuf,
    },
    /// Score rows: a JSON list of records (or {"data": […]}), or a CSV with a header
    Score {
        /// The ONNX file
        model: PathBuf,
        /// The rows
        input: PathBuf,
    },
    /// Convert a LightGBM (.txt), XGBoost (.json, .ubj) or scikit-learn (.skops) model to ONNX
    Convert {
        /// The model of the other tool
        input: PathBuf,
        /// The ONNX file to write
        output: PathBuf,
    },
    /// Run tensors: `IN_DIR/input_N.pb` → `OUT_DIR/output_N.pb` (`TensorProto`), in the graph's order
    Run {
        /// The ONNX file
        model: PathBuf,
        /// Where the inputs are
        in_dir: PathBuf,
        /// Where the outputs go
        out_dir: PathBuf,
    },
}

impl Onnx {
    /// Carries the verb out.
    pub fn run(self, global: &Global) -> Result<ExitCode, Fault> {
        let out = Printer::new(global.json);
        match self {
            Self::Check { model } => check(out, global, &model),
            Self::Score { model, input } => score(out, global, (&model, &input)),
            Self::Convert { input, output } => convert(out, &input, &output),
            Self::Run { model, in_dir, out_dir } => run(out, &model, &in_dir, &out_dir),
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Fault> {
    std::fs::read(file).map_err(|e| Fault::invalid(format!("{}: {e}", file.display())))
}

fn load(file: &Path) -> Result<onnx::Model, Fault> {
    let wrong = |e: onnx::Error| Fault::new(ErrorCode::Unprocessable, format!("{}: {e}", file.display()));
    onnx::Model::from_bytes(&read(file)?).map_err(wrong)
}

/// The file in the first engine that covers it, by the settings of the server.
fn engine(global: &Global, file: &Path, bytes: &[u8]) -> Result<Engine, Fault> {
    engines::use_library(&Settings::load(global)?.endpoint.onnxruntime_library);
    let wrong = |e: engines::Error| Fault::new(ErrorCode::Unprocessable, format!("{}: {e}", file.display()));
    Engine::load(bytes).map_err(wrong)
}

fn check(out: Printer, global: &Global, file: &Path) -> Result<(), Fault> {
    let content = read(file)?;
    let model = engine(global, file, &content)?;
    let signature = registry::signature::from_model(&model);
    let bytes = content.len() as u64;
    let engine = model.name();
    out.value(&json!({ "ok": true, "bytes": bytes, "engine": engine, "signature": signature }), |_| {
        let rows =
            signature.inputs.iter().map(|f| [f.name.clone(), f.kind.to_string(), f.example.to_string()]);
        let classes: Vec<String> = signature.output.classes.iter().map(ToString::to_string).collect();
        format!(
            "{}: ok, {}, engine {engine}\n{}\nanswers {} ({}) {}",
            file.display(),
            size(bytes),
            beginning(&["input", "type", "example"], rows, INPUTS),
            signature.output.name,
            signature.output.task,
            classes.join(" | ")
        )
    });
    Ok(())
}

fn convert(out: Printer, input: &Path, output: &Path) -> Result<(), Fault> {
    let shown = input.display().to_string();
    let wrong = |e: registry::Error| match e {
        registry::Error::Model(e) => Fault::new(ErrorCode::Unprocessable, e.to_string()),
        other => other.into(),
    };
    let (bytes, format) = registry::import::onnx_of(&shown, &read(input)?, &[]).map_err(wrong)?;
    crate::files::write(output, &bytes)?;
    out.value(&json!({ "source_format": format.name(), "file": output, "bytes": bytes.len() }), |_| {
        format!("{shown} ({}) → {}, {}", format.name(), output.display(), size(bytes.len() as u64))
    });
    Ok(())
}

/// Records of a JSON or CSV file.
fn records(file: &Path) -> Result<Value, Fault> {
    let bytes = read(file)?;
    let json = file.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
    if json {
        let value: Value =
            serde_json::from_slice(&bytes).map_err(|e| Fault::invalid(format!("{}: {e}", file.display())))?;
        return Ok(match value.get("data") {
            Some(data) => data.clone(),
            None => value,
        });
    }
    let table = data::read_text(&bytes[..], &data::ReadOptions::default())?;
    let rows = table.rows.into_iter().map(|row| {
        let members = table.columns.iter().zip(row).map(|(name, cell)| (name.clone(), json!(cell)));
        Value::Object(members.collect::<Map<_, _>>())
    });
    Ok(Value::Array(rows.collect()))
}

fn score(out: Printer, global: &Global, (file, input): (&Path, &Path)) -> Result<(), Fault> {
    let bytes = read(file)?;
    let model = engine(global, file, &bytes)?;
    let signature: Signature = registry::signature::from_model(&model);
    let servable = Servable::of(model, &bytes, &signature)?;
    let rows = records(input)?;
    let labels = answer(&servable, &rows, "predict")?;
    let probabilities = if signature.output.classes.is_empty() {
        Value::Null
    } else {
        answer(&servable, &rows, "predict_proba")?
    };
    out.value(&json!({ "predictions": labels, "probabilities": probabilities }), |_| {
        let classes: Vec<String> = signature.output.classes.iter().map(ToString::to_string).collect();
        let mut header = vec![signature.output.name.as_str()];
        header.extend(classes.iter().map(String::as_str));
        let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
        let probabilities = list(&probabilities);
        let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        let rows = list(&labels).into_iter().enumerate().map(|(at, label)| {
            let shares = probabilities.get(at).map(list).unwrap_or_default();
            std::iter::once(text(&label))
                .chain(shares.iter().map(|p| format!("{:.5}", p.as_f64().unwrap_or(f64::NAN))))
                .collect::<Vec<_>>()
        });
        table(&header, rows)
    });
    Ok(())
}

fn answer(servable: &Servable, rows: &Value, method: &str) -> Result<Value, Fault> {
    let body = json!({ "Inputs": { "data": rows }, "GlobalParameters": { "method": method } }).to_string();
    let call = Call {
        method: &Method::POST,
        tail: "score",
        query: None,
        headers: &HeaderMap::new(),
        body: body.as_bytes(),
    };
    let outcome = endpoint::score(servable, &endpoint::Limits::unbounded(), &call, &mut Scratch::default());
    let answered: Value = serde_json::from_slice(&outcome.body).unwrap_or_default();
    if outcome.status.is_success() {
        return Ok(answered["Results"].clone());
    }
    Err(Fault::new(
        ErrorCode::Unprocessable,
        answered["detail"].as_str().unwrap_or("the rows could not be scored").to_owned(),
    ))
}

fn run(out: Printer, file: &Path, in_dir: &Path, out_dir: &Path) -> Result<(), Fault> {
    let model = load(file)?;
    let wrong = |e: onnx::Error| Fault::new(ErrorCode::Unprocessable, e.to_string());
    let mut inputs = Vec::new();
    for (at, name) in model.inputs().enumerate() {
        let bytes = read(&in_dir.join(format!("input_{at}.pb")))?;
        inputs.push((name.to_owned(), Tensor::from_proto_bytes(&bytes).map_err(wrong)?.1));
    }
    let outputs = model.run_tensors(inputs).map_err(wrong)?;
    std::fs::create_dir_all(out_dir).map_err(|e| Fault::invalid(format!("{}: {e}", out_dir.display())))?;
    let mut written = Vec::new();
    for (at, (name, tensor)) in outputs.iter().enumerate() {
        let path = out_dir.join(format!("output_{at}.pb"));
        crate::files::write(&path, &tensor.to_proto_bytes(name))?;
        written.push(json!({ "name": name, "file": path, "dims": tensor.dims }));
    }
    if out.json() {
        line(&json!(written).to_string());
    }
    Ok(())
}
