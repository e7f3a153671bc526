//! The rules that the product brings: for Active Directory (or a file with its schema) and Azure AD in Graph mode.
//! Fills in connector names and numbers; `init` writes the texts out, and from then on they belong to the operator.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

const METAVERSE: &str = include_str!("metaverse.toml");
const SOURCE_PERSON: &str = include_str!("source-person.toml");
const SOURCE_GROUP: &str = include_str!("source-group.toml");
const SOURCE_CONTACT: &str = include_str!("source-contact.toml");
const CLOUD_IN: &str = include_str!("cloud-in.toml");
const CLOUD_USER: &str = include_str!("cloud-user.toml");
const CLOUD_GROUP: &str = include_str!("cloud-group.toml");
const CLOUD_CONTACT: &str = include_str!("cloud-contact.toml");

/// What may differ between deployments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShippedOptions {
    /// Members of a group that the service takes at most (F5).
    pub member_limit: u64,
}

impl Default for ShippedOptions {
    fn default() -> Self {
        ShippedOptions { member_limit: 250_000 }
    }
}

/// The shipped rule files for these pairs of (source connector, cloud connector): name in the deployment folder, and
/// text. Precedence numbers start at 100 and, with one pair, are those of the rule set they come from (D1-D31). With
/// more connectors the rules of one kind stand together, by connector in the order given (S60).
pub fn shipped_rules(pairs: &[(&str, &str)], options: &ShippedOptions) -> Vec<(String, String)> {
    let sources = distinct(pairs.iter().map(|(source, _)| *source));
    let clouds = distinct(pairs.iter().map(|(_, cloud)| *cloud));
    let mut files = vec![("rules/10-metaverse.toml".to_owned(), METAVERSE.to_owned())];
    for source in &sources {
        let fill = |template: &str| template.replace("@SOURCE@", source);
        let person = |class: &str, title: &str| {
            fill(SOURCE_PERSON)
                .replace("@CLASS@", class)
                .replace("@TITLE@", title)
                .replace("@ID@", &class.to_ascii_lowercase())
        };
        // The twin of each rule for inetOrgPerson has the next number.
        let twin = shifted(&person("inetOrgPerson", "InetOrgPerson"), |number| number + 1);
        files.push((format!("rules/20-{source}-users.toml"), person("user", "User")));
        files.push((format!("rules/21-{source}-inetorgpersons.toml"), twin));
        files.push((format!("rules/22-{source}-groups.toml"), fill(SOURCE_GROUP)));
        files.push((format!("rules/23-{source}-contacts.toml"), fill(SOURCE_CONTACT)));
    }
    for cloud in &clouds {
        let limit = options.member_limit.to_string();
        let fill = |template: &str| template.replace("@CLOUD@", cloud).replace("@MEMBER_LIMIT@", &limit);
        files.push((format!("rules/30-{cloud}-in.toml"), fill(CLOUD_IN)));
        files.push((format!("rules/31-{cloud}-users.toml"), fill(CLOUD_USER)));
        files.push((format!("rules/32-{cloud}-groups.toml"), fill(CLOUD_GROUP)));
        files.push((format!("rules/33-{cloud}-contacts.toml"), fill(CLOUD_CONTACT)));
    }
    if sources.len() > 1 || clouds.len() > 1 {
        renumber(&mut files);
    }
    files
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

/// The number of a line `precedence = 123`.
fn precedence_of(line: &str) -> Option<u32> {
    line.strip_prefix("precedence = ")?.trim().parse().ok()
}

fn shifted(text: &str, mut change: impl FnMut(u32) -> u32) -> String {
    text.split_inclusive('\n')
        .map(|line| match precedence_of(line) {
            Some(number) => format!("precedence = {}\n", change(number)),
            None => line.to_owned(),
        })
        .collect()
}

/// Gives each rule a number of its own, in order of its template's number and then of its file.
fn renumber(files: &mut [(String, String)]) {
    let mut uses: BTreeMap<u32, u32> = BTreeMap::new();
    for (_, text) in files.iter() {
        text.lines().filter_map(precedence_of).for_each(|number| *uses.entry(number).or_default() += 1);
    }
    let mut next = 100;
    let mut first_of: BTreeMap<u32, u32> = BTreeMap::new();
    for (number, count) in uses {
        first_of.insert(number, next);
        next += count;
    }
    for (_, text) in files {
        *text = shifted(text, |number| {
            let slot = first_of.entry(number).or_insert(number);
            *slot += 1;
            *slot - 1
        });
    }
}
