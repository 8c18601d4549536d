//! Settings: `config.default.toml` < the user's file < `PORTCULLIS__SECTION__KEY` < flags. Unknown keys and wrong values
//! are errors, told together before anything starts.

use crate::cli::Global;
use domain::Fault;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Every setting with its default and meaning.
const DEFAULTS: &str = include_str!("../../../config.default.toml");
/// Environment variables that are settings begin so.
const PREFIX: &str = "PORTCULLIS__";

/// All settings, each section owned by the step that reads it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where to listen.
    pub listen: Listen,
    /// Limits on requests.
    pub limits: Limits,
    /// The gate.
    pub gateway: gateway::Config,
    /// Scoring.
    pub endpoint: endpoint::Config,
    /// The guarded outbound client.
    pub outbound: outbound::Config,
    /// Python workers of deployments.
    pub workers: endpoint::WorkersConfig,
    /// Jobs.
    pub runs: runs::Config,
    /// Environments of jobs and deployments.
    pub environments: environments::Config,
    /// Log and metrics.
    pub telemetry: telemetry::Config,
    /// What is kept.
    pub store: store::Config,
    /// The user's file, when there is one.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

/// Section `listen`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// The address.
    pub address: String,
    /// The base URL clients use; the address when empty.
    pub public_url: String,
    /// Address ranges of the TLS-terminating proxy in front.
    pub behind_proxy: Vec<String>,
    /// TLS of our own. Any address but loopback needs it, or a proxy in front.
    pub tls: web::TlsConfig,
}

/// Section `limits`: shared by web and gateway.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a JSON or scoring body.
    pub body_bytes: u64,
    /// Bytes of a streamed upload.
    pub upload_bytes: u64,
    /// Failed logins of one client from one address before it is locked out for a while.
    pub login_failures: u32,
    /// Compressed bodies.
    pub inflate: web::InflateLimits,
    /// Rates of calls.
    pub rate: gateway::RateConfig,
    /// Connections and deadlines.
    pub http: web::HttpLimits,
}

impl Settings {
    /// Reads every layer.
    pub fn load(global: &Global) -> Result<Self, Fault> {
        let file = match &global.config {
            Some(path) => Some((
                path.as_path(),
                std::fs::read_to_string(path)
                    .map_err(|e| Fault::invalid(format!("{}: {e}", path.display())))?,
            )),
            None => None,
        };
        let environment = std::env::vars().filter(|(key, _)| key.starts_with(PREFIX));
        let settings = Self::layered(file.as_ref().map(|(path, text)| (*path, text.as_str())), environment)?;
        Ok(Self { file: global.config.clone(), ..settings })
    }

    /// What no user's program may see, wherever it lies: the data directory, this file, keys.
    pub fn hidden(&self, dir: &Path) -> Vec<PathBuf> {
        let tls = &self.listen.tls;
        let named = [tls.key.as_str(), self.store.master_key.as_str()];
        // The master key may stand in a file, after a word that says so.
        let paths =
            named.iter().filter_map(|text| text.rsplit_once(':').map_or(Some(*text), |(_, path)| Some(path)));
        let paths = paths.filter(|path| !path.is_empty()).map(PathBuf::from);
        let all = [dir.to_owned()].into_iter().chain(self.file.clone()).chain(paths);
        // The launcher works elsewhere.
        all.filter_map(|path| std::path::absolute(path).ok()).collect()
    }

    fn layered(
        file: Option<(&Path, &str)>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Fault> {
        let mut table: Table =
            DEFAULTS.parse().map_err(|e| Fault::internal(format!("config.default.toml: {e}")))?;
        let mut wrong = Vec::new();
        if let Some((path, text)) = file {
            let user: Table = text
                .parse()
                .map_err(|e: toml::de::Error| Fault::invalid(format!("{}: {e}", path.display())))?;
            lay(&mut table, user, &path.display().to_string(), "", &mut wrong);
        }
        for (key, text) in environment {
            let keys: Vec<String> = key[PREFIX.len()..].split("__").map(str::to_lowercase).collect();
            lay_one(&mut table, &keys, &key, &text, &mut wrong);
        }
        if !wrong.is_empty() {
            return Err(Fault::invalid(wrong.join("\n       ")));
        }
        table.try_into().map_err(|e: toml::de::Error| Fault::invalid(format!("settings: {e}")))
    }

    /// What the gate is built from, for a server reached at `url`.
    pub fn gate(&self, url: &str) -> gateway::Options {
        gateway::Options {
            config: self.gateway.clone(),
            endpoint: self.endpoint.clone(),
            outbound: self.outbound.clone(),
            public_url: url.to_owned(),
            body_bytes: self.limits.body_bytes,
            inflate: self.limits.inflate,
            login_failures: self.limits.login_failures,
            rate: self.limits.rate.clone(),
            behind_proxy: self.listen.behind_proxy.clone(),
            pools: None,
        }
    }

    /// The same settings with another address to listen on.
    pub fn with_listen(mut self, address: &str) -> Result<Self, Fault> {
        address.clone_into(&mut self.listen.address);
        self.listen.socket()?;
        Ok(self)
    }
}

impl Settings {
    /// The same settings for a server that lives as long as a command and that nobody else talks to.
    pub fn for_command(mut self) -> Result<Self, Fault> {
        self.listen.tls.turn_off();
        self.with_listen("127.0.0.1:0")
    }
}

impl Listen {
    /// The address, checked: anything but loopback needs TLS of our own or `listen.behind_proxy`.
    pub fn socket(&self) -> Result<SocketAddr, Fault> {
        let text = self.address.replacen("localhost", "127.0.0.1", 1);
        let wrong = || {
            Fault::invalid(format!(
                "'{}' is no address to listen on: write 127.0.0.1:8780 or [::1]:0",
                self.address
            ))
        };
        let address: SocketAddr = text.parse().map_err(|_| wrong())?;
        let tls = self.tls.is_on()?;
        if address.ip().is_loopback() || tls || !self.behind_proxy.is_empty() {
            return Ok(address);
        }
        Err(Fault::invalid(format!(
            "{address} is not loopback: tokens would cross the network in the clear; set listen.tls (a certificate and its key, \
             generate, or acme.domains), or put a TLS proxy in front and name its address ranges in listen.behind_proxy"
        )))
    }

    /// The base URL clients use, for a socket bound at an address.
    pub fn url(&self, bound: SocketAddr) -> Result<String, Fault> {
        let public = self.public_url.trim_end_matches('/');
        if !public.is_empty() {
            return Ok(public.to_owned());
        }
        let scheme = if self.tls.is_on()? { "https" } else { "http" };
        let port = bound.port();
        let named = self.tls.acme.domains.first().cloned();
        let host = named.or_else(|| bound.ip().is_unspecified().then(|| "localhost".to_owned()));
        Ok(match host {
            Some(host) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{bound}"),
        })
    }

    /// The names and addresses that a certificate made here is for.
    pub fn names(&self, bound: SocketAddr, url: &str) -> Vec<String> {
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
        let ip = Some(bound.ip()).filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string());
        let host = url::Url::parse(url).ok().and_then(|url| match url.host()? {
            url::Host::Domain(name) => Some(name.to_owned()),
            url::Host::Ipv4(ip) => Some(ip.to_string()),
            url::Host::Ipv6(ip) => Some(ip.to_string()),
        });
        for name in ip.into_iter().chain(host) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// Lays the user's values over the defaults; a key without a default is unknown.
fn lay(under: &mut Table, over: Table, origin: &str, at: &str, wrong: &mut Vec<String>) {
    for (key, value) in over {
        let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        match (under.get_mut(&key), value) {
            (None, _) => wrong.push(format!("{origin}: unknown setting '{path}'")),
            // A section that is empty by default is a table of the user's own keys.
            (Some(Value::Table(inner)), Value::Table(value)) if inner.is_empty() => *inner = value,
            (Some(Value::Table(inner)), Value::Table(value)) => lay(inner, value, origin, &path, wrong),
            (Some(Value::Table(_)), _) => wrong.push(format!("{origin}: '{path}' is a section")),
            (Some(slot), value) if slot.same_type(&value) => *slot = value,
            // A bare number for a duration is seconds, as `gateway.clock_skew = 30`.
            (Some(slot), Value::Integer(seconds)) if is_span(slot) => {
                *slot = Value::String(format!("{seconds}s"))
            }
            (Some(slot), value) => wrong.push(format!(
                "{origin}: '{path}' must be a {}, not a {}",
                slot.type_str(),
                value.type_str()
            )),
        }
    }
}

/// Whether a setting is a duration, by its default.
fn is_span(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.parse::<domain::Span>().is_ok())
}

/// Lays one environment variable; its text is read as the default's type.
fn lay_one(under: &mut Table, keys: &[String], origin: &str, text: &str, wrong: &mut Vec<String>) {
    let Some((last, sections)) = keys.split_last() else {
        return;
    };
    let mut table = under;
    for section in sections {
        match table.get_mut(section) {
            Some(Value::Table(inner)) => table = inner,
            _ => return wrong.push(format!("{origin}: unknown setting '{}'", keys.join("."))),
        }
    }
    let Some(slot) = table.get_mut(last) else {
        return wrong.push(format!("{origin}: unknown setting '{}'", keys.join(".")));
    };
    let read = match slot {
        Value::Integer(_) => text.parse().ok().map(Value::Integer),
        Value::Float(_) => text.parse().ok().map(Value::Float),
        Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
        Value::Array(_) => Some(Value::Array(
            text.split(',').filter(|t| !t.is_empty()).map(|t| Value::String(t.trim().to_owned())).collect(),
        )),
        Value::String(_) if is_span(slot) && text.parse::<u64>().is_ok() => {
            Some(Value::String(format!("{text}s")))
        }
        Value::String(_) => Some(Value::String(text.to_owned())),
        _ => None,
    };
    match read {
        Some(value) => *slot = value,
        None => wrong.push(format!("{origin}: '{text}' is no {}", slot.type_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> std::iter::Empty<(String, String)> {
        std::iter::empty()
    }

    #[test]
    fn the_defaults_are_whole() {
        let settings = Settings::layered(None, none()).unwrap();
        assert_eq!(settings.limits.body_bytes, 8 * 1024 * 1024);
        assert_eq!(settings.listen.socket().unwrap().port(), 8780);
    }

    #[test]
    fn layers_lie_in_order() {
        let file = "[limits]\nbody_bytes = 1000\nlogin_failures = 3\n[gateway]\nclock_skew = 60\n";
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let environment = [
            variable("PORTCULLIS__LIMITS__BODY_BYTES", "2000"),
            variable("PORTCULLIS__GATEWAY__LOCKOUT", "9"),
        ];
        let settings = Settings::layered(Some((Path::new("a.toml"), file)), environment.into_iter()).unwrap();
        assert_eq!((settings.limits.body_bytes, settings.limits.login_failures), (2000, 3));
        assert_eq!((settings.gateway.clock_skew.as_secs(), settings.gateway.lockout.0.as_secs()), (60, 9));
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let file = "[limits]\nbody_byte = 1\n[nothing]\nx = 1\n[listen]\naddress = 5\n";
        let environment = [("PORTCULLIS__LIMITS__BODY_BYTES".to_owned(), "many".to_owned())];
        let fault =
            Settings::layered(Some((Path::new("a.toml"), file)), environment.into_iter()).unwrap_err();
        for part in
            ["limits.body_byte'", "'nothing'", "'listen.address' must be a string", "'many' is no integer"]
        {
            assert!(fault.message.contains(part), "{part} in {}", fault.message);
        }
    }

    #[test]
    fn only_loopback_listens_in_the_clear() {
        let settings = Settings::layered(None, none()).unwrap();
        let refused = settings.clone().with_listen("0.0.0.0:80").unwrap_err().message;
        assert!(refused.contains("behind_proxy") && refused.contains("listen.tls"), "{refused}");
        assert!(settings.clone().with_listen("[::1]:0").is_ok());
        assert!(settings.clone().with_listen("nowhere").is_err());
        let mut settings = settings;
        settings.listen.tls.generate = true;
        assert!(settings.with_listen("0.0.0.0:80").is_ok());
    }

    #[test]
    fn urls_and_names_follow_the_address() {
        let mut listen = Settings::layered(None, none()).unwrap().listen;
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(listen.url(at("127.0.0.1:5")).unwrap(), "http://127.0.0.1:5");
        listen.tls.generate = true;
        assert_eq!(listen.url(at("0.0.0.0:5")).unwrap(), "https://localhost:5");
        assert_eq!(listen.url(at("[::1]:5")).unwrap(), "https://[::1]:5");
        listen.public_url = "https://ml.example.com/".to_owned();
        let url = listen.url(at("192.0.2.1:5")).unwrap();
        assert_eq!(url, "https://ml.example.com");
        let names = listen.names(at("192.0.2.1:5"), &url);
        assert_eq!(names, ["localhost", "127.0.0.1", "::1", "192.0.2.1", "ml.example.com"]);
    }

    #[test]
    fn settings_of_tls_that_contradict_each_other_are_refused() {
        for (file, part) in [
            ("generate = true\ncertificate = 'a'\nkey = 'b'", "only one of"),
            ("certificate = 'a'", "belong together"),
            ("[listen.tls.clients]\nmode = 'required'", "listen.tls.clients.ca is empty"),
            ("[listen.tls.clients]\nmode = 'required'\nca = 'c'", "need TLS"),
            ("[listen.tls.acme]\ndomains = ['a.example']\ndirectory = ''", "directory is empty"),
            ("[listen.tls.acme]\ndomains = ['a.example']", "accept_terms"),
        ] {
            let file = format!("[listen.tls]\n{file}\n");
            let settings = Settings::layered(Some((Path::new("a.toml"), &file)), none()).unwrap();
            let message = settings.listen.socket().unwrap_err().message;
            assert!(message.contains(part), "{file}: {message}");
        }
    }
}
