//! Initial passwords: drawn while a create is being sent, wiped afterwards, never stored, logged or shown.

use serde::Serialize;
use std::fmt;
use zeroize::Zeroizing;

/// Characters of one password; about 140 bits.
const LENGTH: usize = 24;
/// Without characters that are mistaken for others or that need escaping somewhere.
const CLASSES: [&[u8]; 4] = [b"ABCDEFGHJKLMNPQRSTUVWXYZ", b"abcdefghijkmnopqrstuvwxyz", b"23456789", b"!#%*+-.=?@_"];

/// A password that nobody knows.
pub(crate) struct Password(Zeroizing<String>);

/// `passwordProfile` of a create (A.3).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PasswordProfile<'a> {
    pub(crate) password: &'a str,
    force_change_password_next_sign_in: bool,
}

impl Password {
    /// Draws a password with characters of all four classes; none when the system gives no randomness.
    pub(crate) fn draw() -> Option<Password> {
        let everything: Vec<u8> = CLASSES.concat();
        let mut text = Zeroizing::new(String::with_capacity(LENGTH));
        loop {
            text.clear();
            while text.len() < LENGTH {
                text.push(pick(&everything)? as char);
            }
            // Drawing again, rather than forcing a class into a place, keeps all valid passwords equally likely.
            if CLASSES.iter().all(|class| text.bytes().any(|byte| class.contains(&byte))) {
                return Some(Password(text));
            }
        }
    }

    pub(crate) fn profile(&self) -> PasswordProfile<'_> {
        PasswordProfile { password: &self.0, force_change_password_next_sign_in: true }
    }
}

/// One of `choices`, all equally likely: values beyond the last whole multiple are drawn again.
fn pick(choices: &[u8]) -> Option<u8> {
    let limit = 256 / choices.len() * choices.len();
    let mut byte = [0u8; 1];
    loop {
        getrandom::fill(&mut byte).ok()?;
        if usize::from(byte[0]) < limit {
            return choices.get(usize::from(byte[0]) % choices.len()).copied();
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_mixed_and_different() {
        let first = Password::draw().unwrap();
        let text = first.profile().password.to_owned();
        assert_eq!(text.len(), LENGTH);
        assert!(CLASSES.iter().all(|class| text.bytes().any(|byte| class.contains(&byte))));
        assert_ne!(Password::draw().unwrap().profile().password, text);
        assert_eq!(format!("{first:?}"), "<secret>");
        let json = serde_json::to_value(first.profile()).unwrap();
        assert_eq!(json["forceChangePasswordNextSignIn"], true);
    }
}
