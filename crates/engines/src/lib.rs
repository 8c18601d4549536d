//! What runs a model: the engine of `onnx`, and for what that one does not cover, ONNX Runtime, when its library is named.
//!
//! [`Engine::load`] asks our own engine first. Only when that one refuses an operator, a type, a version or rows of several axes
//! ([`onnx::Error::is_uncovered`]) is the library looked at; a file that is broken or made to harm never reaches it, nor one that
//! names data in another file. Both are filled and read the same way, through a [`Batch`].

mod batch;
mod engine;
mod error;
mod library;
mod runtime;

pub use batch::Batch;
pub use engine::{Engine, Facts};
pub use error::{Error, Result};
pub use library::{SETTING, use_library};
