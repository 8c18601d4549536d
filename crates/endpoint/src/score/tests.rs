//! Every request form with exact bytes, every refusal, and mutations of good bodies.

mod errors;
mod forms;
mod mutations;
mod values;
mod work;
