//! What the server does while a deployment is being made, told as it happens: making an environment may take minutes.

use crate::cli::progress;
use crate::client::segment;
use crate::session::Session;
use domain::Fault;
use endpoint::python::LogLine;
use std::pin::pin;
use std::time::Duration;

/// How often the server is asked for new steps.
const LOOK: Duration = Duration::from_millis(500);
/// The stream of a deployment's log that the server itself writes.
const SERVER: &str = "server";
/// Lines asked for at once.
const LINES: u32 = 200;

/// Waits for `work` and tells the server's steps of the deployment meanwhile.
pub async fn told<T>(
    session: &Session,
    (endpoint, name): (&str, &str),
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let mut work = pin!(work);
    let route = |more: &str| {
        format!("/api/v1/endpoints/{}/deployments/{}/logs?{more}", segment(endpoint), segment(name))
    };
    // Lines of a former deployment of this name are not of this one.
    let before: Result<Vec<LogLine>, Fault> = session.client.get(&route("tail=1")).await;
    let mut last = before.ok().and_then(|lines| lines.last().map(|line| line.number)).unwrap_or(0);
    let spinner = progress::waiting(session.out.json());
    loop {
        tokio::select! {
            done = &mut work => {
                spinner.finish_and_clear();
                return done;
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        // One that is not there yet has no log.
        let Ok(lines) =
            session.client.get::<Vec<LogLine>>(&route(&format!("tail={LINES}&after={last}"))).await
        else {
            continue;
        };
        for line in lines {
            last = line.number;
            if line.stream == SERVER {
                spinner.suspend(|| session.out.say(&line.text));
            }
        }
    }
}
