//! Samples in the shapes that users have, and what is wrong with others.

mod bounds;
mod jobs;
mod online;
mod others;

use crate::{Definition, Parsed, read};

/// A sample that must be read.
fn good<T: Definition>(text: &str) -> Parsed<T> {
    read("f.yml", text).unwrap_or_else(|fault| panic!("{fault}"))
}

/// The message about a sample that must not.
fn bad<T: Definition>(text: &str) -> String {
    match read::<T>("f.yml", text) {
        Ok(_) => panic!("was read: {text}"),
        Err(fault) => fault.message,
    }
}
