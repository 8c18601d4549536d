//! Calendar parts of moments as nodes.

use super::Sheet;
use crate::calendar::{Arithmetic, Part, Step, calculate};

impl Arithmetic for Sheet<'_> {
    type Value = String;

    fn with(&mut self, step: Step, a: &String, constant: f32) -> String {
        let constant = self.floats("constant", &[1], vec![constant]);
        self.both(step, a, &constant)
    }

    fn both(&mut self, step: Step, a: &String, b: &String) -> String {
        let op = match step {
            Step::Add => "Add",
            Step::Sub => "Sub",
            Step::Mul => "Mul",
            Step::Div => "Div",
        };
        self.make(op, "moment", &[a, b], vec![])
    }

    fn floor(&mut self, a: &String) -> String {
        self.make("Floor", "moment", &[a], vec![])
    }
}

impl Sheet<'_> {
    /// A calendar part of a feature of seconds, `[N, 1]`.
    pub(super) fn moment(&mut self, of: usize, part: Part) -> String {
        let seconds = self.number(of);
        calculate(part, &seconds, self)
    }
}
