//! A running server over a temporary data directory, and a client that sees every byte.

use crate::{CreatePrincipal, CreatedPrincipal, Gateway, Options, PublishApi, RateConfig};
use domain::{
    Actor, ColumnType, Deployment, Endpoint, EndpointAuth, Feature, Name, Role, Signature, Span, Target,
    Task, Timestamp, Version,
};
use endpoint::Keys;
use onnx::{Domain, ElementType, GraphBuilder};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::{NewModelVersion, SegmentConfig, Store};
use telemetry::{LogFilter, LoggedRequest, Metrics, RequestLog, RequestLogConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use web::HttpLimits;

pub(super) const AUDIENCE: &str = "api://double";

/// What came back.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let fits = |line: &&str| line.split(':').next().is_some_and(|n| n.eq_ignore_ascii_case(name));
        self.head.lines().find(fits).and_then(|line| line.split_once(": ")).map(|(_, v)| v)
    }
}

pub(super) struct Server {
    pub address: SocketAddr,
    pub gateway: Arc<Gateway>,
    pub store: Store,
    pub log: RequestLog,
    _stop: watch::Sender<bool>,
    _dir: tempfile::TempDir,
}

fn span(seconds: u64) -> Span {
    Span(Duration::from_secs(seconds))
}

fn outbound() -> outbound::Config {
    outbound::Config {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        connect_timeout: span(5),
        idle_timeout: span(5),
        timeout: span(10),
        max_bytes: 1 << 20,
        max_redirects: 0,
    }
}

pub(crate) fn options(public_url: String) -> Options {
    Options {
        config: crate::Config {
            clock_skew: Duration::from_secs(30),
            max_lifetime: span(86_400),
            token_cache: 1000,
            token_cache_for: span(60),
            jwks: crate::JwksConfig {
                ttl: span(3600),
                recheck: span(240),
                min_refresh: span(30),
                stale: span(86_400),
            },
            lockout: span(60),
            large_body: 1 << 16,
            large_calls: 2,
            hosts: vec![],
            url_map: Default::default(),
            signing: crate::SigningConfig {
                algorithm: Default::default(),
                rotate_every: span(90 * 86_400),
                lead: span(3600),
            },
            sessions: crate::SessionConfig { idle_timeout: span(600), lifetime: span(3600), per_person: 3 },
            login: crate::LoginConfig::off(),
        },
        endpoint: endpoint::Config {
            rows: 100_000,
            depth: 64,
            healthy: "Healthy".into(),
            cors_origins: vec![],
            onnxruntime_library: String::new(),
            mirror: endpoint::MirrorConfig { queue_calls: 64, queue_bytes: 1 << 20, sample: 4 },
            collector: endpoint::CollectorConfig {
                queue_calls: 64,
                queue_bytes: 1 << 20,
                payload_bytes: 1 << 16,
                max_bytes: 1 << 24,
            },
        },
        public_url,
        body_bytes: 1 << 20,
        inflate: web::InflateLimits { ratio: 100, bytes: 4 << 20, memory_bytes: 16 << 20 },
        login_failures: 5,
        rate: RateConfig {
            enabled: true,
            keys: 1000,
            refused_calls: 1000,
            refused_per: span(60),
            grants: 1000,
            grants_per: span(60),
        },
        behind_proxy: vec![],
        pools: None,
        outbound: outbound(),
    }
}

pub(super) fn limits() -> HttpLimits {
    HttpLimits {
        connections: 100,
        head_timeout: span(10),
        body_timeout: span(10),
        idle_timeout: span(10),
        rest_after: span(2),
        engines: 100,
        head_bytes: 65_536,
        streams: 10,
        pending_resets: 20,
        error_resets: 20,
        given_up: 20,
        window_bytes: 1 << 20,
        send_buffer_bytes: 1 << 16,
        shutdown_grace: span(1),
    }
}

pub(super) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// `y = factor × x`, and its signature.
pub(super) fn model(factor: f32) -> (Vec<u8>, Signature) {
    let mut graph = GraphBuilder::new("double");
    graph.input("x", ElementType::Float, 1);
    graph.output("variable", ElementType::Float, &[-1, 1]);
    let factor = graph.floats("factor", &[1], vec![factor]);
    graph.node(Domain::Onnx, "Mul", &["x", &factor], &["variable"], vec![]);
    let signature = Signature {
        inputs: vec![Feature {
            name: "x".into(),
            kind: ColumnType::Float,
            required: true,
            categories: vec![],
            example: json!(1.5),
        }],
        output: Target { name: "y".into(), task: Task::Regression, classes: vec![] },
    };
    (graph.finish().unwrap(), signature)
}

impl Server {
    /// An endpoint `double` with one deployment, documents closed, nothing published.
    pub(super) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same with other settings.
    pub(super) async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        deploy(&store, 2.0, &Actor::admin()).await;
        Self::over(dir, store, None, change).await
    }

    /// A second server over the same data, at the same public URL: its tokens are good here too.
    pub(super) async fn again(self) -> Self {
        let url = self.gateway.public_url().to_owned();
        Self::over(self._dir, self.store, Some(url), |_| {}).await
    }

    async fn over(
        dir: tempfile::TempDir,
        store: Store,
        url: Option<String>,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let log_config = RequestLogConfig {
            queue_rows: 1000,
            batch_rows: 100,
            flush_every: Span(Duration::from_millis(50)),
        };
        let segments =
            SegmentConfig { rows: 100_000, max_bytes: 1 << 30, query_time: span(5), query_rows: 1000 };
        let log = RequestLog::start(&store, &log_config, &segments).unwrap();
        let metrics = Arc::new(Metrics::new(log.counters()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut options = options(url.unwrap_or_else(|| format!("http://{address}")));
        change(&mut options);
        let gateway = Gateway::start(store.clone(), log.clone(), metrics, options).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let service = gateway.service(super::control::router());
        tokio::spawn(web::serve(listener, None, service, limits(), stopped));
        Self { address, gateway, store, log, _stop: stop, _dir: dir }
    }

    /// Sends one request and reads the whole answer.
    pub(super) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() || method == "POST" {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        self.raw(&(text + "\r\n" + body)).await
    }

    pub(super) async fn raw(&self, text: &str) -> Answer {
        raw(self.address, text).await
    }

    /// Scores `{"data":[{"x":3}]}`.
    pub(super) async fn score(&self, path: &str, bearer: Option<&str>) -> Answer {
        let bearer = bearer.map(|b| format!("Bearer {b}"));
        let mut headers = vec![("Content-Type", "application/json")];
        if let Some(bearer) = &bearer {
            headers.push(("Authorization", bearer));
        }
        self.call("POST", path, &headers, r#"{"data":[{"x":3}]}"#).await
    }

    pub(super) async fn admin(&self, method: &str, path: &str, body: &str) -> Answer {
        let token = std::fs::read_to_string(self.store.dir().join(crate::ADMIN_TOKEN_FILE)).unwrap();
        let bearer = format!("Bearer {token}");
        self.call(method, path, &[("Authorization", &bearer), ("Content-Type", "application/json")], body)
            .await
    }

    pub(super) async fn keys(&self) -> Keys {
        let secret = endpoint::workspace_secret(&self.store).unwrap();
        let endpoint = self.store.endpoint(&name("double")).await.unwrap();
        Keys::derive(&secret, &endpoint.name, endpoint.key_generations)
    }

    pub(super) async fn publish(&self, path: &str, claims: &[(&str, &str)]) {
        let claims: BTreeMap<_, _> = claims.iter().map(|(n, v)| (*n, vec![*v])).collect();
        self.publish_with(path, json!({ "required_claims": claims })).await;
    }

    /// Publishes with a policy for the usual audience.
    pub(super) async fn publish_with(&self, path: &str, mut policy: Value) {
        policy["audiences"] = json!([AUDIENCE]);
        let policy = serde_json::from_value(policy).unwrap();
        let ask = PublishApi { path: path.into(), endpoint: name("double"), policy };
        self.gateway.publish(ask, &Actor::admin()).await.unwrap();
    }

    pub(super) async fn principal(&self, text: &str, role: Role, audience: Option<&str>) -> CreatedPrincipal {
        let ask = CreatePrincipal {
            name: name(text),
            role: Some(role),
            on: domain::Scope::Workspace,
            audience: audience.map(str::to_owned),
            kind: domain::PrincipalKind::Client,
        };
        self.gateway.create_principal(ask, &Actor::admin()).await.unwrap()
    }

    pub(super) async fn token_call(&self, path: &str, form: &str) -> Answer {
        let path = format!("/{}/{path}", self.gateway.tenant());
        self.call("POST", &path, &[("Content-Type", "application/x-www-form-urlencoded")], form).await
    }

    pub(super) async fn token(&self, client: &CreatedPrincipal) -> String {
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            client.client_id, client.client_secret
        );
        let answer = self.token_call("oauth2/token", &form).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    pub(super) async fn rows(&self) -> Vec<LoggedRequest> {
        self.log.flush().await;
        let filter = LogFilter { limit: 100, ..LogFilter::default() };
        self.log.query(&filter).await.unwrap()
    }
}

/// Registers a model, makes the endpoint when it is not there, and sends it all traffic.
pub(super) async fn deploy(store: &Store, factor: f32, by: &Actor) {
    let now = Timestamp::now();
    let (bytes, signature) = model(factor);
    let digest = store.artifacts().put(&bytes).unwrap();
    let version = NewModelVersion::onnx(name("double").into(), digest, bytes.len() as u64, signature);
    let version: Version = store.add_model_version(version, by, now).await.unwrap().version;
    let endpoint = Endpoint {
        name: name("double"),
        auth_mode: EndpointAuth::Key,
        docs_public: false,
        public_network_access: Default::default(),
        description: String::new(),
        traffic: BTreeMap::new(),
        mirror_traffic: BTreeMap::new(),
        tags: BTreeMap::new(),
        key_generations: [0, 0],
        created: now,
    };
    if store.endpoint(&endpoint.name).await.is_err() {
        store.add_endpoint(&endpoint, by).await.unwrap();
    }
    let deployment = Deployment {
        name: name("blue"),
        endpoint: name("double"),
        model: name("double").into(),
        version,
        spec: None,
        data_collector: None,
        created: now,
    };
    store.put_deployment(&deployment, true, by).await.unwrap();
}

/// Sends bytes on a new connection and reads until the server closes it.
pub(super) async fn raw(address: SocketAddr, text: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    Answer {
        status: head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}
