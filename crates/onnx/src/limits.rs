//! Upper bounds that keep reading a hostile model short and small. All of them are far above what real
//! tabular models need; a model beyond one is refused with the number in the message.

/// Largest model file, bytes.
pub const MODEL_BYTES: usize = 512 << 20;
/// Largest memory the decoded messages of one model may take, bytes (estimated before decoding).
pub const DECODED_BYTES: u64 = 2 << 30;
/// Memory the decoded messages of a small model may take, bytes, beside [`DECODED_GROWTH`].
pub const DECODED_SMALL: u64 = 96 << 20;
/// How many times its size a model may grow when it is decoded.
pub const DECODED_GROWTH: u64 = 16;
/// Deepest nesting of protobuf messages.
pub const MESSAGE_DEPTH: usize = 16;
/// Most nodes in a graph.
pub const NODES: usize = 100_000;
/// Most inputs, outputs and initializers of a graph, each.
pub const VALUES: usize = 100_000;
/// Most inputs or outputs of one node.
pub const NODE_VALUES: usize = 20_000;
/// Most dimensions of a tensor.
pub const RANK: usize = 16;
/// Most elements of one tensor of a model.
pub const ELEMENTS: usize = 1 << 28;
/// Most elements one node may produce in `run_tensors`.
pub const RUN_ELEMENTS: usize = 1 << 26;
/// Deepest tree.
pub const TREE_DEPTH: usize = 10_000;
/// Widest row of a compiled model: columns of all values of the graph together.
pub const ROW_WIDTH: usize = 1 << 18;
/// Most elements of the constants one node may be computed from while a model is loaded.
pub const FOLDED_INPUT: usize = 1 << 20;
/// Longer texts leave less room for elements in a result made while a model is loaded.
pub const LONG_TEXT: usize = 64;
/// So many bytes of text count as one element more.
pub const TEXT_BYTES: usize = 8;
/// Most elements of all constants that are computed while a model is loaded.
pub const FOLDED_TOTAL: usize = 1 << 22;
/// Most steps, of about a nanosecond, of all work on constants and places while a model is loaded, beside those that
/// go with the size of its constants.
pub const LOAD_STEPS: usize = 1 << 29;
/// Most words of the sets of categories that all trees of a model test.
pub const SETS: usize = 24 << 20;
/// Most entries of all look-up tables of a compiled model.
pub const TABLES: usize = 1 << 25;
