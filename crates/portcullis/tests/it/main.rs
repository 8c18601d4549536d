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
mod commands;
mod commands_token;
mod console;
mod contracts;
mod contracts_automl;
mod contracts_scoring;
mod contracts_swagger;
mod contracts_tokens;
mod definitions;
mod durability;
mod environments;
mod explained;
mod fuzzing;
mod imported;
mod issuers;
mod launcher;
mod ledger;
mod mlflow;
mod mlflow_registry;
mod onnxruntime;
mod openapi;
mod people;
mod policies;
mod protocols;
mod provider;
mod python;
mod python_protocols;
mod python_workers;
mod quickstart;
mod road;
mod roles;
mod scripts;
mod serve_model;
mod support;
mod tokens;
mod traffic;
mod transport;
mod transport_acme;
mod transport_bound;
mod transport_floods;
mod transport_tls;
mod under_load;
mod up;
mod words;
