//! From requirements to exact versions: asked of the installer and its index, wheels only. A pin without a wheel is refused naming the
//! nearest version that has one, or gives way.

use crate::packages::Wanted;
use crate::uv::{Ran, Runner, tail};
use definitions::Requirement;
use domain::Fault;
use std::path::{Path, PathBuf};

/// What is needed to ask.
pub(crate) struct Resolver<'r> {
    pub runner: &'r Runner,
    pub uv: &'r Path,
    pub python: &'r Path,
    /// A folder of this build.
    pub folder: PathBuf,
}

/// Exact versions as `NAME==VERSION`, in the order of the names.
pub(crate) type Locked = Vec<String>;

impl Resolver<'_> {
    /// Exact versions for what is wanted; `relax` lets pins give way, and the changes are added.
    pub async fn lock(&self, wanted: &mut Wanted, relax: bool) -> Result<Locked, Fault> {
        let asked = self.compile(&wanted.requirements, &[]).await?;
        if asked.good {
            return Ok(lines(&asked.stdout));
        }
        let refused = self.alone(wanted).await?;
        if !relax {
            return Err(Fault::invalid(refusal(&refused, &asked)));
        }
        let mut relaxed = wanted.clone();
        for refused in &refused {
            let Some(nearest) = &refused.nearest else {
                return Err(Fault::invalid(refusal(std::slice::from_ref(refused), &asked)));
            };
            give_way(&mut relaxed, refused.at, &format!("=={nearest}"));
        }
        let again = self.compile(&relaxed.requirements, &[]).await?;
        if again.good {
            *wanted = relaxed;
            return Ok(lines(&again.stdout));
        }
        // Pins that are met one by one and not together: all may go up.
        for at in 0..relaxed.requirements.len() {
            if let Some(version) = pinned(&relaxed.requirements[at]).map(str::to_owned) {
                give_way(&mut relaxed, at, &format!(">={version}"));
            }
        }
        let last = self.compile(&relaxed.requirements, &[]).await?;
        if last.good {
            *wanted = relaxed;
            return Ok(lines(&last.stdout));
        }
        Err(Fault::invalid(format!(
            "the requirements cannot be met together, also with pins let go: {}",
            tail(&last)
        )))
    }

    /// Those requirements that cannot be met alone, with the nearest version that can.
    async fn alone(&self, wanted: &Wanted) -> Result<Vec<Refused>, Fault> {
        let mut refused = Vec::new();
        for (at, requirement) in wanted.requirements.iter().enumerate() {
            if requirement.specifier.is_empty() && wanted.requirements.len() > 1 && refused.len() > 8 {
                continue;
            }
            let ran = self.compile(std::slice::from_ref(requirement), &["--no-deps"]).await?;
            if !ran.good {
                let nearest = self.nearest(requirement).await?;
                refused.push(Refused { at, text: requirement.text(), nearest });
            }
        }
        Ok(refused)
    }

    /// The nearest version with a wheel: the lowest above the pin, else the highest below.
    async fn nearest(&self, requirement: &Requirement) -> Result<Option<String>, Fault> {
        let Some(version) = pinned(requirement) else { return Ok(None) };
        let with = |specifier: String| Requirement { specifier, ..requirement.clone() };
        let above = with(format!(">={version}"));
        let ran = self.compile(&[above], &["--no-deps", "--resolution", "lowest"]).await?;
        let ran =
            if ran.good { ran } else { self.compile(&[with(format!("<{version}"))], &["--no-deps"]).await? };
        let found = lines(&ran.stdout).into_iter().next().filter(|_| ran.good);
        Ok(found.and_then(|line| line.split_once("==").map(|(_, version)| version.to_owned())))
    }

    async fn compile(&self, requirements: &[Requirement], more: &[&str]) -> Result<Ran, Fault> {
        let file = self.folder.join("asked.txt");
        let text: String = requirements.iter().map(|r| r.text() + "\n").collect();
        tokio::fs::write(&file, text)
            .await
            .map_err(|e| Fault::internal(format!("{}: {e}", file.display())))?;
        let (file, python) = (file.display().to_string(), self.python.display().to_string());
        let mut arguments =
            vec!["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--only-binary", ":all:"];
        arguments.extend(["--python", &python, &file]);
        arguments.extend(more);
        self.runner.run(self.uv, &arguments).await
    }
}

/// A requirement that cannot be met.
struct Refused {
    at: usize,
    text: String,
    nearest: Option<String>,
}

fn refusal(refused: &[Refused], asked: &Ran) -> String {
    if refused.is_empty() {
        return format!("the requirements cannot be met together: {}", tail(asked));
    }
    let each = refused.iter().map(|refused| match &refused.nearest {
        Some(nearest) => {
            format!("{} has no wheel for this interpreter, the nearest that has is {nearest}", refused.text)
        }
        None => format!("{} cannot be met", refused.text),
    });
    let each = each.collect::<Vec<_>>().join("; ");
    let pins = refused.iter().any(|refused| refused.nearest.is_some());
    let help =
        if pins { "change the pins, or let them give way with --relax-pins" } else { "is the name right?" };
    format!("{each}: {help} ({})", tail(asked))
}

/// The version of `==`, without a star.
fn pinned(requirement: &Requirement) -> Option<&str> {
    let exact =
        requirement.specifier.strip_prefix("===").or_else(|| requirement.specifier.strip_prefix("=="))?;
    (!exact.contains(',')).then(|| exact.trim_end_matches(".*"))
}

fn give_way(wanted: &mut Wanted, at: usize, specifier: &str) {
    let requirement = &mut wanted.requirements[at];
    let before = requirement.text();
    specifier.clone_into(&mut requirement.specifier);
    wanted.changes.push(format!("{before} gave way to {}", requirement.text()));
}

fn lines(text: &str) -> Locked {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '-']));
    lines.map(str::to_owned).collect()
}
