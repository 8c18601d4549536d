//! The whole system from outside: the real binary, a real server on port 0, real clients.

mod browser;
mod clients;
mod durability;
mod openapi;
mod quickstart;
mod road;
mod serve_model;
mod support;
