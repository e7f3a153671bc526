//! What Azure AD keeps of a password (entra-protocols C): PBKDF2-HMAC-SHA256 over the NT hash in upper-case hexadecimal. Made
//! on all cores, away from the threads that wait for the network; only so many at a time. Never logs or keeps a hash.

use crate::pbkdf2_lanes::{DERIVED, Derived, Key, LANES, derive};
use connector_contract::{ConnectorError, ErrorKind, NtHash, Secret};
use std::num::NonZero;
use std::sync::Arc;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Bytes of salt, as the official client draws them (P4); the service takes any length.
const SALT: usize = 10;
/// P5. More of them may keep the user from signing in (C).
const ITERATIONS: u32 = 1_000;
/// `v1;PPH1_MD4,` salt `,1000,` hash `;`
const LENGTH: usize = 12 + 2 * SALT + 6 + 2 * DERIVED + 1;
/// Hashes that one task makes: about two milliseconds of one core.
const CHUNK: usize = 4 * LANES;

type Salt = [u8; SALT];

/// Makes what is sent of a password. One for all calls of a connector: it bounds how many cores they use together.
#[derive(Debug)]
pub(crate) struct Hasher {
    cores: Arc<Semaphore>,
}

impl Default for Hasher {
    fn default() -> Hasher {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Hasher { cores: Arc::new(Semaphore::new(cores)) }
    }
}

impl Hasher {
    /// The credential string of each hash, in order, with a salt of its own.
    pub(crate) async fn credentials(&self, hashes: Vec<NtHash>) -> Result<Vec<Secret>, ConnectorError> {
        let mut tasks = Vec::with_capacity(hashes.len().div_ceil(CHUNK));
        let mut hashes = hashes.into_iter();
        loop {
            let chunk: Vec<NtHash> = hashes.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                break;
            }
            // Nobody closes it.
            let core = Arc::clone(&self.cores).acquire_owned().await.map_err(|_| cancelled())?;
            tasks.push(tokio::task::spawn_blocking(move || {
                let _core = core;
                salted(&chunk)
            }));
        }
        let mut credentials = Vec::new();
        for task in tasks {
            credentials.extend(task.await.map_err(|_| cancelled())??);
        }
        Ok(credentials)
    }
}

fn cancelled() -> ConnectorError {
    ConnectorError::cancelled("hashing passwords")
}

fn draw() -> Result<Salt, ConnectorError> {
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).map_err(|error| {
        let message = format!("the operating system gives no random bytes: {error}");
        ConnectorError::new(ErrorKind::Connection, "drawing a password's salt", message, "try again later")
    })?;
    Ok(salt)
}

/// The credentials of some hashes, each with a salt that was drawn for it.
fn salted(hashes: &[NtHash]) -> Result<Vec<Secret>, ConnectorError> {
    let salts = hashes.iter().map(|_| draw()).collect::<Result<Vec<Salt>, _>>()?;
    Ok(credentials(hashes, &salts))
}

fn credentials(hashes: &[NtHash], salts: &[Salt]) -> Vec<Secret> {
    let asked: Vec<(Key, Salt)> = hashes.iter().map(input).zip(salts.iter().copied()).collect();
    let derived = derive(&asked, ITERATIONS);
    salts.iter().zip(&derived).map(|(salt, derived)| credential(salt, derived)).collect()
}

/// `v1;PPH1_MD4,<salt>,<iterations>,<hash>;`, which the closing semicolon belongs to.
fn credential(salt: &Salt, derived: &Derived) -> Secret {
    // Whole from the beginning: a text that grows leaves copies of itself behind.
    let mut text = String::with_capacity(LENGTH);
    text.push_str("v1;PPH1_MD4,");
    push_hex(&mut text, salt);
    text.push_str(",1000,");
    push_hex(&mut text, &**derived);
    text.push(';');
    Secret::new(text)
}

/// The NT hash as 32 upper-case digits in UTF-16LE (P3): lower-case ones give another hash, which no sign-in fits.
fn input(hash: &NtHash) -> Key {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut input = Zeroizing::new([0u8; 64]);
    for (place, byte) in input.chunks_exact_mut(4).zip(hash.expose()) {
        place[0] = DIGITS[usize::from(byte >> 4)];
        place[2] = DIGITS[usize::from(byte & 15)];
    }
    input
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        std::array::from_fn(|place| u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).unwrap())
    }

    fn one(hash: NtHash, salt: Salt) -> Secret {
        credentials(&[hash], &[salt]).remove(0)
    }

    fn vectors() -> Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/contracts/pph1-md4-vectors.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    /// Section C: the recorded credentials byte for byte, and the one that lower-case digits would give is not among ours.
    #[test]
    fn pph1_md4_credentials_are_those_of_the_vectors() {
        let vectors = vectors();
        let all = vectors["vectors"].as_array().unwrap();
        assert_eq!(all.len(), 4);
        for vector in all {
            let hash = NtHash::new(bytes(vector["nt"].as_str().unwrap()));
            let made = one(hash, bytes(vector["salt"].as_str().unwrap()));
            assert_eq!(made.expose(), vector["credentialData"].as_str().unwrap());
            assert_eq!(made.expose().len(), LENGTH);
            assert!(!made.expose().contains(vectors["negative"]["hash"].as_str().unwrap()));
        }
    }

    /// P7: the vector that was computed apart from the others.
    #[test]
    fn p07_the_vector_of_the_engines_semantics() {
        let hash = NtHash::new(bytes("a4f49c406510bdcab6824ee7c30fd852"));
        let made = one(hash, bytes("0102030405060708090A"));
        let expected = "3efaeb5889705eff7061686d6cb96cb563fc7ed2479ebeacdd0e5a96a91daa85";
        assert_eq!(made.expose(), format!("v1;PPH1_MD4,0102030405060708090a,1000,{expected};"));
    }

    /// P4: many at once come back in order, each salted by itself, the same hash too.
    #[tokio::test]
    async fn p04_each_password_has_a_salt_of_its_own_and_keeps_its_place() {
        let hashes: Vec<NtHash> = (0..50).map(|number| NtHash::new([number / 2; 16])).collect();
        let made = Hasher::default().credentials(hashes.clone()).await.unwrap();
        assert_eq!(made.len(), 50);
        for (hash, made) in hashes.iter().zip(&made) {
            let salt = made.expose().strip_prefix("v1;PPH1_MD4,").unwrap();
            assert_eq!(one(hash.clone(), bytes(salt)).expose(), made.expose());
        }
        let different: std::collections::BTreeSet<&str> = made.iter().map(Secret::expose).collect();
        assert_eq!(different.len(), 50);
        assert!(!format!("{made:?} {hashes:?}").contains("PPH1"));
    }
}
