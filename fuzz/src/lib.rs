//! What the fuzz targets feed: each body takes any bytes, must not panic, hang or grow without bound, and asserts what holds
//! for every input. `cargo xtask fuzz` runs them; the normal tests run them over the seeds and over damaged seeds.

pub mod bodies;
