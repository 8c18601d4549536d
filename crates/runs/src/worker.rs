//! The child process: reads its order, trains, writes the results. Started as `worker automl` of the same binary.

use crate::convert::table;
use crate::journal::Journal;
use crate::order::{Failed, LEADERBOARD, MODEL, ORDER_MAX, OUTCOME, Order, PLOTS, REPORT, Source};
use automl::{Event, Outcome, Table, Tables};
use domain::{Column, Fault};
use serde::Serialize;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::path::Path;

/// Exit code of a child that wrote its results.
pub const DONE: u8 = 0;
/// Exit code of a child that told on standard output why there is no result.
pub const FAILED: u8 = 1;
/// Exit code of a child whose server is gone.
pub const ORPHANED: u8 = 3;

/// Carries out the order that stands on standard input; gives the process's exit code.
pub fn automl_worker() -> u8 {
    automl_worker_telling(&mut io::stdout().lock())
}

/// [`automl_worker`] that tells its events elsewhere than on standard output, a line of JSON each.
pub fn automl_worker_telling(events: &mut impl Write) -> u8 {
    serve(io::stdin(), events)
}

fn serve(stdin: impl Read + Send + 'static, stdout: &mut impl Write) -> u8 {
    match order(stdin).and_then(|order| carry_out(&order, stdout)) {
        Ok(()) => DONE,
        Err(fault) => {
            say(&format!("the job failed: {fault}"));
            // When nobody reads any more, the exit code is all that is left to say.
            _ = tell(stdout, &Failed { message: fault.message });
            FAILED
        }
    }
}

/// Reads the order, then watches the rest of standard input: when it ends, the server is gone and so is this process.
fn order(stdin: impl Read + Send + 'static) -> Result<Order, Fault> {
    let mut input = BufReader::new(stdin);
    let mut line = Vec::new();
    let wrong = |why: String| Fault::invalid(format!("the order on standard input cannot be read: {why}"));
    input.by_ref().take(ORDER_MAX).read_until(b'\n', &mut line).map_err(|e| wrong(e.to_string()))?;
    let order = serde_json::from_slice(&line).map_err(|e| wrong(e.to_string()))?;
    std::thread::Builder::new()
        .name("lifeline".to_owned())
        .spawn(move || {
            // Whatever more comes has no meaning; the end has.
            _ = io::copy(&mut input, &mut io::sink());
            say("the server is gone, the job ends");
            std::process::exit(i32::from(ORPHANED));
        })
        .map_err(|e| Fault::internal(format!("no thread can be started: {e}")))?;
    Ok(order)
}

fn carry_out(order: &Order, stdout: &mut impl Write) -> Result<(), Fault> {
    order.limits.take_on();
    let training = load(&order.data, &order.format, &order.columns)?;
    let further =
        |source: &Option<Source>| source.as_ref().map(|s| load(&s.data, &s.format, &s.columns)).transpose();
    let (validation, test) = (further(&order.validation)?, further(&order.test)?);
    let tables = Tables { training: &training, validation: validation.as_ref(), test: test.as_ref() };
    let mut send = |event: &Event| match tell(stdout, event) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    };
    let outcome = match Journal::open(&order.output) {
        Ok(journal) => automl::resume(tables, &order.spec, &journal, &mut send),
        Err(error) => {
            say(&format!("finished trials cannot be kept: {error}"));
            automl::run(tables, &order.spec, &mut send)
        }
    };
    write_results(&order.output, &outcome.map_err(|e| Fault::invalid(e.to_string()))?)
}

fn load(path: &Path, format: &serde_json::Value, columns: &[Column]) -> Result<Table, Fault> {
    let format = serde_json::from_value(format.clone())
        .map_err(|e| Fault::internal(format!("the table's format: {e}")))?;
    Ok(table(data::load(path, &format, columns).map_err(Fault::from)?))
}

/// A line for the job's log. The child has no server log: what it says on standard error is all there is.
pub(crate) fn say(text: &str) {
    // When the log cannot be written the job goes on.
    _ = writeln!(io::stderr(), "{text}");
}

fn tell(stdout: &mut impl Write, event: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    stdout.write_all(&line)?;
    stdout.flush()
}

/// The leaderboard's file.
#[derive(Serialize)]
struct Leaderboard<'a> {
    task: automl::Task,
    metric: &'a str,
    higher_is_better: bool,
    score: f64,
    trials: &'a [automl::Trial],
    members: &'a [automl::Member],
}

fn write_results(folder: &Path, outcome: &Outcome) -> Result<(), Fault> {
    let leaderboard = Leaderboard {
        task: outcome.task,
        metric: &outcome.metric,
        higher_is_better: outcome.higher_is_better,
        score: outcome.score,
        trials: &outcome.trials,
        members: &outcome.members,
    };
    let unwritable =
        |e: serde_json::Error| Fault::internal(format!("the result cannot be written as JSON: {e}"));
    let leaderboard = serde_json::to_vec_pretty(&leaderboard).map_err(unwritable)?;
    let whole = serde_json::to_vec(outcome).map_err(unwritable)?;
    let plots = serde_json::to_vec(&outcome.plots).map_err(unwritable)?;
    let report = automl::report_html(outcome);
    // The outcome last: where it stands, the others are whole.
    let files = [
        (MODEL, &outcome.model[..]),
        (LEADERBOARD, &leaderboard),
        (REPORT, report.as_bytes()),
        (PLOTS, &plots),
        (OUTCOME, &whole),
    ];
    for (name, bytes) in files {
        store::files::write_private(&folder.join(name), bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_is_none_is_told_on_standard_output() {
        for text in ["", "\n", "{}\n", "{\"data\": 1}\n"] {
            let mut out = Vec::new();
            assert_eq!(serve(io::Cursor::new(text), &mut out), FAILED);
            let failed: Failed = serde_json::from_slice(&out).unwrap();
            assert!(failed.message.starts_with("the order on standard input"), "{}", failed.message);
        }
    }
}
