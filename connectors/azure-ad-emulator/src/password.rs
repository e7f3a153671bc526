//! A user's password as the tenant keeps it: the credential string that synchronisation sends (section C), or the same form of
//! a password that was set in the cloud. Verifies a clear password by making the string again; never keeps a clear one.

use std::fmt;

use md4::{Digest as _, Md4};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::clock::Millis;

/// Most rounds that a credential may ask for: checking a password must end.
const MOST_ROUNDS: u32 = 100_000;
/// Rounds and salt of what the tenant makes itself.
const ROUNDS: u32 = 1_000;
const SALT: usize = 10;

/// Who set a password last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SetBy {
    /// The web service's `ProvisionCredentials`.
    HashSynchronisation,
    /// An administrator or an application over Graph, or the seed.
    Cloud,
}

impl SetBy {
    /// As the admin page says it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            SetBy::HashSynchronisation => "Password hash synchronisation",
            SetBy::Cloud => "In cloud",
        }
    }
}

/// What is kept of a password. Not among the properties: nothing that a client reads shows it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct KeptPassword {
    /// `v1;PPH1_MD4,<salt>,<rounds>,<hash>;`
    credential: String,
    pub(crate) set_by: SetBy,
    pub(crate) set_ms: Millis,
}

impl fmt::Debug for KeptPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptPassword")
            .field("set_by", &self.set_by)
            .field("set_ms", &self.set_ms)
            .finish_non_exhaustive()
    }
}

impl KeptPassword {
    /// What synchronisation sent, if it has the form of a credential.
    pub(crate) fn synchronised(credential: &str, now: Millis) -> Option<KeptPassword> {
        Parts::read(credential)?;
        let credential = credential.to_owned();
        Some(KeptPassword { credential, set_by: SetBy::HashSynchronisation, set_ms: now })
    }

    /// A password that was set in the cloud. An error when the system gives no random bytes for a salt.
    pub(crate) fn of_cloud(clear: &str, now: Millis) -> Result<KeptPassword, getrandom::Error> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt)?;
        let hash = derive(clear, &salt, ROUNDS);
        let credential = format!("v1;PPH1_MD4,{},{ROUNDS},{};", hex(&salt), hex(&hash));
        Ok(KeptPassword { credential, set_by: SetBy::Cloud, set_ms: now })
    }

    pub(crate) fn is(&self, clear: &str) -> bool {
        Parts::read(&self.credential).is_some_and(|parts| derive(clear, &parts.salt, parts.rounds) == parts.hash)
    }
}

/// A clear password in a seed, which is never printed.
#[derive(Clone, Deserialize)]
pub struct SeedPassword(pub String);

impl fmt::Debug for SeedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A credential string taken apart.
struct Parts {
    salt: Vec<u8>,
    rounds: u32,
    hash: [u8; 32],
}

impl Parts {
    /// Any salt and a bounded number of rounds, digits in either case.
    fn read(credential: &str) -> Option<Parts> {
        let inner = credential.strip_prefix("v1;PPH1_MD4,")?.strip_suffix(';')?;
        let mut parts = inner.split(',');
        let salt = from_hex(parts.next()?).filter(|salt| !salt.is_empty())?;
        let rounds = parts.next()?.parse().ok().filter(|rounds| (1..=MOST_ROUNDS).contains(rounds))?;
        let hash = from_hex(parts.next()?)?.try_into().ok()?;
        parts.next().is_none().then_some(Parts { salt, rounds, hash })
    }
}

/// PBKDF2-HMAC-SHA256 over the upper-case digits of the NT hash, as UTF-16LE.
fn derive(clear: &str, salt: &[u8], rounds: u32) -> [u8; 32] {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let nt = Md4::digest(utf16(clear));
    let mut hash = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(&utf16(&hex(&nt).to_ascii_uppercase()), salt, rounds, &mut hash);
    hash
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let pair = |place: usize| u8::from_str_radix(text.get(place..place + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "b6aaf0e7abbeeab83c17c7b7340b900902d66614d8a59d4800aec04ffb26fd8d";

    fn kept(credential: &str) -> Option<KeptPassword> {
        KeptPassword::synchronised(credential, 0)
    }

    #[test]
    fn a_credential_is_known_by_its_form() {
        assert!(kept(&format!("v1;PPH1_MD4,00010203040506070809,1000,{HASH};")).is_some());
        let longer = format!("v1;PPH1_MD4,000102030405060708090A0B0C0D0E0F,1000,{};", HASH.to_uppercase());
        assert!(kept(&longer).is_some());
        for wrong in [
            String::new(),
            format!("v1;PPH1_MD4,00010203040506070809,1000,{HASH}"),
            format!("v1;PPH1_MD4,0001,0,{HASH};"),
            format!("v1;PPH1_MD4,0001,4000000000,{HASH};"),
            format!("v1;PPH1_MD4,,1000,{HASH};"),
            format!("v1;PPH1_MD4,000,1000,{HASH};"),
            format!("v1;PPH1_MD4,0001,1000,{};", &HASH[2..]),
            format!("v1;PPH1_MD4,0001,1000,{HASH},x;"),
            format!("v2;PPH1_MD4,0001,1000,{HASH};"),
        ] {
            assert!(kept(&wrong).is_none(), "{wrong}");
        }
    }

    /// The form shows no part of it, and the same password kept twice is two strings.
    #[test]
    fn a_password_is_kept_salted_and_not_shown() {
        let [one, two] = [0, 0].map(|now| KeptPassword::of_cloud("Grüße-東京-🔑", now).unwrap());
        assert_ne!(one.credential, two.credential);
        assert!(one.is("Grüße-東京-🔑") && !one.is("grüße-東京-🔑") && !one.is(""));
        assert!(!format!("{one:?}").contains("PPH1"));
    }
}
