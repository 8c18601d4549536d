//! Where the user's code runs: the launcher that shuts a process in before it begins, and the package it may import.

pub mod launcher;
pub mod package;
