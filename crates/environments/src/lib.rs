//! Where the user's code runs: environments of interpreter and packages, and the launcher that shuts a process in before it begins.
//!
//! An environment is named by its content: what it asks for, the interpreter, the machine. It is made once, by `uv`, of wheels only, so
//! that no code of a package runs before a job does; under another name until it is whole. What came otherwise than asked is
//! recorded with it. A client names what the server has and never a path of its machine.

mod config;
pub mod describe;
mod environments;
mod interpreters;
pub mod launcher;
mod making;
pub mod package;
mod packages;
mod resolve;
mod uv;

pub use config::Config;
pub use environments::{Environments, Ready};
