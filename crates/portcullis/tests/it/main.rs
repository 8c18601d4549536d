//! The whole system from outside: the real binary, a real server on port 0, real clients.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says what went wrong by ending; helpers outside test functions too"
)]

mod apim;
mod attacks;
mod browser;
mod clients;
mod contracts;
mod contracts_automl;
mod contracts_scoring;
mod contracts_swagger;
mod contracts_tokens;
mod durability;
mod fuzzing;
mod issuers;
mod ledger;
mod openapi;
mod people;
mod policies;
mod provider;
mod quickstart;
mod road;
mod roles;
mod serve_model;
mod support;
mod tokens;
mod transport;
mod transport_acme;
mod transport_bound;
mod transport_floods;
mod transport_tls;
mod under_load;
mod words;
