//! A model in ONNX Runtime: a session of one thread, in which calls take turns.

mod inputs;
mod outputs;
mod rows;
mod watch;

pub(crate) use rows::Rows;

use crate::error::{Error, Result};
use crate::library::Library;
use inputs::Form;
use onnx::{Outline, Output, Slot};
use ort::ep;
use ort::session::{RunOptions, Session};
use outputs::Answers;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Rows given to the library at a time at most: what it holds between nodes grows with them.
const ROWS: usize = 1024;

/// A model that ONNX Runtime runs.
#[derive(Debug)]
pub(crate) struct Runtime {
    session: Mutex<Session>,
    name: String,
    form: Arc<Form>,
    answers: Answers,
    metadata: BTreeMap<String, String>,
    /// Rows given to the library at a time.
    step: usize,
}

/// What went wrong when rows were scored.
enum Failure {
    /// The library could not run the graph on these rows.
    Run(String),
    /// It gave something else than its declaration says.
    Answer(String),
}

impl Runtime {
    /// Makes a session. The outline is read first: what it refuses never reaches the library.
    pub fn new(library: &Library, bytes: &[u8]) -> Result<Self, String> {
        let outline = Outline::read(bytes).map_err(|e| e.to_string())?;
        let session = session(library, bytes).map_err(|e| first_line(&e.to_string()))?;
        let form = Arc::new(Form::read(session.inputs())?);
        let answers = Answers::read(session.outputs(), &outline)?;
        let name = library.name.clone();
        let step = if form.single { 1 } else { ROWS };
        let session = Mutex::new(session);
        let made = Self { session, name, form, answers, metadata: outline.metadata, step };
        made.try_one_row()?;
        let step = if made.is_row_by_row() { made.step } else { 1 };
        Ok(Self { step, ..made })
    }

    /// Scores a row of zeros: outputs without a declared shape show theirs. A graph that can't take such a row is no worse for it.
    fn try_one_row(&self) -> Result<(), String> {
        let mut rows = self.rows();
        rows.push();
        rows.zeros();
        match self.run(&mut rows, 1) {
            Ok(()) | Err(Failure::Run(_)) => Ok(()),
            Err(Failure::Answer(reason)) => Err(reason),
        }
    }

    /// Whether rows that are scored together get the answers they get alone. Nobody's answer may hang on the rows beside it, and what
    /// the operators do is not known here: so it is tried.
    fn is_row_by_row(&self) -> bool {
        let (mut together, mut alone) = (self.rows(), self.rows());
        together.samples();
        alone.samples();
        let ran = self.run(&mut together, ROWS).is_ok() && self.run(&mut alone, 1).is_ok();
        ran && together.answers_as(&alone)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn slots(&self) -> &[Slot] {
        &self.form.slots
    }

    pub fn output(&self) -> &Output {
        &self.answers.output
    }

    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    pub fn may_miss(&self, slot: usize) -> bool {
        self.form.may_miss(slot)
    }

    pub fn rows(&self) -> Rows {
        Rows::new(self.form.clone(), self.answers.width())
    }

    pub fn predict(&self, rows: &mut Rows) -> Result<()> {
        if !rows.belongs_to(&self.form) {
            return Err(Error::Failed("the batch was made by another model".to_owned()));
        }
        self.run(rows, self.step)
            .map_err(|(Failure::Run(reason) | Failure::Answer(reason))| Error::Failed(reason))
    }

    fn run(&self, rows: &mut Rows, step: usize) -> Result<(), Failure> {
        let failed = |e: ort::Error| Failure::Run(first_line(&e.to_string()));
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let (inputs, predictions) = rows.parts();
        predictions.clear();
        for first in (0..inputs.count).step_by(step) {
            let count = step.min(inputs.count - first);
            let values = inputs.values(first, count).map_err(failed)?;
            let options = Arc::new(RunOptions::new().map_err(failed)?);
            let _watched = watch::begin(&options);
            let outputs = session.run_with_options(values, &options).map_err(failed)?;
            self.answers.take(&outputs, count, predictions).map_err(Failure::Answer)?;
        }
        Ok(())
    }
}

/// One thread, no memory kept between calls, no waiting in loops.
fn session(library: &Library, bytes: &[u8]) -> ort::Result<Session> {
    let cpu = ep::CPU::default().with_arena_allocator(false).build();
    let builder = Session::builder(&library.environment)?;
    let builder = builder.with_intra_threads(1)?.with_inter_threads(1)?.with_parallel_execution(false)?;
    let builder = builder.with_intra_op_spinning(false)?.with_inter_op_spinning(false)?;
    let builder = builder.with_memory_pattern(false)?.with_execution_providers([cpu])?;
    builder.with_deterministic_compute(true)?.commit_from_memory(bytes)
}

/// The library's messages go on with where in its sources they come from.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end().to_owned()
}
