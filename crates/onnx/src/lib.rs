//! ONNX models: read, check, compile, predict, write. Pure: no files, no network, no clock.
//!
//! [`GraphBuilder`] writes models. [`Model::from_bytes`] decodes one under limits, checks it and prepares
//! two ways of running it: [`Model::predict`] scores rows held in a reusable [`Batch`] through a compiled
//! list of steps, [`Model::run_tensors`] takes and gives named tensors of any shape. What can't be run is
//! refused when the model is loaded, with the names of the node and its operator.

mod attrs;
mod batch;
mod builder;
mod check;
mod element;
mod error;
mod explain;
mod forest;
mod graph;
pub mod import;
pub mod limits;
mod model;
mod ops;
mod outline;
mod program;
mod proto;
mod scores;
mod slots;
pub mod tensor;
mod work;

pub use batch::Batch;
pub use builder::{Attr, GraphBuilder, IR_VERSION, ML_OPSET, OPSET, with_metadata};
pub use element::{Domain, ElementType};
pub use error::{Error, Result};
pub use explain::{Explainer, Explanation, with_means};
pub use model::{Model, Output};
pub use outline::Outline;
pub use scores::Labels;
pub use slots::{Slot, SlotKind};
pub use tensor::{Data, Tensor};
pub use work::Work;
