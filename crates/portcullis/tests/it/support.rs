//! A running server of the real binary in a temporary folder, and what the tests do with it.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The binary under test.
pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    for variable in [
        "PORTCULLIS_SERVER",
        "PORTCULLIS_TOKEN",
        "PORTCULLIS_DATA_DIR",
        "PORTCULLIS_CONFIG",
        "PORTCULLIS_CA_FILE",
        "PORTCULLIS_CLIENT_CERTIFICATE",
    ] {
        command.env_remove(variable);
    }
    command
}

/// A file beside the tests' own repository, when it is there.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    path.is_file().then_some(path)
}

/// A file of the repository.
pub fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// Says on the test's output that a test was passed over, and why.
pub fn skip(test: &str, why: &str) {
    eprintln!("skipped: {test} needs {why}");
}

/// A server process; killed when dropped.
pub struct Server {
    child: Child,
    /// Its base URL.
    pub url: String,
    /// Its admin token.
    pub token: String,
    /// Its data directory.
    pub dir: PathBuf,
    /// The file of its certificate, when it speaks TLS.
    pub certificate: Option<PathBuf>,
    http: reqwest::Client,
}

impl Server {
    /// Starts `serve` on a free port and waits until it says that it is ready.
    pub fn start(dir: &Path) -> Self {
        Self::start_with(dir, &[])
    }

    /// The same with settings, by the names of their environment variables without `PORTCULLIS__`.
    pub fn start_with(dir: &Path, settings: &[(&str, &str)]) -> Self {
        let mut command = binary();
        command.envs(settings.iter().map(|(name, value)| (format!("PORTCULLIS__{name}"), value)));
        command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir);
        Self::ready(command, dir)
    }

    /// The same by a command that the caller has made: `serve --json` on a free port of `dir`, with settings of its own.
    pub fn ready(mut command: Command, dir: &Path) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("first line {line:?}: {e}"));
        assert_eq!(ready["ready"], json!(true));
        let token =
            std::fs::read_to_string(ready["admin_token_file"].as_str().unwrap()).unwrap().trim().to_owned();
        let certificate = ready["certificate_file"].as_str().map(PathBuf::from);
        let mut http = reqwest::Client::builder().no_proxy();
        // Before its first certificate by ACME the file is not there.
        if let Some(text) = certificate.as_ref().and_then(|file| std::fs::read(file).ok()) {
            http = http.tls_certs_merge(reqwest::Certificate::from_pem_bundle(&text).unwrap());
        }
        let (url, dir) = (ready["url"].as_str().unwrap().to_owned(), dir.to_owned());
        Self { child, url, token, dir, certificate, http: http.build().unwrap() }
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its address, from the URL.
    pub fn address(&self) -> String {
        let url = reqwest::Url::parse(&self.url).unwrap();
        format!("{}:{}", url.host_str().unwrap(), url.port().unwrap())
    }

    /// The HTTP client.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Memory the process holds, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
    }

    /// SIGKILL, then waits for the process to be gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, then waits for the process to have ended well.
    pub fn stop(mut self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// A command of the same binary against this server; panics unless it succeeds. Gives its JSON.
    pub fn cli(&self, args: &[&str]) -> Value {
        let output = self.try_cli(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{args:?}: {e}: {}", String::from_utf8_lossy(&output.stdout)))
    }

    /// The same, whatever comes out.
    pub fn try_cli(&self, args: &[&str]) -> Output {
        let mut command = binary();
        command.args(args).args(["--json", "--server", &self.url]).env("PORTCULLIS_TOKEN", &self.token);
        if let Some(file) = &self.certificate {
            command.env("PORTCULLIS_CA_FILE", file);
        }
        command.output().unwrap()
    }

    /// A second server over a data directory that a backup of this one, made while it serves, was laid out as.
    pub fn restored(&self, folder: &Path) -> Self {
        let (file, dir) = (folder.join("backup.tar"), folder.join("restored"));
        let made = self.cli(&["backup", "create", file.to_str().unwrap()]);
        assert!(made["bytes"].as_u64().unwrap() > 1000);
        let output =
            binary().args(["backup", "restore"]).arg(&file).arg("--data-dir").arg(&dir).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self::start(&dir)
    }

    /// A call of the control plane with the admin token.
    pub async fn api(&self, method: http::Method, route: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}{route}", self.url)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    /// POST of JSON with a bearer, or without; status and body.
    pub async fn post(&self, path: &str, bearer: Option<&str>, body: &Value) -> (u16, String) {
        let mut request = self.http.post(format!("{}{path}", self.url)).json(body);
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// A token by client credentials, as a client gets it.
    pub async fn token_for(&self, principal: &Value) -> String {
        let text = |member: &str| principal[member].as_str().unwrap().to_owned();
        let form = [
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", text("client_id")),
            ("client_secret", text("client_secret")),
        ];
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request =
            self.http.post(text("token_url")).header("content-type", "application/x-www-form-urlencoded");
        let answer: Value = request.body(form).send().await.unwrap().json().await.unwrap();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A small table that a search learns in a moment: `y` follows `x`, with a category and a dotted name.
pub fn small_table(rows: usize, seed: u64) -> String {
    let mut text = String::from("id,x.one,colour name,flag,y\n");
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for row in 0..rows {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let x = (state % 1000) as f64 / 10.0;
        let colour = ["red", "green", "blue"][(state / 1000 % 3) as usize];
        let yes = x + if colour == "red" { 20.0 } else { 0.0 } + (state / 5000 % 20) as f64 > 65.0;
        text.push_str(&format!(
            "{row},{x},{colour},{},{}\n",
            (state / 7).is_multiple_of(2),
            if yes { "yes" } else { "no" }
        ));
    }
    text
}

/// Registers the small table, learns it, deploys it and publishes it: what most tests begin with.
pub struct Road {
    /// The server.
    pub server: Server,
    /// The endpoint's keys.
    pub keys: Value,
    /// A client with its secret.
    pub principal: Value,
    _folder: tempfile::TempDir,
}

impl Road {
    /// Walks the road by commands.
    pub fn walk() -> Self {
        Self::walk_with(&[])
    }

    /// The same with settings of the server.
    pub fn walk_with(settings: &[(&str, &str)]) -> Self {
        Self::walk_over(settings, |_| ())
    }

    /// The same over a data directory in which something lies already.
    pub fn walk_over(settings: &[(&str, &str)], prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(&folder.path().join("data"));
        let table = folder.path().join("small.csv");
        std::fs::write(&table, small_table(300, 7)).unwrap();
        let server = Server::start_with(&folder.path().join("data"), settings);
        server.cli(&["data", "register", "small", table.to_str().unwrap()]);
        server.cli(&[
            "automl",
            "run",
            "--data",
            "small",
            "--target",
            "y",
            "--max-trials",
            "2",
            "--register-as",
            "small",
        ]);
        server.cli(&["endpoint", "create", "small"]);
        server.cli(&["deployment", "create", "--endpoint", "small", "--model", "small:1"]);
        server.cli(&[
            "api",
            "publish",
            "--endpoint",
            "small",
            "--path",
            "team/small",
            "--audience",
            "api://small",
        ]);
        let principal =
            server.cli(&["principal", "create", "caller", "--role", "scorer", "--audience", "api://small"]);
        let keys = server.cli(&["endpoint", "keys", "small"]);
        Self { server, keys, principal, _folder: folder }
    }

    /// One request row.
    pub fn row() -> Value {
        json!({ "x.one": 70.5, "colour name": "red", "flag": true })
    }

    /// The primary key.
    pub fn key(&self) -> &str {
        self.keys["primaryKey"].as_str().unwrap()
    }
}

/// What a method of an endpoint answers for rows, one result a row.
pub async fn results(server: &Server, name: &str, key: &str, (method, rows): (&str, &Value)) -> Vec<Value> {
    let body = json!({ "Inputs": { "data": rows }, "GlobalParameters": { "method": method } });
    let (status, answer) = server.post(&format!("/endpoints/{name}/score"), Some(key), &body).await;
    assert_eq!(status, 200, "{name}: {answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    answer["Results"].as_array().unwrap_or_else(|| panic!("{name}: {answer}")).clone()
}

/// The numbers of a result: those of a list, or the one.
pub fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().map(|v| v.as_f64().unwrap()).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}
