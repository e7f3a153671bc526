//! The settings of reading password hashes: an account of its own, because that account can read every password of the domain.

use crate::settings::{Server, Settings, optional_servers, password};
use connector_contract::SecretReference;
use metaverse_schema::{SettingProblem, SettingsReader, SettingsTable};
use std::fmt;
use std::path::Path;

/// The settings of the table `passwords`, with what they mean.
pub const PASSWORD_SETTINGS_HELP: &[(&str, &str)] = &[
    ("account", "the account that may read password hashes: `DOMAIN\\user` or `user@domain`; not the one of imports"),
    ("password", "where its password is: `env:NAME`, `file:PATH` or `credential:NAME`"),
    ("servers", "domain controllers to read from; default: those of the connector"),
    ("rpc_port", "TCP port of the replication service, where it is fixed by policy; default: asked for at port 135"),
];

/// A checked configuration.
#[derive(Debug, Clone)]
pub(crate) struct PasswordSettings {
    pub(crate) account: Account,
    pub(crate) password: SecretReference,
    /// Empty: those of the connector.
    servers: Vec<Server>,
    pub(crate) rpc_port: Option<u16>,
}

/// An account in one of the forms that NTLM takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Account {
    InDomain {
        domain: String,
        user: String,
    },
    /// A user principal name.
    Principal(String),
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Account::InDomain { domain, user } => write!(f, "{domain}\\{user}"),
            Account::Principal(name) => f.write_str(name),
        }
    }
}

impl Account {
    fn parse(text: &str) -> Option<Account> {
        // Names are bounded (domains 255, accounts 256 units): what is longer is a mistake, and the protocol has 16 bits.
        let plausible =
            |part: &str| !part.is_empty() && part.chars().count() <= 256 && !part.contains(['=', ',', '\\']);
        match text.split_once('\\') {
            Some((domain, user)) if plausible(domain) && plausible(user) => {
                Some(Account::InDomain { domain: domain.to_owned(), user: user.to_owned() })
            }
            Some(_) => None,
            None => {
                let (user, suffix) = text.rsplit_once('@')?;
                (plausible(user) && plausible(suffix)).then(|| Account::Principal(text.to_owned()))
            }
        }
    }
}

impl PasswordSettings {
    /// Reads the table; relative paths are below `folder`. Every problem is reported.
    pub(crate) fn read(table: &SettingsTable, folder: &Path) -> Result<PasswordSettings, Vec<SettingProblem>> {
        let help = "name an account of its own, such as account = 'CORP\\svc-metasync-passwords'";
        let mut reader = SettingsReader::new(table);
        let text = reader.required_text("account", help);
        let account = Account::parse(&text);
        if account.is_none() && table.entries.contains_key("account") {
            let message = format!("`{text}` is neither of the form DOMAIN\\user nor user@domain");
            reader.invalid("account", message, "reading passwords signs in with NTLM, which knows no DNs");
        }
        let password = password(&mut reader, folder);
        let servers = optional_servers(&mut reader).unwrap_or_default();
        let rpc_port = reader.integer("rpc_port").map(|port| u16::try_from(port).ok().filter(|port| *port != 0));
        if rpc_port == Some(None) {
            reader.invalid("rpc_port", "`rpc_port` must lie between 1 and 65535", "leave it out to ask at port 135");
        }
        let problems = reader.finish();
        match (account, password) {
            (Some(account), Some(password)) if problems.is_empty() => {
                Ok(PasswordSettings { account, password, servers, rpc_port: rpc_port.flatten() })
            }
            _ => Err(problems),
        }
    }

    /// The connector's settings with this account: LDAP says who answers and why a sign-in is refused.
    pub(crate) fn over(&self, connector: &Settings) -> Settings {
        Settings {
            servers: if self.servers.is_empty() { connector.servers.clone() } else { self.servers.clone() },
            bind_user: self.account.to_string(),
            account_setting: "passwords.account",
            password: self.password.clone(),
            ..connector.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::settings_table;
    use expect_test::{Expect, expect};
    use metaverse_schema::{Setting, SettingValue};

    fn check(entries: &[(&str, SettingValue)], expect: Expect) {
        let seen = match PasswordSettings::read(&settings_table(entries), Path::new("/deployment")) {
            Ok(settings) => format!("{} {} {:?}\n", settings.account, settings.password, settings.rpc_port),
            Err(problems) => {
                problems.iter().map(|problem| format!("{}: {}\n", problem.code, problem.message)).collect()
            }
        };
        expect.assert_eq(&seen);
    }

    fn text(value: &str) -> SettingValue {
        SettingValue::Text(value.to_owned())
    }

    #[test]
    fn an_account_and_where_its_password_is() {
        let minimal = |account: &str| [("account", text(account)), ("password", text("file:secret"))];
        check(
            &minimal("CORP\\svc"),
            expect![[r"
            CORP\svc file:/deployment/secret None
        "]],
        );
        check(
            &minimal("svc@corp.example"),
            expect![[r"
            svc@corp.example file:/deployment/secret None
        "]],
        );
        check(
            &minimal("CN=svc,DC=corp"),
            expect![[r"
            setting-invalid: `CN=svc,DC=corp` is neither of the form DOMAIN\user nor user@domain
        "]],
        );
        check(
            &minimal("svc"),
            expect![[r"
            setting-invalid: `svc` is neither of the form DOMAIN\user nor user@domain
        "]],
        );
    }

    #[test]
    fn every_mistake_is_reported_at_once_and_no_secret_repeated() {
        let servers = SettingValue::List(vec![Setting { value: text("ldap://x"), span: 0..0 }]);
        check(
            &[
                ("password", text("hunter2")),
                ("rpc_port", SettingValue::Integer(65_536)),
                ("servers", servers),
                ("user", text("x")),
            ],
            expect![[r"
                setting-missing: the setting `account` is missing
                setting-invalid: a secret is named by `env:NAME`, `file:PATH` or `credential:NAME`; a secret itself does not belong in a configuration file
                setting-invalid: `ldap://x` is not a host name with an optional port
                setting-invalid: `rpc_port` must lie between 1 and 65535
                setting-unknown: there is no setting `user` here
            "]],
        );
    }

    #[test]
    fn every_known_setting_is_described() {
        let found = PasswordSettings::read(&settings_table(&[("nonsense", text("x"))]), Path::new("/d")).unwrap_err();
        let help = &found.last().unwrap().help;
        for (name, meaning) in PASSWORD_SETTINGS_HELP {
            assert!(help.contains(name) && !meaning.is_empty(), "{name} is not read");
        }
        assert_eq!(help.matches(", ").count() + 1, PASSWORD_SETTINGS_HELP.len(), "{help}");
    }
}
