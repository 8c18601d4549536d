//! Sweeps: a command tried with values out of a search space; each trial is a command job below the sweep's.
//!
//! What is best is told by the metric that the scripts log. The same seed draws the same values; with several trials at the same
//! time the Bayesian drawing also depends on which end first.

mod ask;
mod attempt;
mod bayesian;
mod early;
mod sobol;
mod space;

pub use ask::{SubmitSweep, SweepTrial};
pub(crate) use attempt::{KIND, Sweeps, trials};
pub(crate) use space::Values;
