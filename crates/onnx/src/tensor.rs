//! Dense tensors, and their `TensorProto` form (`input_0.pb`, `output_0.pb`, initializers).

use prost::Message as _;

use crate::error::{Error, Result};
use crate::limits;
use crate::proto::generated::{TensorProto, tensor_proto::DataLocation, tensor_proto::DataType};

/// A dense tensor, row-major. The product of `dims` equals the number of elements.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Length of each axis; empty for a scalar.
    pub dims: Vec<usize>,
    /// The elements.
    pub data: Data,
}

/// Elements of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// 32-bit floating point.
    Float(Vec<f32>),
    /// 64-bit floating point.
    Double(Vec<f64>),
    /// 64-bit integers.
    Int64(Vec<i64>),
    /// 32-bit integers.
    Int32(Vec<i32>),
    /// 8-bit unsigned integers.
    Uint8(Vec<u8>),
    /// Booleans.
    Bool(Vec<bool>),
    /// Texts.
    Text(Vec<String>),
}

impl Data {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::Float(v) => v.len(),
            Self::Double(v) => v.len(),
            Self::Int64(v) => v.len(),
            Self::Int32(v) => v.len(),
            Self::Uint8(v) => v.len(),
            Self::Bool(v) => v.len(),
            Self::Text(v) => v.len(),
        }
    }

    /// Elements, where long texts count for more than one.
    pub(crate) fn cost(&self) -> usize {
        let texts = match self {
            Self::Text(v) => v.iter().map(String::len).sum::<usize>() / limits::TEXT_BYTES,
            _ => 0,
        };
        self.len() + texts
    }

    /// Bytes of the longest text.
    pub(crate) fn longest(&self) -> usize {
        if let Self::Text(v) = self { v.iter().map(String::len).max().unwrap_or(0) } else { 0 }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name of the element type in messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Float(_) => "float",
            Self::Double(_) => "double",
            Self::Int64(_) => "int64",
            Self::Int32(_) => "int32",
            Self::Uint8(_) => "uint8",
            Self::Bool(_) => "bool",
            Self::Text(_) => "string",
        }
    }

    pub(crate) fn data_type(&self) -> DataType {
        match self {
            Self::Float(_) => DataType::Float,
            Self::Double(_) => DataType::Double,
            Self::Int64(_) => DataType::Int64,
            Self::Int32(_) => DataType::Int32,
            Self::Uint8(_) => DataType::Uint8,
            Self::Bool(_) => DataType::Bool,
            Self::Text(_) => DataType::String,
        }
    }
}

impl Tensor {
    /// A tensor of these dimensions.
    ///
    /// # Errors
    /// When the product of `dims` is not the number of elements.
    pub fn new(dims: Vec<usize>, data: Data) -> Result<Self> {
        if elements(&dims) == Some(data.len()) {
            return Ok(Self { dims, data });
        }
        let reason = format!("{} elements do not fit the dimensions {dims:?}", data.len());
        Err(Error::Decode { what: "tensor", reason })
    }

    /// Reads the bytes of a `TensorProto`; gives its name (may be empty) too.
    ///
    /// # Errors
    /// Bytes that are no `TensorProto`, an element type that is not supported, data that does not fit the
    /// dimensions, data in another file, sizes beyond [`limits`].
    pub fn from_proto_bytes(bytes: &[u8]) -> Result<(String, Self)> {
        let proto = TensorProto::decode(bytes)
            .map_err(|e| Error::Decode { what: "tensor", reason: e.to_string() })?;
        let tensor = read(&proto)?;
        Ok((proto.name.unwrap_or_default(), tensor))
    }

    /// The bytes of a `TensorProto` called `name`.
    pub fn to_proto_bytes(&self, name: &str) -> Vec<u8> {
        let mut proto = TensorProto {
            dims: self.dims.iter().map(|&d| d as i64).collect(),
            data_type: Some(self.data.data_type() as i32),
            name: Some(name.to_owned()),
            ..TensorProto::default()
        };
        let raw = match &self.data {
            Data::Float(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Data::Double(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Data::Int64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Data::Int32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Data::Uint8(v) => v.clone(),
            Data::Bool(v) => v.iter().map(|&x| u8::from(x)).collect(),
            Data::Text(v) => {
                proto.string_data = v.iter().map(|s| s.clone().into_bytes()).collect();
                return proto.encode_to_vec();
            }
        };
        proto.raw_data = Some(raw);
        proto.encode_to_vec()
    }
}

/// Number of elements of a tensor of these dimensions; none when it is beyond [`limits::ELEMENTS`].
pub(crate) fn elements(dims: &[usize]) -> Option<usize> {
    // An axis of length 0 must not hide others that overflow in later arithmetic.
    let room = dims.iter().try_fold(1_usize, |n, &d| n.checked_mul(d.max(1)));
    room.filter(|&n| n <= limits::ELEMENTS).map(|n| if dims.contains(&0) { 0 } else { n })
}

/// Reads a decoded tensor.
pub(crate) fn read(proto: &TensorProto) -> Result<Tensor> {
    let name = proto.name();
    let fail = |reason: String| Error::Decode { what: "tensor", reason: format!("{name:?}: {reason}") };
    if proto.data_location() == DataLocation::External || !proto.external_data.is_empty() {
        return Err(fail("its data is in another file, which is never opened; store it inside".to_owned()));
    }
    if proto.segment.is_some() {
        return Err(fail("segmented tensors are not supported".to_owned()));
    }
    if let Some(other) = uncovered(proto) {
        return Err(Error::Uncovered(format!(
            "{name:?}: element type {} is not supported",
            other.as_str_name()
        )));
    }
    let dims = dims_of(proto).map_err(&fail)?;
    let count = elements(&dims)
        .ok_or_else(|| fail(format!("{dims:?} has more than {} elements", limits::ELEMENTS)))?;
    let data = read_data(proto).map_err(&fail)?;
    if data.len() != count {
        return Err(fail(format!("it has {} elements, its dimensions {dims:?} ask for {count}", data.len())));
    }
    Ok(Tensor { dims, data })
}

/// The element type, when it is one of the format's that this engine does not know.
fn uncovered(proto: &TensorProto) -> Option<DataType> {
    use DataType::{Bool, Double, Float, Int32, Int64, String, Uint8, Undefined};
    let kind = DataType::try_from(proto.data_type.unwrap_or_default()).ok()?;
    (!matches!(kind, Float | Double | Int64 | Int32 | Uint8 | Bool | String | Undefined)).then_some(kind)
}

fn dims_of(proto: &TensorProto) -> Result<Vec<usize>, String> {
    if proto.dims.len() > limits::RANK {
        return Err(format!("it has {} dimensions, the limit is {}", proto.dims.len(), limits::RANK));
    }
    proto.dims.iter().map(|&d| usize::try_from(d).map_err(|_| format!("dimension {d} is negative"))).collect()
}

fn read_data(proto: &TensorProto) -> Result<Data, String> {
    let raw = proto.raw_data.as_deref();
    let ints = || proto.int32_data.iter();
    let kind = proto.data_type.unwrap_or_default();
    match DataType::try_from(kind) {
        Ok(DataType::Float) => {
            Ok(Data::Float(from_raw(raw, f32::from_le_bytes)?.unwrap_or_else(|| proto.float_data.clone())))
        }
        Ok(DataType::Double) => {
            Ok(Data::Double(from_raw(raw, f64::from_le_bytes)?.unwrap_or_else(|| proto.double_data.clone())))
        }
        Ok(DataType::Int64) => {
            Ok(Data::Int64(from_raw(raw, i64::from_le_bytes)?.unwrap_or_else(|| proto.int64_data.clone())))
        }
        Ok(DataType::Int32) => {
            Ok(Data::Int32(from_raw(raw, i32::from_le_bytes)?.unwrap_or_else(|| proto.int32_data.clone())))
        }
        Ok(DataType::Uint8) => {
            Ok(Data::Uint8(raw.map_or_else(|| ints().map(|&v| v as u8).collect(), <[u8]>::to_vec)))
        }
        Ok(DataType::Bool) => Ok(Data::Bool(raw.map_or_else(
            || ints().map(|&v| v != 0).collect(),
            |bytes| bytes.iter().map(|&v| v != 0).collect(),
        ))),
        Ok(DataType::String) => texts(&proto.string_data).map(Data::Text),
        Ok(other) => Err(format!("element type {} is not supported", other.as_str_name())),
        Err(_) => Err(format!("element type {kind} is unknown")),
    }
}

fn from_raw<const N: usize, T>(
    raw: Option<&[u8]>,
    make: impl Fn([u8; N]) -> T,
) -> Result<Option<Vec<T>>, String> {
    let Some(raw) = raw else { return Ok(None) };
    let (chunks, rest) = raw.as_chunks::<N>();
    if !rest.is_empty() {
        return Err(format!("{} raw bytes are no multiple of the element size {N}", raw.len()));
    }
    Ok(Some(chunks.iter().map(|c| make(*c)).collect()))
}

/// Reads byte strings as UTF-8.
pub(crate) fn texts(bytes: &[Vec<u8>]) -> Result<Vec<String>, String> {
    let text = |b: &Vec<u8>| String::from_utf8(b.clone()).map_err(|_| "a text is not UTF-8".to_owned());
    bytes.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(tensor: &Tensor) -> (String, Tensor) {
        Tensor::from_proto_bytes(&tensor.to_proto_bytes("x")).unwrap()
    }

    #[test]
    fn every_type_survives_its_bytes() {
        let all = [
            Data::Float(vec![1.5, f32::INFINITY]),
            Data::Double(vec![0.1, -2.0]),
            Data::Int64(vec![i64::MIN, 7]),
            Data::Int32(vec![-1, 7]),
            Data::Uint8(vec![0, 255]),
            Data::Bool(vec![true, false]),
            Data::Text(vec![String::new(), "é".to_owned()]),
        ];
        for data in all {
            let tensor = Tensor::new(vec![2, 1], data).unwrap();
            assert_eq!(round(&tensor), ("x".to_owned(), tensor));
        }
    }

    #[test]
    fn typed_fields_are_read() {
        let proto = TensorProto {
            dims: vec![2],
            data_type: Some(DataType::Bool as i32),
            int32_data: vec![0, 1],
            ..TensorProto::default()
        };
        assert_eq!(read(&proto).unwrap().data, Data::Bool(vec![false, true]));
    }

    #[test]
    fn a_scalar_has_no_dimensions_and_one_element() {
        let tensor = Tensor::new(vec![], Data::Float(vec![3.0])).unwrap();
        assert_eq!(round(&tensor).1, tensor);
    }

    #[test]
    fn bad_tensors_are_refused() {
        let float = |dims: Vec<i64>, values: Vec<f32>| TensorProto {
            dims,
            data_type: Some(DataType::Float as i32),
            float_data: values,
            ..TensorProto::default()
        };
        let external =
            TensorProto { data_location: Some(DataLocation::External as i32), ..float(vec![0], vec![]) };
        let odd = TensorProto { raw_data: Some(vec![0; 5]), ..float(vec![1], vec![]) };
        let cases = [
            (float(vec![3], vec![1.0]), "ask for 3"),
            (float(vec![-1], vec![]), "negative"),
            (float(vec![1 << 40, 1 << 40], vec![]), "more than"),
            (float(vec![1; 20], vec![1.0]), "20 dimensions"),
            (external, "another file"),
            (odd, "multiple"),
            (TensorProto { data_type: Some(10), ..float(vec![], vec![]) }, "FLOAT16"),
            (TensorProto { data_type: Some(99), ..float(vec![], vec![]) }, "unknown"),
        ];
        for (proto, expected) in cases {
            let message = read(&proto).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        assert!(Tensor::from_proto_bytes(&[0xff, 1, 2]).is_err());
    }
}
