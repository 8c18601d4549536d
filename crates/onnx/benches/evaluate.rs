//! Nanoseconds a row, side by side with ONNX Runtime in one run. `cargo bench -p portcullis-onnx --bench evaluate`.
//!
//! `PORTCULLIS_BENCH_MODELS` names a folder that `models.py` wrote; without it one made ensemble is measured.
//! `ORT_DYLIB_PATH` names ONNX Runtime's library; without it our side stands alone. Both run in one thread and score
//! real rows in turn, so that no branch predictor learns a row by heart. Turns alternate, and the fastest turn
//! counts: other work on the machine spoils some, not all. Ours reads every cell, texts among them, single rows cell
//! by cell and larger batches column by column; ONNX Runtime gets tensors made beforehand. `floor ns` is the least
//! time the counted work of the compiled graph can take (see `floor.rs`), `of it` how many times that was taken,
//! `limit` what makes most of it, `KiB` the tables all rows share. `PORTCULLIS_BENCH_BATCH` asks for one size of batch.
#![expect(clippy::print_stdout, reason = "a bench prints")]

#[path = "evaluate/floor.rs"]
mod floor;
#[path = "evaluate/made.rs"]
mod made;
#[path = "evaluate/rows.rs"]
mod rows;
#[path = "evaluate/runtime.rs"]
mod runtime;

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use floor::Floor;
use portcullis_onnx::{Batch, Model};
use rows::Rows;
use runtime::Runtime;

type Fallible<T> = Result<T, Box<dyn Error>>;

/// Turns of each side.
const TURNS: usize = 40;
/// Rows of a turn that scores them one by one.
const SINGLES: usize = 256;
/// Sizes of batches.
const BATCHES: [usize; 3] = [1, 32, 1000];

/// A model and its rows.
struct Case {
    name: String,
    model: Vec<u8>,
    rows: Rows,
}

fn main() -> Fallible<()> {
    let runtime = runtime::library()?;
    let cycle = floor::cycle();
    println!("a cycle takes {cycle:.3} ns");
    println!(
        "{:<32} {:>5} {:>9} {:>9} {:>6} {:>9} {:>8} {:>6} {:>8} limit",
        "model", "batch", "ours ns", "ort ns", "ratio", "off by", "floor ns", "of it", "KiB"
    );
    for case in cases()? {
        measure(&case, runtime.as_ref(), cycle)?;
    }
    Ok(())
}

fn cases() -> Fallible<Vec<Case>> {
    let Some(folder) = std::env::var_os("PORTCULLIS_BENCH_MODELS") else {
        return Ok(vec![made::case()?]);
    };
    let mut folders = std::fs::read_dir(folder)?.map(|e| Ok(e?.path())).collect::<Fallible<Vec<_>>>()?;
    folders.retain(|f| f.join("model.onnx").is_file());
    folders.sort();
    folders.iter().map(|folder| case(folder)).collect()
}

fn case(folder: &Path) -> Fallible<Case> {
    Ok(Case {
        name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        model: std::fs::read(folder.join("model.onnx"))?,
        rows: Rows::read(folder)?,
    })
}

fn measure(case: &Case, environment: Option<&ort::environment::Environment>, cycle: f64) -> Fallible<()> {
    let model = Model::from_bytes(&case.model)?;
    model.predictable()?;
    let mut batch = model.batch();
    let cells = case.rows.for_model(&model);
    let score = |from: usize, count: usize, batch: &mut Batch| {
        batch.clear();
        if count == 1 {
            cells.push(&model, batch, from);
        } else {
            cells.push_all(&model, batch, from..from + count);
        }
        model.predict(batch)
    };
    let wanted = std::env::var("PORTCULLIS_BENCH_BATCH").ok().and_then(|v| v.parse::<usize>().ok());
    for size in BATCHES.into_iter().filter(|&size| wanted.is_none_or(|w| w == size)) {
        let parts: Vec<usize> = (0..=case.rows.count - size).step_by(size).collect();
        let turn = if size == 1 { SINGLES } else { 1 };
        let mut theirs = match environment {
            Some(environment) => Some(Runtime::new(environment, case, size, &parts)?),
            None => None,
        };
        let (mut ours_best, mut theirs_best) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..TURNS {
            for (at, part) in parts.chunks_exact(turn).enumerate() {
                let start = Instant::now();
                for &from in part {
                    score(from, size, &mut batch)?;
                }
                ours_best = ours_best.min(start.elapsed().as_nanos() as f64);
                if let Some(runtime) = &mut theirs {
                    let start = Instant::now();
                    runtime.run(at * turn..(at + 1) * turn)?;
                    theirs_best = theirs_best.min(start.elapsed().as_nanos() as f64);
                }
            }
        }
        let mut worst = 0.0_f32;
        if let Some(runtime) = &mut theirs {
            for (at, &from) in parts.iter().enumerate() {
                score(from, size, &mut batch)?;
                worst = worst.max(runtime.difference(at, &batch)?);
            }
        }
        let rows = (turn * size) as f64;
        let (ours, theirs) = (ours_best / rows, theirs_best / rows);
        let (work, floor) = (model.work(), Floor::new(&model.work(), size, cycle));
        println!(
            "{:<32} {size:>5} {ours:>9.0} {theirs:>9.0} {:>6.1} {worst:>9.1e} {:>8.0} {:>6.1} {:>8.0} {}",
            case.name,
            theirs / ours,
            floor.ns,
            ours / floor.ns,
            work.table_bytes / 1024.0,
            floor.limit
        );
    }
    Ok(())
}
