//! What the gate costs: secured scoring (JWT checked, counted, logged) of one German credit row at 32 connections, beside a
//! bare hyper handler that parses the same body and evaluates the same compiled model, and beside the same call with key
//! authentication at the direct door. All in one run, in turns; the figures that matter are ratios and server CPU per call.
//! Also: memory after 100,000 calls, and time from start to ready.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use bytes::Bytes;
use endpoint::{Call, Scratch, Servable};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::cell::RefCell;
use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const TURNS: usize = 5;
const CONNECTIONS: &str = "32";
const ROW: &str = r#"{"data":[{"Age":20,"Sex":"male","Job":0,"Housing":"own","Saving accounts":"little","Checking account":"little","Credit amount":100,"Duration":48,"Purpose":"radio/TV"}]}"#;

type Fail = Box<dyn std::error::Error>;

fn main() -> Result<(), Fail> {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|a| a == "bare") {
        return bare(Path::new(&arguments[at + 1]));
    }
    measure()
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// The peer: hyper, the same parser, the same model, nothing else.
#[tokio::main]
async fn bare(model: &Path) -> Result<(), Fail> {
    let bytes = std::fs::read(model)?;
    let signature = registry::signature::from_model(&onnx::Model::from_bytes(&bytes)?);
    let servable = Arc::new(Servable::load(&bytes, &signature)?);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let servable = servable.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(servable.clone(), request));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    servable: Arc<Servable>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let call =
        Call { method: &parts.method, tail: "score", query: None, headers: &parts.headers, body: &body };
    let outcome = SCRATCH.with_borrow_mut(|scratch| {
        endpoint::score(&servable, &endpoint::Limits::unbounded(), &call, scratch)
    });
    let mut response = Response::new(Full::new(outcome.body));
    *response.status_mut() = outcome.status;
    Ok(response)
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn first_line(command: &mut Command) -> Result<(Running, String), Fail> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line)?;
    }
    Ok((Running(child), line.trim().to_owned()))
}

/// User and system CPU of a process in seconds.
fn cpu(pid: u32) -> Result<f64, Fail> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // Fields 14 and 15 of proc_pid_stat(5), in ticks of 1/100 s.
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).unwrap_or_default();
    Ok((ticks(11) + ticks(12)) / 100.0)
}

fn resident(pid: u32) -> Result<f64, Fail> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap_or_default();
    let kib: f64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or_default();
    Ok(kib / 1024.0)
}

struct Seen {
    per_second: f64,
    cpu_micros: f64,
}

fn load(url: &str, bearer: Option<&str>, body: &Path, count: u64, pid: u32) -> Result<Seen, Fail> {
    let before = cpu(pid)?;
    let mut command = Command::new(BINARY);
    command
        .args(["bench", url, "--connections", CONNECTIONS, "--json", "--count", &count.to_string(), "--body"])
        .arg(body);
    if let Some(bearer) = bearer {
        command.arg("-H").arg(format!("Authorization: Bearer {bearer}"));
    }
    let output = command.output()?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    if report["errors"].as_object().is_none_or(|e| !e.is_empty()) {
        return Err(format!("errors: {}", report["errors"]).into());
    }
    let calls = report["calls"].as_f64().unwrap_or(1.0);
    Ok(Seen {
        per_second: report["requests_per_second"].as_f64().unwrap_or_default(),
        cpu_micros: (cpu(pid)? - before) * 1e6 / calls,
    })
}

fn cli(arguments: &[&str], server: &str, token: &str) -> Result<Value, Fail> {
    let output = Command::new(BINARY)
        .args(arguments)
        .args(["--json", "--server", server])
        .env("PORTCULLIS_TOKEN", token)
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A server with the German credit model published.
struct Secured {
    server: Running,
    published: String,
    token: String,
    direct: String,
    key: String,
}

fn secured(dir: &Path, trials: &str, model: &Path) -> Result<Secured, Fail> {
    let table =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/german-credit/german_credit_data.csv");
    let (server, line) = first_line(
        Command::new(BINARY).args(["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir),
    )?;
    let ready: Value = serde_json::from_str(&line)?;
    let url = ready["url"].as_str().ok_or("no url")?.to_owned();
    let admin = std::fs::read_to_string(ready["admin_token_file"].as_str().ok_or("no token file")?)?
        .trim()
        .to_owned();
    let run = |arguments: &[&str]| cli(arguments, &url, &admin);
    run(&["data", "register", "g", &table.display().to_string()])?;
    run(&["automl", "run", "--data", "g", "--target", "Risk", "--max-trials", trials, "--register-as", "g"])?;
    run(&["endpoint", "create", "g"])?;
    run(&["deployment", "create", "--endpoint", "g", "--model", "g:1"])?;
    run(&["api", "publish", "--endpoint", "g", "--path", "g", "--audience", "api://g"])?;
    run(&["model", "export", "g:1", "--out", &model.display().to_string()])?;
    let made = run(&["principal", "create", "bench", "--audience", "api://g"])?;
    let text = |member: &str| made[member].as_str().unwrap_or_default().to_owned();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        text("client_id"),
        text("client_secret")
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer: Value = runtime.block_on(async {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let request = http
            .post(text("token_url"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        request.send().await?.json().await
    })?;
    let token = answer["access_token"].as_str().ok_or("no token")?.to_owned();
    let key = run(&["endpoint", "keys", "g"])?["primaryKey"].as_str().ok_or("no key")?.to_owned();
    let (published, direct) = (format!("{url}/g/score"), format!("{url}/endpoints/g/score"));
    Ok(Secured { server, published, token, direct, key })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn ready_in(dir: &Path) -> Result<f64, Fail> {
    let begun = Instant::now();
    let (running, _) = first_line(
        Command::new(BINARY).args(["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir),
    )?;
    let taken = begun.elapsed().as_secs_f64() * 1e3;
    drop(running);
    Ok(taken)
}

fn measure() -> Result<(), Fail> {
    let count: u64 =
        std::env::var("PORTCULLIS_BENCH_COUNT").ok().and_then(|c| c.parse().ok()).unwrap_or(40_000);
    let trials = std::env::var("PORTCULLIS_BENCH_TRIALS").unwrap_or_else(|_| "8".to_owned());
    let folder: PathBuf = std::env::temp_dir().join(format!("portcullis-overhead-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (dir, model, body) = (folder.join("data"), folder.join("g.onnx"), folder.join("row.json"));
    std::fs::write(&body, ROW)?;
    let gate = secured(&dir, &trials, &model)?;
    let pid = gate.server.0.id();
    let (peer, address) = first_line(Command::new(std::env::current_exe()?).arg("bare").arg(&model))?;
    let peer_url = format!("http://{address}/score");
    load(&gate.published, Some(&gate.token), &body, 5_000, pid)?;
    load(&peer_url, None, &body, 5_000, peer.0.id())?;
    let (mut ours, mut keyed, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        theirs.push(load(&peer_url, None, &body, count, peer.0.id())?);
        ours.push(load(&gate.published, Some(&gate.token), &body, count, pid)?);
        keyed.push(load(&gate.direct, Some(&gate.key), &body, count, pid)?);
    }
    let pick = |of: &[Seen], part: fn(&Seen) -> f64| median(of.iter().map(part).collect());
    let (o, t) = (pick(&ours, |s| s.per_second), pick(&theirs, |s| s.per_second));
    let (oc, tc) = (pick(&ours, |s| s.cpu_micros), pick(&theirs, |s| s.cpu_micros));
    let (k, kc) = (pick(&keyed, |s| s.per_second), pick(&keyed, |s| s.cpu_micros));
    println!(
        "model {} kB, {count} calls a turn, {TURNS} turns, medians",
        std::fs::metadata(&model)?.len() / 1000
    );
    println!("bare hyper + model   {t:>8.0} requests/s  {tc:>6.1} µs CPU/call");
    println!("secured, logged      {o:>8.0} requests/s  {oc:>6.1} µs CPU/call");
    println!("direct door, key     {k:>8.0} requests/s  {kc:>6.1} µs CPU/call");
    println!("token ÷ bare         {:>8.3}             {:>6.3} (CPU: bare ÷ token)", o / t, tc / oc);
    println!("token ÷ key          {:>8.3}             {:>6.3} (CPU: key ÷ token)", o / k, kc / oc);
    println!("resident after {} calls: {:.1} MiB", 2 * count * TURNS as u64 + 5_000, resident(pid)?);
    drop(gate);
    let starts: Result<Vec<f64>, Fail> = (0..7).map(|_| ready_in(&dir)).collect();
    println!("start to ready: {:.0} ms (median of 7)", median(starts?));
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
