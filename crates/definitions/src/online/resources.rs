//! Requests and limits in the words of Kubernetes: `100m`, `0.5Gi`.

use crate::error::Result;
use crate::fields::{Field, Value, refused, shown, told, used};
use serde::{Deserialize, Serialize};

/// What a deployment asks for and may use at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resources {
    /// What it asks for.
    pub requests: Quantities,
    /// What it may use.
    pub limits: Quantities,
}

/// Processors and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Quantities {
    /// Thousandths of a core.
    pub cpu_milli: Option<u32>,
    /// Bytes.
    pub memory_bytes: Option<u64>,
}

const RESOURCES: &[Field] = &[
    told("requests", "nothing is set aside on this machine: limits.memory is the bound of a worker"),
    used("limits"),
];
const QUANTITIES: &[Field] = &[
    used("cpu"),
    used("memory"),
    refused("gpu", "no graphics processor is used here: leave it out"),
    refused("nvidia.com/gpu", "no graphics processor is used here: leave it out"),
];

pub(super) fn resources(value: &Value<'_>) -> Result<Resources> {
    let fields = value.open("the resources of a deployment", RESOURCES)?;
    Ok(Resources {
        requests: fields.or_default("requests", quantities)?,
        limits: fields.or_default("limits", limits)?,
    })
}

fn limits(value: &Value<'_>) -> Result<Quantities> {
    let found = quantities(value)?;
    if found.cpu_milli.is_some() {
        value.note("cpu has no effect: workers share the processors of this machine, memory is bounded");
    }
    Ok(found)
}

fn quantities(value: &Value<'_>) -> Result<Quantities> {
    let fields = value.open("an amount of resources", QUANTITIES)?;
    Ok(Quantities { cpu_milli: fields.opt("cpu", cpu)?, memory_bytes: fields.opt("memory", memory)? })
}

/// Cores as `0.5` or `500m`, in thousandths.
pub(crate) fn cpu(value: &Value<'_>) -> Result<u32> {
    let text = value.text()?;
    let (number, scale) = text.strip_suffix('m').map_or((text.as_str(), 1000.0), |number| (number, 1.0));
    let milli = crate::fields::number(number).map(|n| (n * scale).ceil()).filter(|n| (1.0..=1e7).contains(n));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number from 1 to 10,000,000"
    )]
    milli
        .map(|n| n as u32)
        .ok_or_else(|| value.wrong(format!("'{}' is no number of cores: write 0.5 or 500m", shown(&text))))
}

const UNITS: [(&str, f64); 9] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("k", 1e3),
    ("K", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
];

/// Memory as `512Mi`, `0.5Gi` or bytes.
fn memory(value: &Value<'_>) -> Result<u64> {
    let text = value.text()?;
    let unit = UNITS.iter().find(|(unit, _)| text.ends_with(unit));
    let (number, scale) =
        unit.map_or((text.as_str(), 1.0), |(unit, scale)| (text.trim_end_matches(unit), *scale));
    bytes(crate::fields::number(number).map(|n| n * scale)).ok_or_else(|| {
        value.wrong(format!("'{}' is no amount of memory: write 512Mi or 0.5Gi", shown(&text)))
    })
}

/// A number of bytes from 1 MiB to 1 PiB.
pub(crate) fn bytes(number: Option<f64>) -> Option<u64> {
    let number = number.map(f64::ceil).filter(|n| (1_048_576.0..=1e15).contains(n))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number up to 1e15")]
    Some(number as u64)
}
