//! `${{ … }}`: what stands between the braces, and texts with values in their place.

use crate::error::Result;
use crate::fields::{Value, shown};
use domain::Fault;
use std::collections::BTreeSet;

/// What an expression names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expression {
    /// `inputs.NAME`
    Input(String),
    /// `outputs.NAME`
    Output(String),
    /// `search_space.NAME`: a value of a sweep's trial.
    SearchSpace(String),
    /// `name`: the job's id.
    Name,
    /// `default_datastore`
    DefaultDatastore,
    /// `output_name`: the output whose path this is.
    OutputName,
    /// `parent.inputs.NAME`: an input of the pipeline around the job.
    ParentInput(String),
    /// `parent.outputs.NAME`
    ParentOutput(String),
    /// `parent.jobs.STEP.outputs.NAME`
    StepOutput {
        /// The step.
        step: String,
        /// Its output.
        output: String,
    },
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'t> {
    /// As it stands.
    Text(&'t str),
    /// An expression.
    Expression(Expression),
}

/// Cuts a text at its expressions; spaces inside the braces are allowed.
pub fn pieces(text: &str) -> std::result::Result<Vec<Piece<'_>>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find("${{") {
        let (before, behind) = (&rest[..open], &rest[open + 3..]);
        let Some(close) = behind.find("}}") else {
            return Err(format!("'{}' is never closed by '}}}}'", shown(&rest[open..])));
        };
        if !before.is_empty() {
            found.push(Piece::Text(before));
        }
        found.push(Piece::Expression(expression(behind[..close].trim())?));
        rest = &behind[close + 2..];
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest));
    }
    Ok(found)
}

/// A text with every expression replaced by what `value` gives for it.
pub fn resolve(
    text: &str,
    mut value: impl FnMut(&Expression) -> std::result::Result<String, Fault>,
) -> std::result::Result<String, Fault> {
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text).map_err(Fault::invalid)? {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Expression(expression) => out.push_str(&value(&expression)?),
        }
    }
    Ok(out)
}

fn expression(text: &str) -> std::result::Result<Expression, String> {
    let parts: Vec<&str> = text.split('.').collect();
    let all_named = parts
        .iter()
        .all(|part| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')));
    let found = match parts.as_slice() {
        _ if !all_named => None,
        ["inputs", name @ ..] if !name.is_empty() => Some(Expression::Input(name.join("."))),
        ["outputs", name] => Some(Expression::Output((*name).to_owned())),
        ["search_space", name] => Some(Expression::SearchSpace((*name).to_owned())),
        ["name"] => Some(Expression::Name),
        ["default_datastore"] => Some(Expression::DefaultDatastore),
        ["output_name"] => Some(Expression::OutputName),
        ["parent", "inputs", name @ ..] if !name.is_empty() => Some(Expression::ParentInput(name.join("."))),
        ["parent", "outputs", name] => Some(Expression::ParentOutput((*name).to_owned())),
        ["parent", "jobs", step, "outputs", output] => {
            Some(Expression::StepOutput { step: (*step).to_owned(), output: (*output).to_owned() })
        }
        _ => None,
    };
    found.ok_or_else(|| {
        format!(
            "'${{{{{}}}}}' is no expression that is known: write ${{{{inputs.NAME}}}}, ${{{{outputs.NAME}}}}, \
             ${{{{search_space.NAME}}}} or ${{{{name}}}}",
            shown(text)
        )
    })
}

/// Which names the expressions of a job may use.
pub(crate) struct Scope<'s> {
    pub inputs: BTreeSet<&'s str>,
    pub outputs: BTreeSet<&'s str>,
    pub search_space: BTreeSet<&'s str>,
}

impl Scope<'_> {
    /// Refuses expressions that name nothing.
    pub fn check(&self, value: &Value<'_>, text: &str) -> Result<()> {
        for piece in pieces(text).map_err(|said| value.wrong(said))? {
            let Piece::Expression(expression) = piece else { continue };
            let (what, names, name) = match &expression {
                Expression::Input(name) => ("inputs", &self.inputs, name),
                Expression::Output(name) => ("outputs", &self.outputs, name),
                Expression::SearchSpace(name) => ("search_space", &self.search_space, name),
                Expression::Name | Expression::DefaultDatastore | Expression::OutputName => continue,
                Expression::ParentInput(_) | Expression::ParentOutput(_) | Expression::StepOutput { .. } => {
                    return Err(value.wrong(
                        "an expression of 'parent' belongs to a step of a pipeline, which this job is not",
                    ));
                }
            };
            if !names.contains(name.as_str()) {
                let near = crate::near::nearest(name, names.iter().copied());
                let help = near.map_or_else(
                    || format!("name it under {what}"),
                    |near| format!("did you mean '{near}'?"),
                );
                return Err(value.wrong(format!("'${{{{{what}.{name}}}}}' names nothing: {help}")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_expressions_with_and_without_spaces() {
        let text = "python t.py --d ${{inputs.d}} --o ${{ outputs.o }}/x ${{name}}";
        let pieces = pieces(text).unwrap();
        assert_eq!(pieces.len(), 6);
        assert_eq!(pieces[1], Piece::Expression(Expression::Input("d".to_owned())));
        assert_eq!(pieces[3], Piece::Expression(Expression::Output("o".to_owned())));
        let text = resolve(text, |e| Ok(format!("<{e:?}>"))).unwrap();
        assert_eq!(text, "python t.py --d <Input(\"d\")> --o <Output(\"o\")>/x <Name>");
    }

    #[test]
    fn parents_are_known_and_nonsense_is_refused() {
        let step = Expression::StepOutput { step: "train".to_owned(), output: "m".to_owned() };
        assert_eq!(pieces("${{parent.jobs.train.outputs.m}}").unwrap(), [Piece::Expression(step)]);
        assert_eq!(pieces("${x} {{y}} $${z}").unwrap().len(), 1);
        for bad in ["${{", "${{inputs.}}", "${{inputs}}", "${{env.X}}", "${{inputs.a b}}", "${{}}"] {
            assert!(pieces(bad).is_err(), "{bad}");
        }
    }
}
