//! Where a command is carried out: at a named server, at the server that holds the data directory, or at one opened in
//! this process for the length of the command.

use crate::cli::Global;
use crate::client::{Client, ClientTls};
use crate::config::Settings;
use crate::show::Printer;
use crate::wire::Server;
use domain::Fault;
use std::path::{Path, PathBuf};

/// Where a workspace lies when nobody says.
const FOLDER: &str = "./.portcullis";

/// A connected client, the printer of the command, and the server this process runs for it, if any.
pub struct Session {
    /// The control plane.
    pub client: Client,
    /// Tables or JSON.
    pub out: Printer,
    /// What the client trusts and shows.
    pub tls: ClientTls,
    own: Option<Server>,
}

impl Session {
    /// Connects as the flags say. A data directory that is not there yet is made only when `makes` says so.
    pub async fn open(global: &Global, makes: bool) -> Result<Self, Fault> {
        let out = Printer::new(global.json);
        if let Some((url, tls)) = running(global) {
            return Ok(Self { client: Client::new(&url, token(global)?, &tls)?, out, tls, own: None });
        }
        if !makes && !store::is_workspace(&global.data_dir) {
            let above = if global.data_dir == Path::new(FOLDER) { " nor above" } else { "" };
            return Err(Fault::invalid(format!(
                "{}: there is no workspace here{above}: name one with --data-dir or a server with --server; `portcullis serve` makes a new one",
                global.data_dir.display()
            )));
        }
        let settings = Settings::load(global)?.for_command()?;
        let server = Server::start(&global.data_dir, settings).await?;
        let tls = flags(global);
        let client = Client::new(server.local_url(), server.admin_token()?, &tls)?;
        Ok(Self { client, out, tls, own: Some(server) })
    }

    /// A session at a server of this process that somebody else closes.
    pub fn at(server: &Server, out: Printer) -> Result<Self, Fault> {
        let trusted = server.tls().filter(|tls| tls.is_generated()).map(|tls| tls.certificate().0);
        let tls = ClientTls { trusted: trusted.into_iter().collect(), identity: None };
        Ok(Self {
            client: Client::new(server.local_url(), server.admin_token()?, &tls)?,
            out,
            tls,
            own: None,
        })
    }

    /// A path of the server as a URL; the path alone when the server ends with this command.
    pub fn url(&self, path: &str) -> String {
        if self.own.is_some() { path.to_owned() } else { format!("{}{path}", self.client.base()) }
    }

    /// A URL that the server told, the same way.
    pub fn lasting(&self, url: &str) -> String {
        let below = url.strip_prefix(self.client.base()).filter(|_| self.own.is_some());
        below.unwrap_or(url).to_owned()
    }

    /// What is said when the watching of a job ends before the job: it goes on at a server, and ends with one of this process.
    pub fn left_running(&self, job: &str) -> String {
        if self.own.is_some() {
            return format!("job {job} ends with this command: no server runs that could go on with it");
        }
        format!(
            "job {job} goes on: `portcullis job stream {job}` follows it again, `portcullis job cancel {job}` stops it"
        )
    }

    /// What a line with such a URL ends with: nothing while a server runs.
    pub const fn reached(&self) -> &'static str {
        if self.own.is_some() { " (no server runs: start `portcullis serve`)" } else { "" }
    }

    /// Stops the server of this process, if there is one.
    pub async fn close(self) {
        if let Some(server) = self.own {
            server.stop().await;
        }
    }
}

/// The folder of a workspace that no flag names: the one here; else, when it may lie above, the nearest one of the same user, which
/// is told.
pub fn own_folder(above: bool) -> PathBuf {
    let here = PathBuf::from(FOLDER);
    let Some(start) = std::env::current_dir().ok().filter(|_| above && !store::is_workspace(&here)) else {
        return here;
    };
    let mut folders = start.ancestors().skip(1).map(|folder| folder.join(".portcullis"));
    let Some(found) = folders.find(|folder| store::is_workspace(folder) && is_mine(folder)) else {
        return here;
    };
    crate::show::note(&format!("note: the workspace is {}", found.display()));
    found
}

/// Whether a folder is this user's: what others left in a folder above is not taken for one's own.
fn is_mine(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(folder).is_ok_and(|facts| facts.uid() == rustix::process::geteuid().as_raw())
}

/// The server that runs already, by the flags or by the data directory, and how it is reached.
pub fn running(global: &Global) -> Option<(String, ClientTls)> {
    let mut tls = flags(global);
    if let Some(url) = &global.server {
        return Some((url.clone(), tls));
    }
    let url = store::announced(&global.data_dir)?;
    // The owner of the data directory may trust the certificate that its server made for itself.
    tls.trusted.extend(web::tls::generated(&global.data_dir));
    Some((url, tls))
}

/// What the flags say of certificates.
pub fn flags(global: &Global) -> ClientTls {
    ClientTls {
        trusted: global.ca_file.iter().cloned().collect(),
        identity: global.client_certificate.clone(),
    }
}

fn token(global: &Global) -> Result<String, Fault> {
    if let Some(file) = &global.token_file {
        return read_token(file);
    }
    if let Ok(token) = std::env::var("PORTCULLIS_TOKEN") {
        return Ok(token);
    }
    read_token(&global.data_dir.join(gateway::ADMIN_TOKEN_FILE))
}

fn read_token(file: &Path) -> Result<String, Fault> {
    let text = std::fs::read_to_string(file).map_err(|e| {
        Fault::invalid(format!(
            "{}: {e}: name the token with --token-file or PORTCULLIS_TOKEN",
            file.display()
        ))
    })?;
    Ok(text.trim().to_owned())
}
