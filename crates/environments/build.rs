//! The shipped package is compiled in: a change of it is a change of this crate.
#![expect(clippy::print_stdout, reason = "the way to talk to cargo")]

fn main() {
    println!("cargo:rerun-if-changed=python");
}
