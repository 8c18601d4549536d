//! Ids of jobs as people type them: whole, or so much of the beginning as tells one from the others.

use crate::session::Session;
use domain::{Fault, Job};

/// Characters of an id.
const WHOLE: usize = 32;
/// Characters that are asked for at least.
const SHORT: usize = 4;
/// Jobs that are looked through, newest first.
const JOBS: u32 = 1000;

/// The ids that beginnings stand for, in their order.
pub async fn whole_all(session: &Session, typed: &[String]) -> Result<Vec<String>, Fault> {
    let mut ids = Vec::with_capacity(typed.len());
    for one in typed {
        ids.push(whole(session, one).await?);
    }
    Ok(ids)
}

/// The id that a beginning stands for; one that is whole is not looked up.
pub async fn whole(session: &Session, typed: &str) -> Result<String, Fault> {
    if !typed.bytes().all(|c| c.is_ascii_alphanumeric()) {
        return Err(Fault::invalid(format!("'{typed}' is no id: `job list` shows them")));
    }
    if typed.len() >= WHOLE {
        return Ok(typed.to_owned());
    }
    if typed.len() < SHORT {
        return Err(Fault::invalid(format!(
            "'{typed}' is too short: write at least {SHORT} characters of the id"
        )));
    }
    let jobs: Vec<Job> = session.client.get(&format!("/api/v1/jobs?limit={JOBS}")).await?;
    only(typed, jobs.iter().map(|job| job.id.as_str()))
}

fn only<'i>(typed: &str, ids: impl Iterator<Item = &'i str>) -> Result<String, Fault> {
    let lower = typed.to_ascii_lowercase();
    let found: Vec<&str> = ids.filter(|id| id.starts_with(&lower)).collect();
    match found.as_slice() {
        [id] => Ok((*id).to_owned()),
        [] => Err(Fault::new(
            domain::ErrorCode::NotFound,
            format!("no job's id begins with '{typed}': `job list` shows them; a run's id is written whole"),
        )),
        [first, second, ..] => Err(Fault::conflict(format!(
            "'{typed}' begins the ids of {} jobs, as {first} and {second}: write more of it",
            found.len()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::only;

    #[test]
    fn a_beginning_stands_for_one_job_or_is_refused() {
        let ids = ["01a1fcc3d3a776318799f10e4ac90e03", "01a1fcc40c70718cb4bed13485dd2ae7"];
        assert_eq!(only("01A1FCC3", ids.into_iter()).unwrap(), ids[0]);
        assert!(only("01a1", ids.into_iter()).unwrap_err().message.contains("2 jobs"));
        assert!(only("ffff", ids.into_iter()).unwrap_err().message.contains("no job"));
    }
}
