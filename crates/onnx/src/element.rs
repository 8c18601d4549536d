//! Element types and operator domains, as callers name them.

use crate::proto::generated::tensor_proto::DataType;

/// Element type of a graph input, output or initializer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// 32-bit floating point.
    Float,
    /// 64-bit signed integer.
    Int64,
    /// UTF-8 text.
    String,
    /// Boolean.
    Bool,
}

impl ElementType {
    pub(crate) fn code(self) -> i32 {
        match self {
            Self::Float => DataType::Float as i32,
            Self::Int64 => DataType::Int64 as i32,
            Self::String => DataType::String as i32,
            Self::Bool => DataType::Bool as i32,
        }
    }
}

/// Operator domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Domain {
    /// The default domain (`""`, `ai.onnx`).
    Onnx,
    /// The traditional machine learning operators (`ai.onnx.ml`).
    Ml,
}

impl Domain {
    /// Name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Onnx => "",
            Self::Ml => "ai.onnx.ml",
        }
    }
}
