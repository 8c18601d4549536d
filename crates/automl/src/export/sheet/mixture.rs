//! The ensemble's recipe: calibrations, the weighted mean or the stack, the calibration of the whole.

use super::Sheet;
use crate::Task;
use crate::calibrate::{Calibration, EDGE};
use crate::mixture::{Mixture, Rule};
use onnx::Attr;

impl Sheet<'_> {
    /// Adds what makes the ensemble's predictions of its members' answers, `[N, width]` each.
    pub(crate) fn mixture(&mut self, mixture: &Mixture, answers: &[String]) -> String {
        let stack = matches!(mixture.rule, Rule::Stack(_));
        let mut parts = Vec::with_capacity(answers.len());
        for (part, answer) in mixture.parts.iter().zip(answers) {
            let mut own = self.calibrated(part.calibration, answer);
            if stack {
                own = self.logits(mixture.task, &own);
            }
            if answers.len() > 1 || stack {
                let weight = self.floats("member_weight", &[1], vec![part.weight]);
                own = self.make("Mul", "member", &[&own, &weight], vec![]);
            }
            parts.push(own);
        }
        let mut whole = self.sum("blend", &parts);
        if let Rule::Stack(intercepts) = &mixture.rule {
            let intercepts =
                self.floats("stack_intercepts", &[1, intercepts.len() as i64], intercepts.clone());
            whole = self.make("Add", "stack", &[&whole, &intercepts], vec![]);
            whole = self.link(mixture.link(), whole);
        }
        self.calibrated(mixture.calibration, &whole)
    }

    fn calibrated(&mut self, calibration: Calibration, input: &str) -> String {
        match calibration {
            Calibration::None => input.to_owned(),
            Calibration::Beta([a, b, c]) => {
                let (up, down) = self.both_logarithms(input);
                let factors = [("calibration_a", a), ("calibration_b", b), ("calibration_c", c)];
                let [a, b, c] = factors.map(|(stem, x)| self.floats(stem, &[1], vec![x]));
                let up = self.make("Mul", "calibrated_up", &[&up, &a], vec![]);
                let down = self.make("Mul", "calibrated_down", &[&down, &b], vec![]);
                let odds = self.make("Sub", "calibrated_odds", &[&up, &down], vec![]);
                let odds = self.make("Add", "calibrated_logit", &[&odds, &c], vec![]);
                self.make("Sigmoid", "calibrated", &[&odds], vec![])
            }
            Calibration::Scale(scale) => {
                let logs = self.logarithm(input, 1.0);
                let scale = self.floats("calibration_scale", &[1], vec![scale]);
                let scaled = self.make("Mul", "calibrated_logits", &[&logs, &scale], vec![]);
                self.make("Softmax", "calibrated", &[&scaled], vec![("axis", Attr::Int(1))])
            }
        }
    }

    /// The logarithm of the odds of two classes, the logarithms of several, numbers as they are.
    fn logits(&mut self, task: Task, input: &str) -> String {
        match task {
            Task::Regression => input.to_owned(),
            Task::Binary => {
                let (up, down) = self.both_logarithms(input);
                self.make("Sub", "logit", &[&up, &down], vec![])
            }
            Task::Multiclass => self.logarithm(input, 1.0),
        }
    }

    /// ln p and ln(1 − p).
    fn both_logarithms(&mut self, input: &str) -> (String, String) {
        let kept = self.kept(input, 1.0 - EDGE);
        let one = self.floats("certain", &[1], vec![1.0]);
        let rest = self.make("Sub", "other_class", &[&one, &kept], vec![]);
        let up = self.make("Log", "logarithm_of_class", &[&kept], vec![]);
        (up, self.make("Log", "logarithm_of_other", &[&rest], vec![]))
    }

    fn logarithm(&mut self, input: &str, top: f32) -> String {
        let kept = self.kept(input, top);
        self.make("Log", "logarithms", &[&kept], vec![])
    }

    /// Probabilities kept away from 0.
    fn kept(&mut self, input: &str, top: f32) -> String {
        let low = self.floats("least_probability", &[], vec![EDGE]);
        let high = self.floats("most_probability", &[], vec![top]);
        self.make("Clip", "kept_probability", &[input, &low, &high], vec![])
    }
}
