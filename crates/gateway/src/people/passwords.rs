//! Passwords: argon2id with the parameters of OWASP, a few at a time beside the async threads.

use crate::error::{Error, Result};
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::rand;
use domain::{ErrorCode, Fault, Name};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

/// The shortest password in characters (NIST SP 800-63B; longer than it asks for).
const MIN: usize = 12;
/// The longest password in bytes.
pub(super) const MAX: usize = 1024;
/// OWASP's password storage cheat sheet: 19 MiB, 2 passes, 1 lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
/// Logins that wait for their turn at most.
const WAITING: usize = 32;
/// What the password of a name that does not exist is compared with: the same work, and never right.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$cG9ydGN1bGxpcy1kdW1teQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The workbench of passwords: scoring keeps most of the machine however many log in.
#[derive(Debug)]
pub(crate) struct Passwords {
    working: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Passwords {
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let working = (cores / 4).max(1);
        Self {
            working: Arc::new(Semaphore::new(working)),
            waiting: Arc::new(Semaphore::new(working + WAITING)),
        }
    }

    /// Whether a password is the one of a hash; without a hash it is not, after as much work.
    pub(super) async fn fits(&self, password: &Zeroizing<String>, hash: Option<String>) -> Result<bool> {
        let turn = self.turn().await?;
        let password = password.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let known = hash.is_some();
            let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
            let parsed = PasswordHash::new(&hash).map_err(|_| Error::Secret("password"))?;
            Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && known)
        });
        done.await.map_err(|_| Fault::internal("a password could not be compared"))?
    }

    /// The hash of a password as PHC text.
    pub(super) async fn hash(&self, password: &Zeroizing<String>) -> Result<String> {
        let turn = self.turn().await?;
        let password = password.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            hash(password.as_bytes())
        });
        done.await.map_err(|_| Fault::internal("a password could not be hashed"))?
    }

    /// Waits for a turn; too many who wait are turned away.
    async fn turn(&self) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit)> {
        let busy = || {
            Fault::new(
                ErrorCode::TooManyRequests,
                "too many log in at this moment: try again in a few seconds",
            )
        };
        let place = self.waiting.clone().try_acquire_owned().map_err(|_| busy())?;
        let turn = self.working.clone().acquire_owned().await.map_err(|_| busy())?;
        Ok((turn, place))
    }
}

fn hash(password: &[u8]) -> Result<String> {
    let mut salt = [0; 16];
    rand::fill(&mut salt).map_err(|_| Error::Random)?;
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|_| Error::Secret("password"))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2.hash_password_with_salt(password, &salt).map_err(|_| Error::Secret("password"))?;
    Ok(hash.to_string())
}

/// Refuses a new password that is too short, too long, or the name itself. Nothing else is asked of it: length is what counts.
pub(super) fn check_new(name: &Name, password: &str) -> Result<()> {
    let why = if password.chars().count() < MIN {
        "it is shorter than 12 characters"
    } else if password.len() > MAX {
        "it is longer than 1024 bytes"
    } else if password.to_lowercase().contains(&name.as_str().to_lowercase())
        && password.len() < name.as_str().len() + MIN
    {
        "it is little more than the name"
    } else {
        return Ok(());
    };
    Err(Error::Password(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hashes_are_salted_and_only_the_right_password_fits() {
        let passwords = Passwords::new();
        let right = Zeroizing::new("correct horse battery".to_owned());
        let (one, two) = (passwords.hash(&right).await.unwrap(), passwords.hash(&right).await.unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && one != two);
        assert!(passwords.fits(&right, Some(one.clone())).await.unwrap());
        let wrong = Zeroizing::new("correct horse batterz".to_owned());
        assert!(!passwords.fits(&wrong, Some(one)).await.unwrap());
        assert!(!passwords.fits(&right, None).await.unwrap());
    }

    #[test]
    fn what_nobody_is_compared_with_costs_what_a_password_costs() {
        let parsed = PasswordHash::new(NOBODY).unwrap();
        let own = hash(b"x").unwrap();
        assert_eq!(parsed.params.to_string(), PasswordHash::new(&own).unwrap().params.to_string());
        assert!(Argon2::default().verify_password(b"x", &parsed).is_err());
    }

    #[test]
    fn length_is_asked_for_and_little_else() {
        let name = Name::new("ada-lovelace").unwrap();
        for (password, good) in [
            ("elevenchars", false),
            ("twelve chars", true),
            ("ada-lovelace1", false),
            ("zwölf zeiche", true),
            ("aaaaaaaaaaaa", true),
        ] {
            assert_eq!(check_new(&name, password).is_ok(), good, "{password}");
        }
        assert!(check_new(&name, &"x".repeat(1025)).is_err());
    }
}
