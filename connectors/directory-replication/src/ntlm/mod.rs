//! NTLM as a client signs in with it (MS-NLMP): version 2 only, with extended session security, 128 bits, key exchange and a
//! signature over the three messages. A server that wants less is refused.

mod messages;
mod session;

use crate::auth::{Auth, AuthError, Finished};
use crate::crypto::{Rc4, hmac_md5, md4};
use messages::{Challenge, Names, authenticate, negotiate, put_signature};
use session::NtlmSession;
use zeroize::Zeroizing;

/// `auth_type` of NTLM.
const NTLM: u8 = 10;

/// An account and its password.
pub struct Credential {
    /// The NetBIOS or DNS name of the domain; empty where `user` is a user principal name.
    pub domain: String,
    pub user: String,
    pub password: Zeroizing<String>,
}

/// What the client draws for one sign-in. It comes in from outside, so that a recorded conversation can be repeated.
pub struct Drawn {
    pub client_challenge: [u8; 8],
    pub session_key: Zeroizing<[u8; 16]>,
}

/// One sign-in.
pub struct NtlmLogon {
    credential: Credential,
    /// The name of this machine as the server's log shows it, and the name of the service that is called.
    workstation: String,
    service: String,
    drawn: Drawn,
    negotiate: Vec<u8>,
}

impl NtlmLogon {
    /// `service` is the service principal name of the server, `ldap/dc1.corp.example`.
    pub fn new(credential: Credential, workstation: &str, service: &str, drawn: Drawn) -> Self {
        NtlmLogon {
            credential,
            workstation: workstation.to_owned(),
            service: service.to_owned(),
            drawn,
            negotiate: negotiate(),
        }
    }
}

impl Auth for NtlmLogon {
    fn kind(&self) -> u8 {
        NTLM
    }

    fn start(&mut self) -> Result<Vec<u8>, AuthError> {
        Ok(self.negotiate.clone())
    }

    fn finish(&mut self, answer: &[u8]) -> Result<Finished, AuthError> {
        let challenge = Challenge::read(answer)?;
        let key = one_way(&self.credential);
        let temp = challenge.answer_to(&self.drawn.client_challenge, &self.service)?;
        let proof = proof(&key, &challenge.nonce, &temp);
        let base = Zeroizing::new(hmac_md5(&key, &[&proof]));
        let mut wrapped = *self.drawn.session_key;
        Rc4::new(&base).apply(&mut wrapped);
        let names =
            Names { domain: &self.credential.domain, user: &self.credential.user, workstation: &self.workstation };
        let mut token = authenticate(challenge.flags, &names, &[&proof[..], &temp].concat(), &wrapped)?;
        let signature = hmac_md5(&self.drawn.session_key, &[&self.negotiate, answer, &token]);
        put_signature(&mut token, &signature);
        let session = NtlmSession::new(self.drawn.session_key.clone());
        Ok(Finished { token, session: Box::new(session) })
    }
}

/// NTOWFv2 (MS-NLMP 3.3.2).
fn one_way(credential: &Credential) -> Zeroizing<[u8; 16]> {
    let password = Zeroizing::new(utf16(&credential.password));
    let hash = Zeroizing::new(md4(&password));
    Zeroizing::new(hmac_md5(&hash, &[&utf16(&upper(&credential.user)), &utf16(&credential.domain)]))
}

/// NTProofStr (MS-NLMP 3.3.2).
fn proof(key: &[u8; 16], challenge: &[u8; 8], temp: &[u8]) -> [u8; 16] {
    hmac_md5(key, &[challenge, temp])
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Upper case as Windows does it: one character for one. `ß` has no such form and stays.
fn upper(text: &str) -> String {
    text.chars()
        .map(|character| {
            let mut upper = character.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(one), None) => one,
                _ => character,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
