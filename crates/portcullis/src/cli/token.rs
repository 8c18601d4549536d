//! `token verify`: judges one token by a key set in a file, without a server.

use crate::cli::Global;
use crate::cli::token_issue::Service;
use crate::show::{Printer, error, note};
use clap::{Args, Subcommand};
use domain::Timestamp;
use gateway::{Expectations, verify_token};
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The most bytes of a key set or a token that are read; both are far smaller.
const FILE_MAX: u64 = 1 << 20;
/// Exit code of a refused token.
const REFUSED: u8 = 1;
/// Exit code when there is nothing to judge: a missing flag, an unreadable file.
const WRONG_USE: u8 = 2;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Judge the token in --token-file by a key set; exit code 0 accepted, 1 refused, 2 wrong use
    Verify(Verify),
    #[command(flatten)]
    Service(Service),
}

/// `token verify`. The token stands in the file of the global flag `--token-file`; `-` is standard input.
#[derive(Debug, Args)]
pub struct Verify {
    /// A JWK set or a single JWK
    #[arg(long, value_name = "FILE")]
    pub jwks: PathBuf,
    /// The issuer the token must be of; with it the claims are judged, dates included
    #[arg(long)]
    pub issuer: Option<String>,
    /// An audience the token must name; with it the claims are judged, dates included
    #[arg(long)]
    pub audience: Option<String>,
}

impl Verify {
    /// Carries the verb out.
    pub fn run(self, global: &Global) -> ExitCode {
        let Some(file) = &global.token_file else {
            error("token verify needs --token-file FILE: the token to judge, or - for standard input");
            return ExitCode::from(WRONG_USE);
        };
        let (jwks, token) = match (read(&self.jwks), read(file)) {
            (Ok(jwks), Ok(token)) => (jwks, token),
            (Err(message), _) | (_, Err(message)) => {
                error(&message);
                return ExitCode::from(WRONG_USE);
            }
        };
        let out = Printer::new(global.json);
        match self.judge(&jwks, &token) {
            Ok(claims) => accepted(out, claims.as_ref()),
            Err((reason, message)) => {
                let answer = json!({ "accepted": false, "reason": reason, "message": message });
                if out.json() {
                    out.value(&answer, |_| String::new());
                } else {
                    note(&format!("refused: {message}"));
                }
                ExitCode::from(REFUSED)
            }
        }
    }

    /// The claims, when they were judged; else why the token was refused, as a short word and as a sentence.
    fn judge(&self, jwks: &[u8], token: &[u8]) -> Result<Option<Map<String, Value>>, (&'static str, String)> {
        // A file of one line ends with a line feed; no other white space is part of a token.
        let token = token.strip_suffix(b"\n").unwrap_or(token);
        let token = token.strip_suffix(b"\r").unwrap_or(token);
        let token =
            std::str::from_utf8(token).map_err(|_| ("malformed_token", "the token is no text".to_owned()))?;
        let expect = Expectations { issuer: self.issuer.clone(), audience: self.audience.clone() };
        match verify_token(jwks, token, &expect, Timestamp::now().seconds()) {
            Ok(Ok(claims)) => Ok(claims),
            Ok(Err(refusal)) => Err((refusal.reason(), refusal.to_string())),
            Err(fault) => Err(("key_set", fault.message)),
        }
    }
}

fn accepted(out: Printer, claims: Option<&Map<String, Value>>) -> ExitCode {
    let answer = json!({ "accepted": true, "claims": claims });
    out.value(&answer, |_| match claims {
        Some(_) => "accepted: the signature and the claims are right".to_owned(),
        None => {
            "accepted: the signature is right; claims were not judged, see --issuer and --audience".to_owned()
        }
    });
    ExitCode::SUCCESS
}

/// A whole file of bounded size, or standard input.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let at = |e: std::io::Error| format!("{}: {e}", path.display());
    let source: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin().lock()),
        _ => Box::new(std::fs::File::open(path).map_err(at)?),
    };
    let mut bytes = Vec::new();
    source.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(at)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(format!("{}: longer than {FILE_MAX} bytes", path.display()));
    }
    Ok(bytes)
}
