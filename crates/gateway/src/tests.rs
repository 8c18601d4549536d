//! The gate as a whole: a real store, a real model, a real listener, raw sockets.

mod control;
mod direct;
mod people;
mod policies;
mod published;
mod signing;
mod single;
pub(crate) mod support;
mod tokens;
