//! Signing in with name and password (the resource owner's password grant): verifies a clear password against what the tenant
//! keeps, and refuses with the codes that the authority documents. Counts wrong passwords as smart lockout does; gives no token.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use crate::clock::{Millis, SECOND_MS};
use crate::directory::Directory;
use crate::entry::Entry;
use crate::guid::Guid;
use crate::indexes::Table;
use crate::knobs::Knobs;
use crate::token::{Refusal, refusal};

/// `grant_type` of such a sign-in.
pub(crate) const GRANT_TYPE: &str = "password";
/// The same wrong password is counted once as long as it is among the last so many ones.
const REMEMBERED: usize = 3;

/// Wrong passwords by user; in memory only, as a restart of the tenant ends all lockouts.
#[derive(Debug, Default)]
pub(crate) struct SignIns(HashMap<Guid, Wrong>);

/// Wrong passwords of one user since the last right one.
#[derive(Debug, Default)]
struct Wrong {
    count: u32,
    /// Digests of the last ones, salted with the user's id.
    last: Vec<[u8; 32]>,
    lockouts: u32,
    locked_until: Millis,
}

/// Where somebody signs in.
pub(crate) struct SignInSetting<'a> {
    pub(crate) directory: &'a Directory,
    pub(crate) knobs: &'a Knobs,
    pub(crate) now: Millis,
}

impl SignIns {
    /// The user whose name and password these are, or why nobody is signed in.
    pub(crate) fn sign_in(&mut self, name: &str, password: &str, setting: &SignInSetting<'_>) -> Result<Guid, Refusal> {
        let Some(user) = find(setting.directory, name) else {
            let message = format!(
                "The user account {{EUII Hidden}} does not exist in the {} directory. To sign into this application, the \
                 account must be added to the directory.",
                setting.directory.facts.tenant_id
            );
            return Err(refused(50_034, message));
        };
        if self.0.get(&user.id).is_some_and(|wrong| setting.now < wrong.locked_until) {
            let message =
                "The account is locked, you've tried to sign in too many times with an incorrect user ID or password.";
            return Err(refused(50_053, message));
        }
        if user.flag("accountEnabled") == Some(false) {
            return Err(refused(50_057, "The user account is disabled."));
        }
        let invalid = || refused(50_126, "Error validating credentials due to invalid username or password.");
        if is_federated(setting, name) && !setting.knobs.cloud_passwords_of_federated_users {
            return Err(invalid());
        }
        let Some(kept) = &user.password else {
            return Err(refused(
                50_056,
                "Invalid or null password: password doesn't exist in the directory for this user.",
            ));
        };
        if !kept.is(password) {
            self.count(user.id, password, setting);
            return Err(invalid());
        }
        self.0.remove(&user.id);
        let must_change =
            user.properties.get("passwordProfile").and_then(|held| held.get("forceChangePasswordNextSignIn"));
        if must_change.and_then(serde_json::Value::as_bool) == Some(true) {
            return Err(refused(50_055, "The password is expired."));
        }
        Ok(user.id)
    }

    /// Locks the account at the threshold, and after that at each further wrong password, each time for longer.
    fn count(&mut self, user: Guid, password: &str, setting: &SignInSetting<'_>) {
        let wrong = self.0.entry(user).or_default();
        let digest: [u8; 32] = Sha256::new().chain_update(user.to_string()).chain_update(password).finalize().into();
        if wrong.last.contains(&digest) {
            return;
        }
        wrong.last.insert(0, digest);
        wrong.last.truncate(REMEMBERED);
        wrong.count = wrong.count.saturating_add(1);
        if wrong.count < setting.knobs.lockout_threshold {
            return;
        }
        let first = Millis::try_from(setting.knobs.lockout_s).unwrap_or(Millis::MAX).saturating_mul(SECOND_MS);
        let longer = first.saturating_mul(1 << wrong.lockouts.min(16));
        wrong.locked_until = setting.now.saturating_add(longer);
        wrong.lockouts += 1;
    }
}

fn find<'a>(directory: &'a Directory, name: &str) -> Option<&'a Entry> {
    directory.holders(Table::UserPrincipalName, name).find(|entry| entry.is_live())
}

fn is_federated(setting: &SignInSetting<'_>, name: &str) -> bool {
    let domain = name.rsplit_once('@').map_or("", |(_, domain)| domain);
    setting.directory.facts.domain(domain).is_some_and(|domain| domain.is_federated)
}

fn refused(code: u32, message: impl Into<String>) -> Refusal {
    refusal(400, "invalid_grant", code, message)
}
