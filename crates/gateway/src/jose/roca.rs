//! The fingerprint of RSA keys made by a faulty chip library (ROCA, CVE-2017-15361): their private keys can be computed.
//!
//! Such a modulus is, modulo each of the first small primes, a power of 65537 (Nemec, Sys, Svenda, Klinec, Matyas,
//! "The Return of Coppersmith's Attack", 2017). A sound key passes as one with probability about 2⁻²⁷.

/// Small primes modulo which powers of 65537 are only a part of all residues.
const PRIMES: [u32; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];
const GENERATOR: u32 = 65537;

/// Whether a modulus (big endian) has the fingerprint.
pub(super) fn fingerprint(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| {
        let rest = modulus.iter().fold(0u32, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        let mut power = 1;
        for _ in 0..*prime {
            if power == rest {
                return true;
            }
            power = power * (GENERATOR % prime) % prime;
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_of_the_generator_has_the_fingerprint() {
        assert!(fingerprint(&GENERATOR.to_be_bytes()));
        assert!(!fingerprint(&[0xff; 256]));
    }
}
