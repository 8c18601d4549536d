//! The bodies of the fuzz targets, but for `http`, which stands in `web::fuzzing`.

use data::{FileFormat, Format, ReadOptions};
use domain::{ColumnType, ErrorCode, Feature, Signature, Target, Task};
use endpoint::protocols::Place;
use endpoint::{Call, Limits, Scratch, Servable};
use gateway::apim::{ImportOptions, UrlMap, Urls, import};
use gateway::jose::{Algorithm, KeySet, strict, verify};
use gateway::jwt::{Claims, Times};
use http::{HeaderMap, Method};
use onnx::tensor::Tensor;
use onnx::{Attr, Domain, ElementType, GraphBuilder, Model};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::OnceLock;

use ::onnx as engine;

#[path = "../../crates/onnx/tests/support/folded.rs"]
mod folded;
#[path = "../../crates/onnx/tests/support/reference.rs"]
mod reference;

/// Public keys of each kind: Ed25519 (RFC 8037 A.2), P-256 and RSA (RFC 7517 A.1).
const KEYS: &str = include_str!("../corpus/jwks/each-kind");
/// Rows that a fuzzed model scores, columns of a fuzzed table, and the most rows of a fuzzed call.
const ROWS: usize = 3;

/// A token: the whole of it by a key set, and its payload by itself, since no mutated token has a right signature.
pub fn jwt(bytes: &[u8]) {
    static SET: OnceLock<KeySet> = OnceLock::new();
    let keys = SET.get_or_init(|| KeySet::parse(KEYS.as_bytes()).unwrap_or_default());
    assert!(keys.len() == 3, "the key set of the target has three keys");
    if let Ok(token) = std::str::from_utf8(bytes) {
        // The only right signatures are those of the seeds, which are never put together from pieces of others.
        if let Ok(verified) = verify(token, keys, &Algorithm::ALL) {
            assert!(token.matches('.').count() == 2 && verified.payload.len() < token.len());
        }
    }
    if let Ok(claims) = Claims::parse(bytes) {
        assert!((0..=100_000_000_000).contains(&claims.expires) && !claims.audiences.is_empty());
        let times = Times { skew: 30, max_lifetime: 86_400 };
        for now in [0, claims.expires, i64::MAX / 4] {
            let live = claims.check_times(times, now).is_ok();
            assert!(!live || now < claims.expires + times.skew);
        }
    }
}

/// A policy file: what is read passes or is refused with the line.
pub fn policy(bytes: &[u8]) {
    static OPTIONS: OnceLock<ImportOptions> = OnceLock::new();
    let options = OPTIONS.get_or_init(|| {
        let cloud = ("https://login.microsoftonline.com/".to_owned(), "built_in".to_owned());
        ImportOptions {
            any_audience: true,
            set: [("tenant_id".to_owned(), "t".to_owned())].into(),
            urls: Urls {
                map: UrlMap([cloud].into()),
                public_url: "http://127.0.0.1:8780".to_owned(),
                tenant: "t".to_owned(),
            },
            ..ImportOptions::default()
        }
    });
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match import(text, options) {
        Ok(imported) => assert!(!imported.policy.audiences.is_empty() || imported.policy.any_audience),
        Err(fault) => assert!(fault.message.starts_with("line "), "{}", fault.message),
    }
}

/// A definition file, read as every kind of it: what is refused names a line, and what is read survives its JSON.
pub fn definitions(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    defined::<definitions::Job>(text);
    defined::<definitions::OnlineEndpoint>(text);
    defined::<definitions::OnlineDeployment>(text);
    defined::<definitions::DataFile>(text);
    defined::<definitions::Environment>(text);
    defined::<definitions::ModelFile>(text);
    defined::<definitions::MlTable>(text);
    defined::<definitions::MlModel>(text);
    defined::<definitions::Conda>(text);
    defined::<definitions::DeploymentConfig>(text);
    defined::<definitions::InferenceConfig>(text);
    if let Ok(found) = definitions::read_requirements("f", text) {
        let lines: Vec<String> = found.iter().map(definitions::Requirement::text).collect();
        let again = definitions::read_requirements("f", &lines.join("\n"));
        assert!(again.is_ok_and(|again| again.len() == found.len()));
    }
}

/// One kind of definition file.
fn defined<T>(text: &str)
where
    T: definitions::Definition + PartialEq + serde::Serialize + serde::de::DeserializeOwned,
{
    match definitions::read::<T>("f", text) {
        Ok(parsed) => {
            let json = serde_json::to_string(&parsed.value).unwrap_or_default();
            assert!(serde_json::from_str::<T>(&json).is_ok_and(|back| back == parsed.value), "{json}");
        }
        Err(fault) => assert!(fault.message.starts_with("f: line "), "{}", fault.message),
    }
}

/// A key set: whatever is taken from it can be looked for, and verifies no empty signature.
pub fn jwks(bytes: &[u8]) {
    let Some(keys) = KeySet::parse(bytes) else { return };
    assert!(strict::object(bytes).is_some(), "a key set is one plain object");
    for alg in Algorithm::ALL {
        for kid in [None, Some(""), Some("1")] {
            if let Ok(key) = keys.find(kid, alg) {
                assert!(key.allows(alg) && !key.verifies(alg, b"x", &[]));
            }
        }
    }
}

/// A model file: read, checked, compiled, and a few rows scored when it can score rows.
pub fn onnx(bytes: &[u8]) {
    // Also the smaller message of the same format.
    if let Ok((name, tensor)) = Tensor::from_proto_bytes(bytes) {
        assert!(
            Tensor::from_proto_bytes(&tensor.to_proto_bytes(&name)).is_ok(),
            "what was read is written readable"
        );
    }
    let Ok(model) = Model::from_bytes(bytes) else { return };
    if model.predictable().is_err() {
        return;
    }
    let mut batch = model.batch();
    for row in 0..ROWS {
        batch.push_row();
        for slot in 0..model.slots().len() {
            batch.set_number(slot, 0, if row == 0 { f32::INFINITY } else { row as f32 });
            batch.set_text(&model, slot, 0, "a");
        }
    }
    assert!(model.predict(&mut batch).is_ok(), "what is predictable predicts");
    for row in 0..ROWS {
        let _ = (batch.class(row), batch.value(row), batch.probabilities(row));
    }
}

/// A model drawn from bytes, of trees, linear or of support vectors: every way of running it gives what the plain
/// reference gives.
pub fn onnx_eval(bytes: &[u8]) {
    reference::check(bytes);
}

/// Encoders and scalers drawn from bytes, before trees or weighted sums: folded into what follows them, they give what a
/// plain evaluation gives.
pub fn onnx_folding(bytes: &[u8]) {
    let mut random = folded::Random::new(bytes, 0);
    if random.below(2) == 0 {
        folded::check_trees("what was drawn", &mut random, ROWS);
    } else {
        folded::check_sums("what was drawn", &mut random, ROWS);
    }
}

/// A model of another tool: what is converted can be loaded and asked. A text that describes a scikit-learn object is packed as a
/// `.skops` file, since no mutated archive unpacks.
pub fn importers(bytes: &[u8]) {
    let packed = bytes.windows(9).any(|window| window == b"__class__").then(|| skops(bytes));
    let Ok(imported) = engine::import::convert("model", packed.as_deref().unwrap_or(bytes), &[]) else {
        return;
    };
    let Ok(model) = Model::from_bytes(&imported.bytes) else { return };
    assert!(model.slots().len() <= imported.inputs.len(), "a column is an input");
    let mut batch = model.batch();
    for row in 0..ROWS {
        batch.push_row();
        (0..model.slots().len()).for_each(|slot| batch.set_number(slot, 0, row as f32 - 1.0));
    }
    assert!(model.predict(&mut batch).is_ok(), "what is converted predicts");
}

/// A `.skops` archive, not compressed: the schema, and arrays of 64-bit floats called after their shapes.
fn skops(schema: &[u8]) -> Vec<u8> {
    let array = |shape: &str, values: &[f64]| {
        let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        values.iter().for_each(|value| file.extend(value.to_le_bytes()));
        file
    };
    let members = [
        ("schema.json", schema.to_vec()),
        ("1.npy", array("(1,)", &[0.5])),
        ("2.npy", array("(2,)", &[0.0, 1.0])),
        ("1x2.npy", array("(1, 2)", &[2.0, -1.0])),
        ("2x2.npy", array("(2, 2)", &[1.0, 0.0, -2.0, 3.0])),
    ];
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in &members {
        let (size, at) = (content.len() as u32, file.len() as u32);
        // Version 2.0, no flags, stored, a date; then checksum, both sizes, the name's length, no extra field.
        let mut head = [20u16, 0, 0, 0, 0x21].map(u16::to_le_bytes).concat();
        head.extend([checksum(content), size, size].map(u32::to_le_bytes).concat());
        head.extend([name.len() as u16, 0].map(u16::to_le_bytes).concat());
        file.extend(b"PK\x03\x04".iter().chain(&head).chain(name.as_bytes()).chain(content));
        directory.extend(b"PK\x01\x02\x14\x00".iter().chain(&head));
        directory.extend([0u8; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = file.len() as u32;
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([members.len() as u16; 2].map(u16::to_le_bytes).concat());
    file.extend([directory.len() as u32, start].map(u32::to_le_bytes).concat());
    file.extend([0, 0]);
    file
}

/// CRC-32 as of ZIP (ISO 3309).
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg()))
    })
}

/// A text table: packed or not, in any encoding and dialect, sniffed, surveyed and read.
pub fn csv(bytes: &[u8]) {
    match data::read_text(bytes, &ReadOptions::default()) {
        Ok(table) => {
            let width = table.columns.len();
            assert!(width > 0 && table.rows.iter().all(|row| row.len() == width), "a table is a rectangle");
        }
        // These readers are ours: they give up on nothing.
        Err(error) => {
            let told = error.code() != ErrorCode::Internal && !matches!(error, data::Error::Reader);
            assert!(told, "the fault is the file's and has a place: {error}");
        }
    }
}

/// A Parquet file: its header and footer, and its first rows.
pub fn parquet(bytes: &[u8]) {
    let Ok(mut file) = tempfile::NamedTempFile::new() else { return };
    if file.write_all(bytes).is_err() {
        return;
    }
    let format = Format {
        format: FileFormat::Parquet,
        compression: data::Compression::None,
        encoding: String::new(),
        dialect: None,
        missing: Vec::new(),
        timestamps: std::collections::BTreeMap::new(),
        shape: data::Shape::default(),
    };
    match data::preview(file.path(), &format, &[], ROWS) {
        Ok(rows) => assert!(rows.len() <= ROWS),
        Err(error) => assert!(error.code() != ErrorCode::Internal, "the fault is the file's: {error}"),
    }
}

/// A model of every column type, so that every reader of a cell is reached.
fn servable() -> Option<&'static Servable> {
    static SERVABLE: OnceLock<Option<Servable>> = OnceLock::new();
    SERVABLE.get_or_init(|| Servable::load(&model()?, &signature()).ok()).as_ref()
}

const WORDS: [&str; 2] = ["a", "3"];
const NUMBERS: [(&str, ColumnType); 4] = [
    ("float.x", ColumnType::Float),
    ("whole", ColumnType::Integer),
    ("flag", ColumnType::Boolean),
    ("when", ColumnType::Timestamp),
];

/// The weighted sum of all columns; the word counts by its number.
fn model() -> Option<Vec<u8>> {
    let mut graph = GraphBuilder::new("sum");
    for (name, _) in NUMBERS {
        graph.input(name, ElementType::Float, 1);
    }
    graph.input("word", ElementType::String, 1);
    let words = vec![
        ("keys_strings", Attr::Texts(WORDS.map(str::to_owned).to_vec())),
        ("values_floats", Attr::Floats(vec![1.0, 2.0])),
        ("default_float", Attr::Float(0.0)),
    ];
    graph.node(Domain::Ml, "LabelEncoder", &["word"], &["code"], words);
    let parts = ["float.x", "whole", "flag", "when", "code"];
    graph.node(Domain::Onnx, "Concat", &parts, &["features"], vec![("axis", Attr::Int(1))]);
    graph.output("variable", ElementType::Float, &[-1, 1]);
    let weights = vec![("coefficients", Attr::Floats(vec![1.0; 5])), ("intercepts", Attr::Floats(vec![0.0]))];
    graph.node(Domain::Ml, "LinearRegressor", &["features"], &["variable"], weights);
    graph.finish().ok()
}

fn signature() -> Signature {
    let feature = |name: &str, kind, categories: &[&str], example: Value| Feature {
        name: name.into(),
        kind,
        required: true,
        categories: categories.iter().map(|c| (*c).to_owned()).collect(),
        example,
    };
    let mut inputs: Vec<Feature> =
        NUMBERS.iter().map(|(name, kind)| feature(name, *kind, &[], json!(1))).collect();
    inputs.push(feature("word", ColumnType::Category, &WORDS, json!("a")));
    Signature { inputs, output: Target { name: "total".into(), task: Task::Regression, classes: Vec::new() } }
}

/// A scoring request in each of its shapes: the same bytes as a body of `score` and `predict`, and as a query.
pub fn rows(bytes: &[u8]) {
    let servable = servable();
    assert!(servable.is_some(), "the target's own model loads");
    let Some(servable) = servable else { return };
    let limits = Limits { rows: 100, depth: 64, healthy: String::new(), origins: Vec::new() };
    let (post, get, headers) = (Method::POST, Method::GET, HeaderMap::new());
    let mut scratch = Scratch::new();
    let text = std::str::from_utf8(bytes).ok();
    for (method, tail, query, body) in
        [(&post, "score", None, bytes), (&post, "predict", None, bytes), (&get, "score", text, &[][..])]
    {
        let call = Call { method, tail, query, headers: &headers, body };
        let outcome = endpoint::score(servable, &limits, &call, &mut scratch);
        let status = outcome.status.as_u16();
        assert!(status == 200 || (400..500).contains(&status), "{status}: {:?}", outcome.body);
        assert!(serde_json::from_slice::<Value>(&outcome.body).is_ok(), "an answer is JSON");
        assert!(outcome.rows as usize <= limits.rows);
    }
}

/// An inference request, and the body of `invocations`: as JSON, as CSV, and with the JSON part as long as the first two bytes say.
pub fn infer(bytes: &[u8]) {
    let servable = servable();
    assert!(servable.is_some(), "the target's own model loads");
    let Some(servable) = servable else { return };
    let limits = Limits { rows: 100, depth: 64, healthy: String::new(), origins: Vec::new() };
    let mut scratch = Scratch::new();
    let place = Place { model: "m", version: 1 };
    let (length, rest) = bytes.split_first_chunk::<2>().unwrap_or((&[0, 0], bytes));
    let length = u16::from_le_bytes(*length).to_string();
    let binary = ("inference-header-content-length", length.as_str());
    for (tail, header, body) in [
        ("v2/models/m/infer", None, bytes),
        ("v2/models/m/infer", Some(binary), rest),
        ("v1/models/m:predict", None, bytes),
        ("invocations", Some(("content-type", "application/json")), bytes),
        ("invocations", Some(("content-type", "text/csv")), bytes),
    ] {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header
            && let Ok(value) = value.parse()
        {
            headers.insert(name, value);
        }
        let call = Call { method: &Method::POST, tail, query: None, headers: &headers, body };
        let outcome = endpoint::protocols::evaluate(servable, &limits, (&call, &place), &mut scratch);
        let status = outcome.status.as_u16();
        assert!(status == 200 || (400..500).contains(&status), "{status}: {:?}", outcome.body);
        assert!(outcome.rows as usize <= limits.rows);
        let json = outcome.extra.json_bytes.map_or(outcome.body.len(), |n| n as usize);
        let answer = outcome.body.get(..json).map(serde_json::from_slice::<Value>);
        assert!(matches!(answer, Some(Ok(_))), "an answer begins with JSON");
    }
}

/// A filter and a key of an order, for every kind of search: what is read again from what was told of it is the same.
pub fn filter(bytes: &[u8]) {
    use domain::filter::{
        EXPERIMENTS, LOGGED_MODELS, MODEL_VERSIONS, Operand, REGISTERED_MODELS, RUNS, parse, parse_order,
    };
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for grammar in [&RUNS, &EXPERIMENTS, &REGISTERED_MODELS, &MODEL_VERSIONS, &LOGGED_MODELS] {
        match parse(text, grammar) {
            Ok(clauses) => {
                for clause in &clauses {
                    assert!(!clause.identifier.key.is_empty());
                    assert!(!matches!(clause.operand, Operand::Number(number) if !number.is_finite()));
                }
            }
            Err(error) => assert!((1..=text.chars().count() + 1).contains(&error.position), "{error}"),
        }
        if let Err(error) = parse_order(text, grammar) {
            assert!((1..=text.chars().count() + 1).contains(&error.position), "{error}");
        }
    }
}
