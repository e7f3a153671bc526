//! What stands in the way of password synchronisation, on either side and by name, for `check`. Reads no password.

use crate::context::Opened;
use connector_contract::{CheckFinding, Connector, Severity};
use sync_rules::{Direction, PasswordSettings, RuleSet};

/// What the deployment asks for.
#[derive(Clone)]
pub(crate) struct PasswordCheck {
    settings: PasswordSettings,
    /// Connectors of which a rule with `password_sync = true` reads or writes, by direction.
    inbound: Vec<String>,
    outbound: Vec<String>,
}

impl PasswordCheck {
    pub(crate) fn of(opened: &Opened) -> Self {
        PasswordCheck::new(&opened.deployment.passwords, &opened.rules)
    }

    fn new(settings: &PasswordSettings, rules: &RuleSet) -> Self {
        let switched = |direction: Direction| {
            let rules = rules.rules.iter().filter(|rule| rule.password_sync && rule.direction == direction);
            rules.map(|rule| rule.connector.to_string()).collect()
        };
        PasswordCheck {
            settings: settings.clone(),
            inbound: switched(Direction::Inbound),
            outbound: switched(Direction::Outbound),
        }
    }

    pub(crate) async fn check(&self, name: &str, connector: &dyn Connector) -> Vec<CheckFinding> {
        if !self.settings.is_on() {
            return Vec::new();
        }
        if self.settings.from.iter().any(|source| **source == *name) {
            self.source(name, connector)
        } else if self.settings.to.iter().any(|target| **target == *name) {
            self.target(name, connector).await
        } else {
            Vec::new()
        }
    }

    fn source(&self, name: &str, connector: &dyn Connector) -> Vec<CheckFinding> {
        let mut findings = Vec::new();
        match connector.password_source() {
            None => findings.push(finding(
                Severity::Error,
                "passwords-no-source",
                format!("[passwords] reads from `{name}`, which is not set up for it"),
                "say in its settings where hashes are read and with which account (the table `passwords`), or take it out of `from`",
            )),
            Some(_) => findings.push(finding(Severity::Ok, "passwords-source", "password hashes are read here", "")),
        }
        findings.extend(self.switch(name, &self.inbound, "inbound"));
        findings
    }

    async fn target(&self, name: &str, connector: &dyn Connector) -> Vec<CheckFinding> {
        let mut findings = Vec::new();
        match connector.password_target() {
            None => findings.push(finding(
                Severity::Error,
                "passwords-no-target",
                format!("[passwords] writes to `{name}`, which takes no password hashes"),
                "Azure AD takes them in Connect mode only; or take it out of `to`",
            )),
            Some(target) => findings.push(match target.ping().await {
                Ok(()) => finding(Severity::Ok, "passwords-target", "password hashes are taken here", ""),
                Err(error) => finding(
                    Severity::Error,
                    "passwords-target-refuses",
                    format!("{}: {}", error.attempted, error.message),
                    &error.remedy,
                ),
            }),
        }
        findings.extend(self.switch(name, &self.outbound, "outbound"));
        findings
    }

    /// P12: without a switch on both ways nobody is in scope.
    fn switch(&self, name: &str, switched: &[String], direction: &str) -> Option<CheckFinding> {
        let remedy = "write password_sync = true into the rule for enabled accounts and into the one that joins users";
        (!switched.iter().any(|connector| connector == name)).then(|| {
            let message = format!("no {direction} rule of `{name}` has password_sync = true: nobody is in scope");
            finding(Severity::Error, "passwords-no-rule", message, remedy)
        })
    }
}

fn finding(severity: Severity, code: &str, message: impl Into<String>, remedy: &str) -> CheckFinding {
    CheckFinding { severity, code: code.to_owned(), message: message.into(), remedy: remedy.to_owned() }
}
