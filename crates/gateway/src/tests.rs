//! The gate as a whole: a real store, a real model, a real listener, raw sockets.

mod control;
mod direct;
mod people;
mod published;
mod signing;
mod single;
mod support;
mod tokens;
