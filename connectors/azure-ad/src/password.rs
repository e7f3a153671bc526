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
        // Asked for together: one question to the system for each character was a twentieth of what an export costs.
        let mut bytes = Zeroizing::new([0u8; 2 * LENGTH]);
        loop {
            text.clear();
            while text.len() < LENGTH {
                getrandom::fill(bytes.as_mut_slice()).ok()?;
                let drawn = bytes.iter().filter_map(|byte| pick(&everything, *byte)).map(char::from);
                drawn.take(LENGTH - text.len()).for_each(|character| text.push(character));
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

/// The choice that a random byte stands for, all equally likely: none for values beyond the last whole multiple.
fn pick(choices: &[u8], byte: u8) -> Option<u8> {
    let limit = 256 / choices.len() * choices.len();
    let byte = usize::from(byte);
    if byte < limit { choices.get(byte % choices.len()).copied() } else { None }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each choice is made by as many bytes as any other.
    #[test]
    fn all_choices_are_equally_likely() {
        for choices in [CLASSES[0], CLASSES[3], &CLASSES.concat()] {
            let made_by = |choice: u8| (0..=u8::MAX).filter(|byte| pick(choices, *byte) == Some(choice)).count();
            let each: Vec<usize> = choices.iter().map(|choice| made_by(*choice)).collect();
            assert_eq!(each, vec![256 / choices.len(); choices.len()]);
        }
    }

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
