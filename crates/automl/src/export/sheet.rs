//! The graph in the making: features, encodings, trees, linear models, sums.

mod ensemble;
mod linear;
mod mixture;
mod moments;
mod texts;

use super::ONNX;
use crate::Error;
use crate::dataset::{Coding, Feature, Shape};
use onnx::{Attr, Domain, ElementType, GraphBuilder};

/// The number of the element type `float`.
const FLOAT: i64 = 1;

/// A graph with an input for every feature.
pub(crate) struct Sheet<'a> {
    builder: GraphBuilder,
    features: &'a [Feature],
    /// Names of the `[N, 1]` number of each feature, once made.
    numbers: Vec<Option<String>>,
    /// Names of the words of each text and their number, once made.
    words: Vec<Option<[String; 2]>>,
    /// Names of the `[N, terms]` of each text, once made.
    terms: Vec<Option<String>>,
    /// Name of all features side by side, once made.
    matrix: Option<String>,
}

impl<'a> Sheet<'a> {
    /// Declares the inputs.
    pub(crate) fn new(target: &str, features: &'a [Feature]) -> Self {
        let mut builder = GraphBuilder::new(&format!("predict {target}"));
        for feature in features.iter().filter(|f| f.is_input()) {
            let kind = match feature.shape {
                Shape::Number | Shape::Moment { .. } | Shape::Term { .. } => ElementType::Float,
                Shape::Category(_) | Shape::Text(_) => ElementType::String,
            };
            builder.input(&feature.name, kind, 1);
        }
        let none = || vec![None; features.len()];
        let (numbers, terms) = (none(), none());
        Self { builder, features, numbers, words: vec![None; features.len()], terms, matrix: None }
    }

    /// Declares an output called `name`, or nearly so when a column has that name.
    pub(crate) fn output(&mut self, name: &str, kind: ElementType, dims: &[i64]) -> String {
        let name = self.builder.fresh(name);
        self.builder.output(&name, kind, dims);
        name
    }

    /// A name nothing has so far.
    pub(crate) fn fresh(&mut self, stem: &str) -> String {
        self.builder.fresh(stem)
    }

    /// A constant of numbers.
    pub(crate) fn floats(&mut self, stem: &str, dims: &[i64], values: Vec<f32>) -> String {
        self.builder.floats(stem, dims, values)
    }

    /// A constant of whole numbers.
    pub(crate) fn ints(&mut self, stem: &str, dims: &[i64], values: Vec<i64>) -> String {
        self.builder.ints(stem, dims, values)
    }

    /// A constant of texts.
    pub(crate) fn strings(&mut self, stem: &str, dims: &[i64], values: Vec<String>) -> String {
        self.builder.strings(stem, dims, values)
    }

    /// Adds a node of the default operator set with one output of a given name.
    pub(crate) fn op(&mut self, op: &str, inputs: &[&str], output: &str, attrs: Vec<(&str, Attr)>) {
        self.builder.node(ONNX, op, inputs, &[output], attrs);
    }

    /// Adds a node of the default operator set and names its output.
    pub(crate) fn make(&mut self, op: &str, stem: &str, inputs: &[&str], attrs: Vec<(&str, Attr)>) -> String {
        let output = self.builder.fresh(stem);
        self.op(op, inputs, &output, attrs);
        output
    }

    /// Stores a fact as JSON text.
    pub(crate) fn metadata(&mut self, key: &str, value: &serde_json::Value) {
        self.builder.metadata(key, &value.to_string());
    }

    /// Checks and encodes the graph.
    pub(crate) fn finish(self) -> Result<Vec<u8>, Error> {
        Ok(self.builder.finish()?)
    }

    /// The sum of some tensors of one shape; of one, that one.
    fn sum(&mut self, stem: &str, parts: &[String]) -> String {
        if let [only] = parts {
            return only.clone();
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.make("Sum", stem, &parts, vec![])
    }

    /// Columns side by side; very many in several steps, since a node takes [`onnx::limits::NODE_VALUES`] at most.
    fn concat(&mut self, stem: &str, parts: &[String]) -> String {
        const MOST: usize = onnx::limits::NODE_VALUES / 2;
        if parts.len() > MOST {
            let some: Vec<String> = parts.chunks(MOST).map(|some| self.concat(stem, some)).collect();
            return self.concat(stem, &some);
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.make("Concat", stem, &parts, vec![("axis", Attr::Int(1))])
    }

    /// A feature as a number `[N, 1]`: itself, or its category's code.
    fn number(&mut self, feature: usize) -> String {
        if let Some(name) = &self.numbers[feature] {
            return name.clone();
        }
        let name = match &self.features[feature].shape {
            Shape::Number => self.features[feature].name.clone(),
            Shape::Moment { of, part } => self.moment(*of, *part),
            Shape::Category(_) => self.encode_codes(feature, "code", &|code| code),
            Shape::Text(_) => self.word_count(feature),
            Shape::Term { of, term } => self.some_terms(*of, &[*term]),
        };
        self.numbers[feature] = Some(name.clone());
        name
    }

    /// A category as a number of one's own choice, `[N, 1]`: `value` gets the code, or NaN for an unknown text.
    fn encode_codes(&mut self, feature: usize, stem: &str, value: &dyn Fn(f32) -> f32) -> String {
        self.encode(feature, stem, &|coding| {
            encoder(&coding.levels, coding.missing.map(|_| coding.absent()), coding.unknown(), value)
        })
    }

    /// The same of the places of its texts.
    fn encode_places(&mut self, feature: usize, stem: &str, value: &dyn Fn(f32) -> f32) -> String {
        self.encode(feature, stem, &|coding| {
            let missing = coding.missing.map(|_| coding.absent_place());
            encoder(&coding.seen[..coding.placed], missing, f32::NAN, value)
        })
    }

    fn encode(&mut self, feature: usize, stem: &str, attrs: &dyn Fn(&Coding) -> Attributes) -> String {
        let output = self.builder.fresh(stem);
        let feature = &self.features[feature];
        if let Shape::Category(coding) = &feature.shape {
            self.builder.node(Domain::Ml, "LabelEncoder", &[&feature.name], &[&output], attrs(coding));
        }
        output
    }

    /// All features as numbers side by side, `[N, features]`.
    fn matrix(&mut self) -> String {
        if let Some(name) = &self.matrix {
            return name.clone();
        }
        let all: Vec<usize> = (0..self.features.len()).collect();
        let name = self.side_by_side("features", &all);
        self.matrix = Some(name.clone());
        name
    }

    /// Some features as numbers side by side; terms of one text that follow each other are taken together.
    fn side_by_side(&mut self, stem: &str, features: &[usize]) -> String {
        let text = |&f: &usize| match self.features[f].shape {
            Shape::Term { of, term } => Some((of, term)),
            _ => None,
        };
        let places: Vec<Option<(usize, usize)>> = features.iter().map(text).collect();
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(&feature) = features.get(at) {
            let Some((of, _)) = places[at] else {
                parts.push(self.number(feature));
                at += 1;
                continue;
            };
            let run = places[at..].iter().map_while(|p| p.filter(|p| p.0 == of));
            let terms: Vec<usize> = run.map(|(_, term)| term).collect();
            at += terms.len();
            parts.push(self.some_terms(of, &terms));
        }
        self.concat(stem, &parts)
    }
}

type Attributes = Vec<(&'static str, Attr)>;

/// The table of a label encoder: texts by their codes, that of a missing text if it has one, that of all others.
fn encoder(texts: &[String], missing: Option<f32>, unknown: f32, value: &dyn Fn(f32) -> f32) -> Attributes {
    let mut keys = texts.to_vec();
    let mut values: Vec<f32> = (0..keys.len()).map(|code| value(code as f32)).collect();
    if let Some(missing) = missing {
        keys.push(String::new());
        values.push(value(missing));
    }
    vec![
        ("keys_strings", Attr::Texts(keys)),
        ("values_floats", Attr::Floats(values)),
        ("default_float", Attr::Float(value(unknown))),
    ]
}
