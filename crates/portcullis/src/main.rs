//! The portcullis binary: what was typed becomes one command, its error one line, its end an exit code
//! (0 ok, 1 failed, 2 wrong use).

mod cli;
mod client;
mod config;
mod definition;
mod files;
mod folder;
mod session;
mod show;
mod wire;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let typed = cli::Typed::parse();
    let json = typed.json();
    match cli::run(typed) {
        Ok(code) => code,
        Err(fault) => {
            if json {
                show::json_error(&fault);
            } else {
                show::error(&fault.message);
            }
            ExitCode::FAILURE
        }
    }
}
