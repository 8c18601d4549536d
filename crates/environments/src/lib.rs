//! Where the user's code runs: the launcher that shuts a process in before it begins.

pub mod launcher;
