//! The compiled engine against the plain reference, on models drawn at random. What once differed goes into
//! `fuzz/corpus/onnx_eval`.
#![expect(clippy::panic, reason = "a difference ends the test with its words")]

#[path = "support/reference.rs"]
mod reference;

use portcullis_onnx as engine;

/// Models drawn.
const MODELS: u64 = 600;
/// Bytes that a model and its rows are drawn from.
const BYTES: usize = 1500;

#[test]
fn drawn_models_give_what_the_reference_gives() {
    for seed in 0..MODELS {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let bytes: Vec<u8> = (0..BYTES)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        // Short draws too: what is missing counts as zero.
        reference::check(&bytes[..BYTES / (1 + seed as usize % 7)]);
    }
}
