//! `?explain=true` on `/score` and `/predict`: beside each prediction its base value and what each column adds to it.

use crate::answer::{self, Labels};
use crate::body::{Form, Request};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::servable::{Servable, Work};
use http::StatusCode;
use onnx::{Explainer, Explanation};
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

/// The parameter of the query.
const PARAMETER: &str = "explain";
/// Tree nodes visited for one call at most: about a fifth of a second.
const WORK_MAX: usize = 20_000_000;
/// What a row costs whatever the model.
const ROW_WORK: usize = 2_000;

/// The explainer, when the query asks for explanations; 400 when it says neither yes nor no, or the model has none.
pub fn asked<'a>(servable: &'a Servable, query: Option<&str>) -> Result<Option<&'a Explainer>, Box<Outcome>> {
    // A column of that name keeps its meaning in the query of GET.
    let Some(query) = query.filter(|_| servable.plan.find(PARAMETER).is_none()) else { return Ok(None) };
    let said = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == PARAMETER).last();
    match said.as_ref().map(|(_, value)| value.as_ref()) {
        None | Some("false" | "0") => Ok(None),
        Some("true" | "1" | "") => match &servable.explainer {
            Ok(explainer) => Ok(Some(explainer)),
            Err(why) => {
                let text = format!("this model's predictions can't be explained: {why}");
                Err(refused(&text, "not explainable"))
            }
        },
        Some(_) => Err(refused("'explain' must be true or false", "explain")),
    }
}

fn refused(text: &str, reason: &'static str) -> Box<Outcome> {
    Box::new(Outcome::problem(StatusCode::BAD_REQUEST, text, reason))
}

/// Writes the answer with explanations: an object in every form, encoded once.
pub fn write(
    servable: &Servable,
    explainer: &Explainer,
    work: &mut Work,
    request: Option<Request>,
) -> Result<(), Box<Outcome>> {
    let rows = work.batch.rows();
    let most = WORK_MAX / explainer.work().max(ROW_WORK);
    if rows > most {
        let text = format!(
            "this model explains {most} rows a call at most, found {rows}; send them in several calls"
        );
        return Err(refused(&text, "too many rows to explain"));
    }
    let mut explained = Vec::with_capacity(rows);
    for row in 0..rows {
        let Some(batch) = work.batch.model_batch() else {
            return Err(refused("this model's predictions can't be explained", "not explainable"));
        };
        let explanation = explainer.explain(batch, row);
        let explanation =
            explanation.map_err(|why| refused(&format!("row {row}: {why}"), "not explainable"))?;
        explained.push(Part { plan: &servable.plan, labels: &servable.labels, servable, explanation });
    }
    let Some(request) = request else {
        answer::write_flat(&mut work.out, &servable.labels, &work.batch);
        // Within the object that stands there.
        work.out.pop();
        work.out.extend_from_slice(br#","explanation":"#);
        json(&mut work.out, &explained.first());
        work.out.push(b'}');
        return Ok(());
    };
    let head: &[u8] = match request.form {
        Form::Data => br#"{"result":"#,
        Form::Inputs => br#"{"Results":"#,
        Form::Bare => br#"{"predictions":"#,
    };
    answer::write(&mut work.out, &servable.labels, &work.batch, Request { form: Form::Bare, ..request });
    work.out.splice(0..0, head.iter().copied());
    work.out.extend_from_slice(br#","explanations":"#);
    json(&mut work.out, &explained);
    work.out.push(b'}');
    Ok(())
}

/// Writing to memory cannot fail.
fn json(out: &mut Vec<u8>, value: &impl Serialize) {
    let _ = serde_json::to_writer(out, value);
}

/// The explanation of one row.
struct Part<'a> {
    plan: &'a Plan,
    labels: &'a Labels,
    servable: &'a Servable,
    explanation: Explanation,
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Explanation { class, base, contributions, exact } = &self.explanation;
        let mut members = serializer.serialize_struct("Explanation", 6)?;
        match self.labels.label(*class) {
            Some(label) => {
                members.serialize_field("space", "probability")?;
                members.serialize_field("class", label)?;
            }
            None => members.serialize_field("space", "value")?,
        }
        members.serialize_field("base_value", base)?;
        members.serialize_field("value", &(base + contributions.iter().sum::<f64>()))?;
        members.serialize_field("exact", exact)?;
        members.serialize_field("contributions", &Contributions(self))?;
        members.end()
    }
}

/// Contributions by column, in signature order.
struct Contributions<'a>(&'a Part<'a>);

impl Serialize for Contributions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let slots = self.0.servable.model().slots();
        let of = |slot: usize, index: usize| {
            let at = slots.get(slot).map_or(0, |s| s.offset) + index;
            self.0.explanation.contributions.get(at).copied().unwrap_or(0.0)
        };
        serializer.collect_map(self.0.plan.columns.iter().map(|c| (&*c.name, of(c.slot, c.index))))
    }
}
