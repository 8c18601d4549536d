//! Measures a search on a comma-separated table: trains on three quarters, scores the held-out one, several seeds.
//!
//! `cargo run --release -p portcullis-automl --example bank -- FILE TARGET [--trials N] [--seconds S] [--seeds 1,2,3]
//! [--threads N] [--out DIR] [--verbose]`. `tests/python/compare.py` measures scikit-learn on the same quarters.

#![expect(clippy::print_stdout, reason = "a measuring tool talks to its user")]

use portcullis_automl::{Column, Event, Kind, MISSING_CODE, Outcome, Spec, Table, Values, report_html, run};
use std::collections::HashMap;
use std::error::Error;
use std::ops::ControlFlow;
use std::time::Instant;

/// What the command line asks for.
struct Options {
    file: String,
    target: String,
    trials: u32,
    seconds: Option<f64>,
    seeds: Vec<u64>,
    threads: usize,
    out: Option<String>,
    verbose: bool,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().ok_or("usage: bank FILE TARGET [options]")?;
    let target = args.next().ok_or("usage: bank FILE TARGET [options]")?;
    let mut options = Options {
        file,
        target,
        trials: 40,
        seconds: None,
        seeds: vec![1, 2, 3],
        threads: 2,
        out: None,
        verbose: false,
    };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or("an option lacks its value");
        match arg.as_str() {
            "--trials" => options.trials = value()?.parse()?,
            "--seconds" => options.seconds = Some(value()?.parse()?),
            "--seeds" => options.seeds = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?,
            "--threads" => options.threads = value()?.parse()?,
            "--out" => options.out = Some(value()?),
            "--verbose" => options.verbose = true,
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    Ok(options)
}

/// Whether a row belongs to the held-out quarter of a seed (SplitMix64; the script does the same).
fn held_out(row: u64, seed: u64) -> bool {
    let mut z = (row + (seed << 32)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)).is_multiple_of(4)
}

/// Reads a table without quotes: a column is numeric when all its values are.
fn read(text: &str) -> Result<Table, Box<dyn Error>> {
    let mut lines = text.lines().filter(|l| !l.is_empty());
    let names: Vec<&str> = lines.next().ok_or("no header")?.split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|l| l.split(',').collect()).collect();
    let column = |(i, name): (usize, &&str)| {
        let cells: Vec<&str> = rows.iter().map(|r| r.get(i).copied().unwrap_or("")).collect();
        Column { name: (*name).into(), ..typed(&cells) }
    };
    Ok(Table { columns: names.iter().enumerate().map(column).collect() })
}

fn typed(cells: &[&str]) -> Column {
    let number = |c: &&str| {
        if c.is_empty() { Some(f64::NAN) } else { c.parse::<f64>().ok() }
    };
    if let Some(numbers) = cells.iter().map(number).collect::<Option<Vec<f64>>>() {
        let whole = numbers.iter().all(|x| x.is_nan() || x.fract() == 0.0);
        let kind = if whole { Kind::Integer } else { Kind::Float };
        return Column { name: String::new(), kind, values: Values::Numbers(numbers) };
    }
    let mut levels: Vec<String> = Vec::new();
    let mut index = HashMap::new();
    let codes = cells
        .iter()
        .map(|c| {
            if c.is_empty() {
                return MISSING_CODE;
            }
            *index.entry(*c).or_insert_with(|| {
                levels.push((*c).to_owned());
                levels.len() as u32 - 1
            })
        })
        .collect();
    Column { name: String::new(), kind: Kind::Category, values: Values::Texts { codes, levels } }
}

/// The rows for which `keep` holds.
fn take(table: &Table, keep: impl Fn(usize) -> bool) -> Table {
    let rows: Vec<usize> = (0..table.rows()).filter(|&r| keep(r)).collect();
    let column = |c: &Column| {
        let values = match &c.values {
            Values::Numbers(v) => Values::Numbers(rows.iter().map(|&r| v[r]).collect()),
            Values::Texts { codes, levels } => {
                Values::Texts { codes: rows.iter().map(|&r| codes[r]).collect(), levels: levels.clone() }
            }
        };
        Column { name: c.name.clone(), kind: c.kind, values }
    };
    Table { columns: table.columns.iter().map(column).collect() }
}

/// The model file's answers for a table: probabilities of all classes, or one value a row.
fn score(bytes: &[u8], table: &Table) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
    let model = onnx::Model::from_bytes(bytes)?;
    let mut batch = model.batch();
    for row in 0..table.rows() {
        batch.push_row();
        for column in &table.columns {
            let Some(slot) = model.slot(&column.name) else {
                continue;
            };
            match &column.values {
                Values::Numbers(v) => batch.set_number(slot, 0, v[row] as f32),
                Values::Texts { codes, levels } if codes[row] != MISSING_CODE => {
                    batch.set_text(&model, slot, 0, &levels[codes[row] as usize]);
                }
                Values::Texts { .. } => {}
            }
        }
    }
    model.predict(&mut batch)?;
    let classes = matches!(model.output(), onnx::Output::Classes(_));
    let answer = |r| {
        if classes { batch.probabilities(r).to_vec() } else { vec![batch.value(r)] }
    };
    Ok((0..table.rows()).map(answer).collect())
}

/// Accuracy, AUC and log loss of a binary model; the second class by name order is the positive one.
fn judge(answers: &[Vec<f32>], truth: &[bool]) -> (f64, f64, f64) {
    let n = truth.len() as f64;
    let right = answers.iter().zip(truth).filter(|(p, t)| (p[1] > p[0]) == **t).count() as f64;
    let loss = |(p, t): (&Vec<f32>, &bool)| -f64::from(p[usize::from(*t)].max(1e-7)).ln();
    let mut order: Vec<(f32, bool)> = answers.iter().map(|p| p[1]).zip(truth.iter().copied()).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut pairs, mut positives) = (0.0, 0.0, 0.0);
    for group in order.chunk_by(|a, b| a.0 == b.0) {
        let p = group.iter().filter(|g| g.1).count() as f64;
        let q = group.len() as f64 - p;
        pairs += p * (below + q / 2.0);
        below += q;
        positives += p;
    }
    (right / n, pairs / (positives * below), answers.iter().zip(truth).map(loss).sum::<f64>() / n)
}

/// The target as "is the second label", for binary text or number targets.
fn truth(table: &Table, target: &str) -> Option<Vec<bool>> {
    match &table.columns[table.position(target)?].values {
        Values::Texts { codes, levels } => {
            let last = levels.iter().max()?;
            Some(codes.iter().map(|&c| &levels[c as usize] == last).collect())
        }
        Values::Numbers(v) => {
            let last = v.iter().copied().fold(f64::MIN, f64::max);
            Some(v.iter().map(|&x| x == last).collect())
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let table = read(&std::fs::read_to_string(&options.file)?)?;
    let mut sums = [0.0; 3];
    for &seed in &options.seeds {
        let (train, test) =
            (take(&table, |r| !held_out(r as u64, seed)), take(&table, |r| held_out(r as u64, seed)));
        let mut spec = Spec::new(options.target.clone(), options.trials, seed);
        spec.time_limit_seconds = options.seconds;
        spec.threads = options.threads;
        let start = Instant::now();
        let outcome = run(&train, &spec, &mut |event| show(event, options.verbose))?;
        let seconds = start.elapsed().as_secs_f64();
        summary(&outcome, seed, seconds);
        if let Some(out) = &options.out {
            std::fs::create_dir_all(out)?;
            std::fs::write(format!("{out}/model-{seed}.onnx"), &outcome.model)?;
            std::fs::write(format!("{out}/report-{seed}.html"), report_html(&outcome))?;
        }
        let answers = score(&outcome.model, &test)?;
        if let Some(out) = &options.out {
            let line = |row: &Vec<f32>| row.iter().map(f32::to_string).collect::<Vec<_>>().join(",") + "\n";
            std::fs::write(
                format!("{out}/answers-{seed}.csv"),
                answers.iter().map(line).collect::<String>(),
            )?;
        }
        if outcome.signature["output"]["task"] == "binary"
            && let Some(truth) = truth(&test, &options.target)
        {
            let (accuracy, auc, loss) = judge(&answers, &truth);
            println!("seed {seed}: held-out accuracy {accuracy:.5} AUC {auc:.5} log loss {loss:.5}");
            sums.iter_mut()
                .zip([accuracy, auc, loss])
                .for_each(|(s, v)| *s += v / options.seeds.len() as f64);
        } else if outcome.signature["output"]["task"] == "regression" {
            println!("seed {seed}: held-out RMSE {:.5}", rmse(&answers, &test, &options.target));
        }
    }
    println!("mean: accuracy {:.5} AUC {:.5} log loss {:.5}", sums[0], sums[1], sums[2]);
    Ok(())
}

fn rmse(answers: &[Vec<f32>], table: &Table, target: &str) -> f64 {
    let Some(Values::Numbers(truth)) = table.position(target).map(|p| &table.columns[p].values) else {
        return f64::NAN;
    };
    let squares = answers.iter().zip(truth).map(|(p, t)| (f64::from(p[0]) - t).powi(2));
    (squares.sum::<f64>() / truth.len() as f64).sqrt()
}

fn show(event: &Event, verbose: bool) -> ControlFlow<()> {
    match event {
        Event::Trial { number, learner, score, seconds, metrics, .. } if verbose => {
            let loss = metrics
                .get("log_loss")
                .or(metrics.get("root_mean_squared_error"))
                .copied()
                .unwrap_or(f64::NAN);
            println!("  {number:>3} {score:.5} {loss:.5} {seconds:>7.2} s  {learner}");
        }
        Event::Ensemble { members, score, .. } if verbose => {
            println!("  ensemble {score:.5}");
            members.iter().for_each(|m| println!("      {:.3} {}", m.weight, m.learner));
        }
        Event::Importance { columns } if verbose => {
            columns
                .iter()
                .for_each(|c| println!("      {:<24} {:.5} ± {:.5}", c.column, c.mean, c.deviation));
        }
        Event::Warning { message } => println!("  warning: {message}"),
        _ => {}
    }
    ControlFlow::Continue(())
}

fn summary(outcome: &Outcome, seed: u64, seconds: f64) {
    let cpu: f64 = outcome.trials.iter().map(|t| t.seconds).sum();
    println!(
        "seed {seed}: {} {:.5} out of fold, {} trials, {seconds:.1} s wall, {cpu:.1} s of trials, {} kB, log loss {:.5}",
        outcome.metric,
        outcome.score,
        outcome.work.trials,
        outcome.model.len() / 1000,
        outcome.metrics.get("log_loss").copied().unwrap_or(f64::NAN),
    );
}
