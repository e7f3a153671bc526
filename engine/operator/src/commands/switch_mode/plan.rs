//! Which files of a deployment change on its way to Connect mode, and into what: text for text. Reads the folder, writes
//! nothing, asks nobody.

use crate::failure::Failure;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use sync_rules::shipped::CloudSchema;
use sync_rules::{CONFIGURATION_FILE, ShippedOptions, SourceAnchor, shipped_rules, shipped_tests};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// Relative to the folder.
    pub(super) name: String,
    /// None: it is not there yet.
    pub(super) before: Option<String>,
    pub(super) after: String,
    /// For the operator.
    pub(super) what: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct Plan {
    /// In the order in which they are written: metasync.toml last.
    pub(super) changes: Vec<Change>,
    /// metasync.toml with staging mode switched on and nothing else: written before everything, so that nothing is exported by
    /// half of the files.
    pub(super) staged: String,
    /// `rules/31-cloud-users.toml: my-rule`: rules that are not as they were shipped and would be gone.
    pub(super) own: Vec<String>,
    /// Tests that are not as they were shipped, for which Connect mode has other ones.
    pub(super) tests_left: Vec<String>,
}

impl Plan {
    pub(super) fn read(folder: &Path, cloud: &str, sources: &[&str], machine_id: &str) -> Result<Plan, Failure> {
        let mut plan = Plan::default();
        let mut options = ShippedOptions { cloud: CloudSchema::Connect, ..ShippedOptions::default() };
        let groups = format!("rules/32-{cloud}-groups.toml");
        if let Some(limit) = text(folder, &groups)?.as_deref().and_then(member_limit) {
            options.member_limit = limit;
        }
        for (name, after) in shipped_rules(&[("source", cloud)], &options) {
            if !name.contains(&format!("-{cloud}-")) {
                continue;
            }
            let before = text(folder, &name)?;
            plan.own.extend(before.as_deref().map(|before| own_rules(&name, before)).unwrap_or_default());
            plan.add(name, before, after, "the shipped rules of Connect mode");
        }
        plan.tests(folder, cloud, sources)?;
        let before = text(folder, CONFIGURATION_FILE)?.unwrap_or_default();
        plan.staged = staged(&before)?;
        let after = configuration(&plan.staged, cloud, machine_id)?;
        plan.add(
            CONFIGURATION_FILE.to_owned(),
            Some(before),
            after,
            "mode = \"connect\", a machine_id, staging = true",
        );
        Ok(plan)
    }

    fn add(&mut self, name: String, before: Option<String>, after: String, what: &'static str) {
        if before.as_deref() != Some(after.as_str()) {
            self.changes.push(Change { name, before, after, what });
        }
    }

    pub(super) fn after(&self, name: &str) -> Option<&str> {
        self.changes.iter().find(|change| change.name == name).map(|change| change.after.as_str())
    }

    /// Tests of the shipped rules that are as they were shipped give way to those of Connect mode.
    fn tests(&mut self, folder: &Path, cloud: &str, sources: &[&str]) -> Result<(), Failure> {
        let pairs: Vec<(&str, &str)> = sources.iter().map(|source| (*source, cloud)).collect();
        let mut found: BTreeMap<String, (String, Option<String>)> = BTreeMap::new();
        for (graph, connect) in choices() {
            let over_graph: BTreeMap<String, String> = shipped_tests(&pairs, &graph).into_iter().collect();
            for (name, after) in shipped_tests(&pairs, &connect) {
                let Some(before) = text(folder, &name)? else { continue };
                let as_shipped = over_graph.get(&name) == Some(&before);
                if before == after {
                    found.insert(name, (before, None));
                } else if as_shipped {
                    found.insert(name, (before, Some(after)));
                } else {
                    found.entry(name).or_insert((before, Some(String::new())));
                }
            }
        }
        for (name, (before, after)) in found {
            match after {
                Some(after) if after.is_empty() => self.tests_left.push(name),
                Some(after) => self.add(name, Some(before), after, "the tests of these rules"),
                None => {}
            }
        }
        Ok(())
    }
}

/// Everything by which the shipped tests differ, in either mode.
fn choices() -> Vec<(ShippedOptions, ShippedOptions)> {
    let anchors = [SourceAnchor::ConsistencyGuid, SourceAnchor::ObjectGuid, SourceAnchor::ConsistencyGuidWriteBack];
    let of = |source_anchor, sign_in_name_fallback| {
        let graph = ShippedOptions { source_anchor, sign_in_name_fallback, ..ShippedOptions::default() };
        let connect = ShippedOptions { cloud: CloudSchema::Connect, ..graph.clone() };
        (graph, connect)
    };
    anchors.into_iter().flat_map(|anchor| [of(anchor, false), of(anchor, true)]).collect()
}

/// None: there is no such file.
fn text(folder: &Path, name: &str) -> Result<Option<String>, Failure> {
    let path = folder.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::file("cannot read", &path, &error)),
    }
}

/// The number of members that the rules of this deployment let through.
fn member_limit(rules: &str) -> Option<u64> {
    let (_, rest) = rules.split_once("[memberCount] >= ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Rules of a file that are not as they were shipped: without a tag, or with one that does not fit.
fn own_rules(name: &str, text: &str) -> Vec<String> {
    let (root, _) = DeTable::parse_recoverable(text);
    let rules = match root.get_ref().get("rule").map(Spanned::get_ref) {
        Some(DeValue::Array(rules)) => rules.iter(),
        _ => [].iter(),
    };
    let own = rules.filter_map(|rule| {
        let DeValue::Table(rule) = rule.get_ref() else { return None };
        let said = |key: &str| match rule.get(key).map(Spanned::get_ref) {
            Some(DeValue::String(text)) => Some(text.to_string()),
            _ => None,
        };
        let is_shipped = said("tag").is_some_and(|tag| tag == sync_rules::shipped::fingerprint_of(rule));
        (!is_shipped).then(|| format!("{name}: {}", said("id").unwrap_or_else(|| "a rule without id".to_owned())))
    });
    own.collect()
}

/// metasync.toml in staging mode; every other byte stays.
fn staged(before: &str) -> Result<String, Failure> {
    let root = DeTable::parse(before).map_err(|error| by_hand(error.message()))?;
    let deployment = table(root.get_ref(), "deployment").ok_or_else(|| by_hand("there is no [deployment]"))?;
    let mut after = before.to_owned();
    match deployment.get("staging") {
        Some(staging) => after.replace_range(staging.span(), "true"),
        None => {
            let name = deployment.get("name").ok_or_else(|| by_hand("the deployment has no name"))?.span();
            after.insert_str(name.end, "\nstaging = true");
        }
    }
    Ok(after)
}

/// metasync.toml in Connect mode; every other byte stays.
fn configuration(before: &str, cloud: &str, machine_id: &str) -> Result<String, Failure> {
    let root = DeTable::parse(before).map_err(|error| by_hand(error.message()))?;
    let settings = table(root.get_ref(), "connector")
        .and_then(|connectors| table(connectors, cloud))
        .and_then(|connector| table(connector, "settings"))
        .ok_or_else(|| by_hand("the connector has no settings"))?;
    let mode = settings.get("mode").ok_or_else(|| by_hand("the connector does not say its mode"))?.span();
    let mut after = before.to_owned();
    after.replace_range(mode, "\"connect\"");
    let has_id =
        |settings: &DeTable<'_>| table(settings, "provisioning").is_some_and(|own| own.contains_key("machine_id"));
    if !has_id(settings) {
        if settings.contains_key("provisioning") {
            return Err(by_hand("the table `provisioning` has no machine_id"));
        }
        if !after.ends_with('\n') {
            after.push('\n');
        }
        after.push_str(&format!(
            "\n[connector.{cloud}.settings.provisioning]\n# By this id this deployment knows its own writes: another tool that \
             synchronises into the tenant stops an export.\nmachine_id = \"{machine_id}\"\n"
        ));
    }
    Ok(after)
}

fn by_hand(what: &str) -> Failure {
    Failure::new(
        "configuration-not-plain",
        format!("{CONFIGURATION_FILE} cannot be changed in place: {what}"),
        "write it by hand: staging = true under [deployment], and mode = \"connect\" for the connector",
    )
}

fn table<'a, 'b>(within: &'a DeTable<'b>, name: &str) -> Option<&'a DeTable<'b>> {
    match within.get(name)?.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    const BEFORE: &str = "[deployment]\nname = \"x\"  # ours\nstaging = false # look\n[connector.cloud]\nkind = \"azure-ad\"\n\
        [connector.cloud.settings]\nmode = \"graph\" # as yet\ntenant = \"t\"\n# the end";

    #[test]
    fn every_other_byte_of_the_configuration_stays() {
        expect![[r#"
            [deployment]
            name = "x"  # ours
            staging = true # look
            [connector.cloud]
            kind = "azure-ad"
            [connector.cloud.settings]
            mode = "connect" # as yet
            tenant = "t"
            # the end

            [connector.cloud.settings.provisioning]
            # By this id this deployment knows its own writes: another tool that synchronises into the tenant stops an export.
            machine_id = "m-1"
        "#]].assert_eq(&configuration(&staged(BEFORE).unwrap(), "cloud", "m-1").unwrap());
        assert_eq!(staged(BEFORE).unwrap(), BEFORE.replace("staging = false", "staging = true"));
        let without = BEFORE.replace("staging = false # look\n", "");
        assert!(staged(&without).unwrap().contains("name = \"x\"\nstaging = true  # ours\n"));
        let own = format!("{BEFORE}\n[connector.cloud.settings.provisioning]\nmachine_id = \"mine\"\n");
        assert!(!configuration(&own, "cloud", "m-1").unwrap().contains("m-1"));
    }

    /// What cannot be changed in place is said, with what to write by hand.
    #[test]
    fn a_configuration_that_is_not_plain_is_left_alone() {
        for text in [
            BEFORE.replace("mode = \"graph\" # as yet\n", ""),
            BEFORE.replace("[connector.cloud.settings]", "[other]"),
            format!("{BEFORE}\n[connector.cloud.settings.provisioning]\nbuild = \"1\"\n"),
        ] {
            let failure = configuration(&text, "cloud", "m-1").unwrap_err();
            assert_eq!(failure.code, "configuration-not-plain");
            assert!(failure.remedy.contains("by hand"));
        }
        for text in ["[deployment]\n", "[other]\nname = \"x\"\n", "[deployment"] {
            assert_eq!(staged(text).unwrap_err().code, "configuration-not-plain");
        }
    }

    /// A rule that was changed or added in a file that is exchanged is named; a shipped one is not.
    #[test]
    fn rules_of_the_operator_are_named() {
        let shipped = shipped_rules(&[("ad", "cloud")], &ShippedOptions::default());
        let (name, text) =
            shipped.iter().find(|(name, _)| name.ends_with("-users.toml") && name.contains("cloud")).unwrap();
        assert_eq!(own_rules(name, text), Vec::<String>::new());
        let changed = text.replace("Left([givenName], 64)", "Left([givenName], 32)");
        assert_eq!(own_rules(name, &changed), ["rules/31-cloud-users.toml: out-to-cloud-user-identity"]);
        let added = format!("{text}\n[[rule]]\nid = \"mine\"\n");
        assert_eq!(own_rules(name, &added), ["rules/31-cloud-users.toml: mine"]);
    }
}
