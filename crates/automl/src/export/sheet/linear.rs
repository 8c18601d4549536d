//! Linear models: impute, bend, standardise and multiply the numbers; categories are looked up.

use super::{FLOAT, Sheet};
use crate::Error;
use crate::export::width::MANY;
use crate::learners::{LinearModel, Number, REACH};
use onnx::{Attr, Domain};

impl Sheet<'_> {
    /// Adds a linear model; returns its answers `[N, width]`.
    pub(crate) fn linear(&mut self, model: &LinearModel) -> Result<String, Error> {
        let width = model.intercept.len();
        let mut parts = Vec::new();
        let chosen = |log: bool| {
            let pairs = model.terms.iter().zip(&model.numbers).filter(move |(t, _)| t.log.is_some() == log);
            pairs.unzip::<_, _, Vec<&Number>, Vec<&Vec<f32>>>()
        };
        for log in [false, true] {
            let (terms, weights) = chosen(log);
            if !terms.is_empty() {
                let standard = self.standardise(&terms, log);
                parts.push(self.multiply(&standard, &weights, width));
            }
        }
        let missing: Vec<&Number> = model.terms.iter().filter(|t| t.indicator).collect();
        if !missing.is_empty() {
            let values = self.columns("with_missing", &missing);
            let flags = self.make("IsNaN", "is_missing", &[&values], vec![]);
            let numbers = self.make("Cast", "missing", &[&flags], vec![("to", Attr::Int(FLOAT))]);
            let weights: Vec<&Vec<f32>> = model.indicators.iter().collect();
            parts.push(self.multiply(&numbers, &weights, width));
        }
        self.pieces(model, &mut parts);
        let mut intercept = model.intercept.clone();
        if width < MANY {
            self.categories(model, &mut parts);
        } else {
            self.one_hot(model, &mut parts, &mut intercept);
        }
        // An intercept alone has no rows: let the features carry them.
        if parts.is_empty() {
            let features = self.matrix();
            let zeros: Vec<f32> = vec![0.0; self.features.len() * width];
            let finite = self.impute(&features, vec![0.0; self.features.len()]);
            let weights = self.floats("no_weights", &[self.features.len() as i64, width as i64], zeros);
            parts.push(self.make("MatMul", "nothing", &[&finite, &weights], vec![]));
        }
        let sum = self.sum("weighted_sum", &parts);
        let intercept = self.row("intercept", intercept);
        let scores = self.make("Add", "scores", &[&sum, &intercept], vec![]);
        Ok(self.link(model.link, scores))
    }

    /// The columns of some terms side by side.
    fn columns(&mut self, stem: &str, terms: &[&Number]) -> String {
        let columns: Vec<usize> = terms.iter().map(|t| t.column).collect();
        self.side_by_side(stem, &columns)
    }

    fn impute(&mut self, input: &str, fill: Vec<f32>) -> String {
        let output = self.fresh("imputed");
        let attrs = vec![
            ("imputed_value_floats", Attr::Floats(fill)),
            ("replaced_value_float", Attr::Float(f32::NAN)),
        ];
        self.builder.node(Domain::Ml, "Imputer", &[input], &[&output], attrs);
        output
    }

    fn standardise(&mut self, terms: &[&Number], log: bool) -> String {
        let raw = self.columns("numbers", terms);
        let mut x = self.impute(&raw, terms.iter().map(|t| t.fill).collect());
        if log {
            let part = |pick: fn((f32, f32)) -> f32| terms.iter().filter_map(|t| t.log).map(pick).collect();
            let low = self.row("low", part(|l| l.0));
            let offset = self.row("offset", part(|l| l.1));
            let zero = self.floats("zero", &[], vec![0.0]);
            x = self.make("Sub", "above_low", &[&x, &low], vec![]);
            x = self.make("Clip", "not_below", &[&x, &zero], vec![]);
            x = self.make("Add", "shifted", &[&x, &offset], vec![]);
            x = self.make("Log", "logarithm", &[&x], vec![]);
        }
        let mean = self.row("mean", terms.iter().map(|t| t.mean).collect());
        let scale = self.row("scale", terms.iter().map(|t| t.scale).collect());
        let low = self.floats("reach_low", &[], vec![-REACH]);
        let high = self.floats("reach_high", &[], vec![REACH]);
        x = self.make("Sub", "centred", &[&x, &mean], vec![]);
        x = self.make("Mul", "scaled", &[&x, &scale], vec![]);
        self.make("Clip", "standard", &[&x, &low, &high], vec![])
    }

    /// A constant `[1, n]`.
    fn row(&mut self, stem: &str, values: Vec<f32>) -> String {
        self.floats(stem, &[1, values.len() as i64], values)
    }

    fn multiply(&mut self, input: &str, weights: &[&Vec<f32>], width: usize) -> String {
        let flat: Vec<f32> = weights.iter().flat_map(|w| w.iter().copied()).collect();
        let weights = self.floats("weights", &[weights.len() as i64, width as i64], flat);
        self.make("MatMul", "weighted", &[input, &weights], vec![])
    }

    /// The piecewise linear parts of numbers: each number repeated once a part, cut to the part and stretched to 1.
    fn pieces(&mut self, model: &LinearModel, parts: &mut Vec<String>) {
        let terms: Vec<&Number> = model.terms.iter().filter(|t| !t.pieces.is_empty()).collect();
        if terms.is_empty() {
            return;
        }
        let raw = self.columns("numbers_in_parts", &terms);
        let full = self.impute(&raw, terms.iter().map(|t| t.fill).collect());
        let of = |(i, t): (usize, &&Number)| vec![i as i64; t.pieces.len()];
        let places: Vec<i64> = terms.iter().enumerate().flat_map(of).collect();
        let places = self.ints("part_of", &[places.len() as i64], places);
        let mut x = self.make("Gather", "repeated", &[&full, &places], vec![("axis", Attr::Int(1))]);
        let part = |pick: fn(&(f32, f32)) -> f32| terms.iter().flat_map(|t| &t.pieces).map(pick).collect();
        let low = self.row("part_low", part(|p| p.0));
        let stretch = self.row("part_stretch", part(|p| p.1));
        let zero = self.floats("part_start", &[], vec![0.0]);
        let one = self.floats("part_end", &[], vec![1.0]);
        x = self.make("Sub", "from_part", &[&x, &low], vec![]);
        x = self.make("Mul", "stretched", &[&x, &stretch], vec![]);
        x = self.make("Clip", "parts", &[&x, &zero, &one], vec![]);
        let weights: Vec<&Vec<f32>> = model.pieces.iter().collect();
        parts.push(self.multiply(&x, &weights, model.intercept.len()));
    }

    /// What the categories add when there are many outputs: comparisons with every code times a matrix. Weights are
    /// taken from the average, which an unknown text has and the intercept keeps.
    fn one_hot(&mut self, model: &LinearModel, parts: &mut Vec<String>, intercept: &mut [f32]) {
        let mut flags = Vec::new();
        let mut weights = Vec::new();
        for outputs in &model.categories {
            let Some(first) = outputs.first() else { continue };
            let code = self.number(first.column as usize);
            let codes = self.row("codes", (0..first.values.len()).map(|c| c as f32).collect());
            let equal = self.make("Equal", "is_code", &[&code, &codes], vec![]);
            flags.push(self.make("Cast", "hot", &[&equal], vec![("to", Attr::Int(FLOAT))]));
            let of = |c: usize| outputs.iter().map(|d| d.values[c] - d.unknown).collect::<Vec<f32>>();
            weights.extend((0..first.values.len()).map(of));
            intercept.iter_mut().zip(outputs).for_each(|(i, d)| *i += d.unknown);
        }
        if flags.is_empty() {
            return;
        }
        let hot = self.concat("one_hot", &flags);
        let weights: Vec<&Vec<f32>> = weights.iter().collect();
        parts.push(self.multiply(&hot, &weights, model.intercept.len()));
    }

    /// What the categories add: one lookup an output, side by side, summed by a matrix of ones.
    fn categories(&mut self, model: &LinearModel, parts: &mut Vec<String>) {
        let width = model.intercept.len();
        let mut lookups = Vec::new();
        let mut ones = Vec::new();
        for outputs in &model.categories {
            for (output, derived) in outputs.iter().enumerate() {
                lookups.push(
                    self.encode_codes(derived.column as usize, "category_weight", &|code| derived.of(code)),
                );
                ones.extend((0..width).map(|o| f32::from(u8::from(o == output))));
            }
        }
        if lookups.is_empty() {
            return;
        }
        let all = self.concat("category_weights", &lookups);
        let ones = self.floats("ones", &[lookups.len() as i64, width as i64], ones);
        parts.push(self.make("MatMul", "categories", &[&all, &ones], vec![]));
    }
}
