//! The whole system from outside: the real binary, a real server on port 0, real clients.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says what went wrong by ending; helpers outside test functions too"
)]

mod browser;
mod clients;
mod durability;
mod ledger;
mod openapi;
mod quickstart;
mod road;
mod roles;
mod serve_model;
mod support;
