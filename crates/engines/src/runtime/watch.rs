//! An end to runs that do not come to one, as a `Loop` without a bound: one thread looks after all of them.

use ort::session::RunOptions;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The longest a run over one block of rows may take.
const RUN_MAX: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// The runs in hand with their ends.
type Runs = Mutex<Vec<(Instant, Weak<RunOptions>)>>;

static RUNS: OnceLock<Runs> = OnceLock::new();

/// A run that is looked after until this is dropped.
pub(super) struct Watched(Weak<RunOptions>);

/// Looks after a run from now on.
pub(super) fn begin(options: &Arc<RunOptions>) -> Watched {
    let runs = RUNS.get_or_init(|| {
        // Without the thread runs have no end, which is no reason not to score.
        if let Err(error) = std::thread::Builder::new().name("onnxruntime-watch".to_owned()).spawn(look) {
            tracing::warn!(%error, "long runs of ONNX Runtime will not be ended");
        }
        Mutex::default()
    });
    let weak = Arc::downgrade(options);
    runs.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now() + RUN_MAX, weak.clone()));
    Watched(weak)
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(runs) = RUNS.get() {
            runs.lock().unwrap_or_else(PoisonError::into_inner).retain(|(_, weak)| !weak.ptr_eq(&self.0));
        }
    }
}

fn look() {
    loop {
        std::thread::sleep(LOOK);
        let Some(runs) = RUNS.get() else { continue };
        let now = Instant::now();
        let runs = runs.lock().unwrap_or_else(PoisonError::into_inner);
        for options in runs.iter().filter(|(end, _)| *end <= now).filter_map(|(_, weak)| weak.upgrade()) {
            if let Err(error) = options.terminate() {
                tracing::warn!(%error, "a run of ONNX Runtime could not be ended");
            }
        }
    }
}
