//! What `init` needs to know: from flags, or asked on a terminal. Refuses secrets that are typed in place of a reference,
//! without repeating them.

use crate::cli::{EncryptionMode, Goal, InitArgs, MatchingMode, PackageChoice, Source, SourceAnchorChoice};
use crate::failure::Failure;
use clap::ValueEnum;
use connector_contract::SecretReference;
use metaverse_schema::{Plurality, ValueKind};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use sync_rules::shipped::CloudSchema;
use sync_rules::{Package, ShippedOptions, SourceAnchor};

/// Everything `init` writes down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answers {
    pub(crate) name: String,
    pub(crate) source: SourceAnswers,
    pub(crate) cloud: CloudAnswers,
    pub(crate) matching: MatchingMode,
    pub(crate) staging: bool,
    /// What the shipped rules are written for.
    pub(crate) rules: ShippedOptions,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SourceAnswers {
    ActiveDirectory(DirectoryAnswers),
    Ldif { file: PathBuf },
    Csv(CsvAnswers),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DirectoryAnswers {
    pub(crate) servers: Vec<String>,
    pub(crate) encryption: EncryptionMode,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) base: Option<String>,
    pub(crate) bind_user: String,
    pub(crate) password: String,
    pub(crate) containers: Vec<String>,
}

/// A CSV file and what its title line offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CsvAnswers {
    pub(crate) file: PathBuf,
    /// The column that identifies an object.
    pub(crate) anchor: String,
    /// Whether a column `objectClass` says of which type an object is.
    pub(crate) has_classes: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CloudAnswers {
    pub(crate) tenant: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) graph_url: Option<String>,
    pub(crate) authority_url: Option<String>,
    pub(crate) mode: CloudMode,
}

/// By which way the tenant is written; the goal decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CloudMode {
    /// Attributes, groups and new accounts; cloud users stay managed in the cloud.
    Graph,
    /// Active Directory masters the cloud's objects. The id is drawn for this deployment, which knows its own writes by it.
    Connect { machine_id: String },
}

/// Columns that can identify an object, best first.
const ANCHOR_COLUMNS: [&str; 5] = ["objectGUID", "employeeID", "employeeNumber", "sAMAccountName", "userPrincipalName"];

const REFERENCE_HELP: &str = "give env:NAME, file:PATH or credential:NAME; the secret itself belongs neither on a command line nor in metasync.toml";

/// Fills what the flags leave open by asking.
pub(crate) trait Ask {
    /// An answer, or the default where one is given and the answer is empty.
    fn text(&mut self, question: &str, default: Option<&str>) -> Result<String, Failure>;
    /// One of several; returns its place in the list.
    fn choice(&mut self, question: &str, options: &[(&str, &str)], default: usize) -> Result<usize, Failure>;
}

/// `--yes`: takes defaults, and names the flag that is missing where there is none.
pub(crate) struct AskNobody;

impl Ask for AskNobody {
    fn text(&mut self, question: &str, default: Option<&str>) -> Result<String, Failure> {
        default.map(str::to_owned).ok_or_else(|| {
            Failure::new(
                "answer-missing",
                format!("init needs to know: {question}"),
                "give the flag of that name (`metasync init --help`), or run init on a terminal without --yes",
            )
        })
    }

    fn choice(&mut self, _question: &str, _options: &[(&str, &str)], default: usize) -> Result<usize, Failure> {
        Ok(default)
    }
}

/// Questions on stderr, answers from stdin.
pub(crate) struct AskOperator;

impl AskOperator {
    /// Questions begin with the flag that answers them, which is of no use to somebody who is asked.
    fn line(&mut self, prompt: &str) -> Result<String, Failure> {
        let prompt = match prompt.strip_prefix("--").and_then(|flag| flag.split_once(": ")) {
            Some((_, question)) => question,
            None => prompt,
        };
        let mut err = std::io::stderr().lock();
        let _ = err.write_all(prompt.as_bytes()).and_then(|()| err.flush());
        let mut answer = String::new();
        match std::io::stdin().read_line(&mut answer) {
            Ok(0) => Err(Failure::new("cancelled", "init was given up; nothing was written", "")),
            Ok(_) => Ok(answer.trim().to_owned()),
            Err(error) => Err(Failure::new("terminal", format!("the answer cannot be read: {error}"), "")),
        }
    }
}

impl Ask for AskOperator {
    fn text(&mut self, question: &str, default: Option<&str>) -> Result<String, Failure> {
        loop {
            let answer = self.line(&match default {
                Some(default) if !default.is_empty() => format!("{question} [{default}]: "),
                _ => format!("{question}: "),
            })?;
            match (answer.is_empty(), default) {
                (false, _) => return Ok(answer),
                (true, Some(default)) => return Ok(default.to_owned()),
                (true, None) => {}
            }
        }
    }

    fn choice(&mut self, question: &str, options: &[(&str, &str)], default: usize) -> Result<usize, Failure> {
        let mut prompt = format!("{question}\n");
        for (index, (name, meaning)) in options.iter().enumerate() {
            prompt.push_str(&format!("  {}) {name}: {meaning}\n", index + 1));
        }
        loop {
            let answer = self.line(&format!("{prompt}choose [{}]: ", default + 1))?;
            if answer.is_empty() {
                return Ok(default);
            }
            let by_name = options.iter().position(|(name, _)| *name == answer);
            let by_number = answer.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            if let Some(choice) = by_name.or(by_number).filter(|choice| *choice < options.len()) {
                return Ok(choice);
            }
        }
    }
}

/// Puts flags, questions and defaults together. `folder` gives the deployment its default name.
pub(crate) fn gather(args: InitArgs, folder: &Path, ask: &mut dyn Ask) -> Result<Answers, Failure> {
    let default_name = folder.file_name().map_or("metasync".to_owned(), |name| name.to_string_lossy().into_owned());
    let name = match &args.name {
        Some(name) => name.clone(),
        None => ask.text("name of this deployment", Some(&default_name))?,
    };
    let source = source(&args, folder, ask)?;
    let mode = mode(&args, ask)?;
    let cloud = cloud(&args, mode, ask)?;
    let matching = match args.matching {
        Some(matching) => matching,
        None => {
            let options = [
                ("review", "candidates are listed, and joined only from a list that you approve"),
                ("automatic", "candidates are joined as they are found"),
                ("closed", "a new candidate is an error on that object"),
            ];
            match ask.choice("How are existing cloud users matched?", &options, 0)? {
                0 => MatchingMode::Review,
                1 => MatchingMode::Automatic,
                _ => MatchingMode::Closed,
            }
        }
    };
    let schema = match cloud.mode {
        CloudMode::Graph => CloudSchema::Graph,
        CloudMode::Connect { .. } => CloudSchema::Connect,
    };
    let rules = ShippedOptions { cloud: schema, ..rules(&args, &source, ask)? };
    Ok(Answers { name, source, cloud, matching, staging: !args.active, rules })
}

/// The choices among the shipped rules.
pub(super) fn rules(args: &InitArgs, source: &SourceAnswers, ask: &mut dyn Ask) -> Result<ShippedOptions, Failure> {
    let is_directory = matches!(source, SourceAnswers::ActiveDirectory(_));
    let anchor = match args.source_anchor {
        Some(anchor) => anchor,
        // A file is not written to.
        None if !is_directory => SourceAnchorChoice::ConsistencyGuid,
        None => {
            let options = [
                ("consistency-guid", "mS-DS-ConsistencyGuid where it is set, otherwise objectGUID; writes nothing"),
                (
                    "consistency-guid-writeback",
                    "the same, and accounts without it are given their objectGUID there; needs the right to write it",
                ),
                ("objectguid", "objectGUID alone; lost when an account moves to another forest"),
            ];
            match ask.choice("What identifies an account in the cloud for all its life?", &options, 0)? {
                0 => SourceAnchorChoice::ConsistencyGuid,
                1 => SourceAnchorChoice::ConsistencyGuidWriteback,
                _ => SourceAnchorChoice::Objectguid,
            }
        }
    };
    if anchor == SourceAnchorChoice::ConsistencyGuidWriteback && !is_directory {
        return Err(Failure::new(
            "write-back-needs-a-directory",
            "--source-anchor consistency-guid-writeback writes to Active Directory, and this source is a file",
            "take consistency-guid, or --source active-directory",
        ));
    }
    let login = match &args.login_attribute {
        Some(attribute) => attribute.clone(),
        None => ask.text(
            "--login-attribute: the attribute that people sign in to the cloud with",
            Some("userPrincipalName"),
        )?,
    };
    let login_attribute = match login.trim() {
        "userPrincipalName" | "" => None,
        attribute => Some(known_login_attribute(attribute)?),
    };
    Ok(ShippedOptions {
        source_anchor: match anchor {
            SourceAnchorChoice::Objectguid => SourceAnchor::ObjectGuid,
            SourceAnchorChoice::ConsistencyGuid => SourceAnchor::ConsistencyGuid,
            SourceAnchorChoice::ConsistencyGuidWriteback => SourceAnchor::ConsistencyGuidWriteBack,
        },
        login_attribute,
        sign_in_name_fallback: args.sign_in_name_fallback,
        packages: packages(args, ask)?,
        ..ShippedOptions::default()
    })
}

fn packages(args: &InitArgs, ask: &mut dyn Ask) -> Result<BTreeSet<Package>, Failure> {
    let mut choices = args.package.clone();
    if choices.is_empty() {
        let names: Vec<String> = PackageChoice::value_variants()
            .iter()
            .filter_map(|choice| Some(choice.to_possible_value()?.get_name().to_owned()))
            .collect();
        let question = format!("--package: further rules, of {} (empty: none)", names.join(", "));
        let answer = ask.text(&question, Some(""))?;
        for name in answer.split([',', ' ']).filter(|name| !name.is_empty()) {
            choices.push(PackageChoice::from_str(name, true).map_err(|_| {
                Failure::new(
                    "package-unknown",
                    format!("there is no package `{name}`"),
                    format!("known: {}", names.join(", ")),
                )
            })?);
        }
    }
    Ok(choices.into_iter().map(package).collect())
}

fn package(choice: PackageChoice) -> Package {
    match choice {
        PackageChoice::ExchangeHybrid => Package::ExchangeHybrid,
        PackageChoice::AccountExpires => Package::AccountExpires,
        PackageChoice::ForeignPrincipals => Package::ForeignPrincipals,
        PackageChoice::Devices => Package::Devices,
    }
}

/// It stands in expressions, so it must be the name of an attribute that holds one text.
fn known_login_attribute(attribute: &str) -> Result<String, Failure> {
    let known = metaverse_schema::active_directory::schema();
    let is_text = |kind, plurality| kind == ValueKind::Text && plurality == Plurality::Single;
    if known.attributes.get(attribute).is_some_and(|found| is_text(found.kind, found.plurality)) {
        return Ok(attribute.to_owned());
    }
    let same = known.attributes.keys().find(|name| name.as_str().eq_ignore_ascii_case(attribute));
    let remedy = match same {
        Some(name) => format!("names are case-sensitive: write `{name}`"),
        None => "take mail, employeeID or another one; for an attribute of your own change the flow to \
                 userPrincipalName in rules/20-ad-users.toml afterwards"
            .to_owned(),
    };
    Err(Failure::new(
        "login-attribute-unknown",
        format!("`{attribute}` is no attribute that holds one text of an account"),
        remedy,
    ))
}

pub(super) fn source(args: &InitArgs, folder: &Path, ask: &mut dyn Ask) -> Result<SourceAnswers, Failure> {
    let source = match args.source {
        Some(source) => source,
        None if args.file.is_some() => Source::Ldif,
        None => {
            let options = [
                ("active-directory", "a domain, read by LDAP"),
                ("ldif", "a file that ldifde or ldapsearch wrote"),
                ("csv", "a table with a title line"),
            ];
            match ask.choice("Where do people, groups and contacts come from?", &options, 0)? {
                0 => Source::ActiveDirectory,
                1 => Source::Ldif,
                _ => Source::Csv,
            }
        }
    };
    match source {
        Source::ActiveDirectory => Ok(SourceAnswers::ActiveDirectory(directory(args, ask)?)),
        Source::Ldif => Ok(SourceAnswers::Ldif { file: file(args, folder, ask)? }),
        Source::Csv => Ok(SourceAnswers::Csv(csv_table(file(args, folder, ask)?, folder)?)),
    }
}

fn directory(args: &InitArgs, ask: &mut dyn Ask) -> Result<DirectoryAnswers, Failure> {
    let servers = match args.server.as_slice() {
        [] => {
            let answer = ask.text("--server: the domain controller (host, or host:port)", None)?;
            answer.split([',', ' ']).filter(|part| !part.is_empty()).map(str::to_owned).collect()
        }
        servers => servers.to_vec(),
    };
    let encryption = match args.encryption {
        Some(encryption) => encryption,
        None => {
            let options = [("ldaps", "TLS from the first byte, port 636"), ("starttls", "TLS on port 389")];
            match ask.choice("How is the connection protected?", &options, 0)? {
                0 => EncryptionMode::Ldaps,
                _ => EncryptionMode::Starttls,
            }
        }
    };
    let ca_file = match &args.ca_file {
        Some(file) => Some(file.clone()),
        None => {
            let answer = ask.text(
                "--ca-file: PEM file of the authority that signed its certificate (empty: the system's)",
                Some(""),
            )?;
            (!answer.is_empty()).then(|| PathBuf::from(answer))
        }
    };
    let base = match &args.base {
        Some(base) => Some(base.clone()),
        None => {
            let answer = ask.text(
                "--base: the domain, such as DC=corp,DC=example,DC=com (empty: what the domain controller says)",
                Some(""),
            )?;
            (!answer.is_empty()).then_some(answer)
        }
    };
    let bind_user = match &args.bind_user {
        Some(user) => user.clone(),
        None => ask.text("--bind-user: the account to read with (CORP\\svc-metasync)", None)?,
    };
    let password =
        reference(args.password.as_deref(), "--password: where its password is", "env:METASYNC_AD_PASSWORD", ask)?;
    let containers = match args.container.as_slice() {
        [] => {
            let answer = ask.text(
                "--container: a container to import (empty: the whole domain; others later with `metasync scope`)",
                Some(""),
            )?;
            if answer.is_empty() { Vec::new() } else { vec![answer] }
        }
        containers => containers.to_vec(),
    };
    Ok(DirectoryAnswers { servers, encryption, ca_file, base, bind_user, password, containers })
}

fn cloud(args: &InitArgs, mode: CloudMode, ask: &mut dyn Ask) -> Result<CloudAnswers, Failure> {
    let tenant = match &args.tenant {
        Some(tenant) => tenant.clone(),
        None => ask.text("--tenant: the tenant's id or a verified domain (contoso.onmicrosoft.com)", None)?,
    };
    let client_id = match &args.client_id {
        Some(id) => id.clone(),
        None => ask.text("--client-id: application (client) id of the app registration", None)?,
    };
    let question = "--client-secret: where its secret is";
    let client_secret = reference(args.client_secret.as_deref(), question, "env:METASYNC_CLIENT_SECRET", ask)?;
    Ok(CloudAnswers {
        tenant,
        client_id,
        client_secret,
        graph_url: args.graph_url.clone(),
        authority_url: args.authority_url.clone(),
        mode,
    })
}

/// One password for both sides, and users that Active Directory masters, need the channel that the official tool uses;
/// everything else goes over the public interface.
fn mode(args: &InitArgs, ask: &mut dyn Ask) -> Result<CloudMode, Failure> {
    let goal = match args.goal {
        Some(goal) => goal,
        None if args.yes => {
            return Err(Failure::new(
                "answer-missing",
                "init needs to know what the synchronisation is for",
                "give --goal one-password (Active Directory masters the cloud's objects, in Connect mode) or --goal \
                 attributes (they stay managed in the cloud, over Microsoft Graph)",
            ));
        }
        None => {
            let options = [
                ("one-password", "Active Directory masters the cloud's users, groups and contacts (Connect mode)"),
                (
                    "attributes",
                    "attributes, groups and new accounts; cloud users stay managed in the cloud (Graph mode)",
                ),
            ];
            match ask.choice("What is the synchronisation for?", &options, 0)? {
                0 => Goal::OnePassword,
                _ => Goal::Attributes,
            }
        }
    };
    match goal {
        Goal::Attributes => Ok(CloudMode::Graph),
        Goal::OnePassword => CloudMode::connect(),
    }
}

impl CloudMode {
    /// Connect mode with an id that no other deployment has (a version 4 GUID, RFC 9562).
    pub(crate) fn connect() -> Result<CloudMode, Failure> {
        let mut bytes = [0u8; 16];
        getrandom::fill(&mut bytes).map_err(|error| {
            Failure::new("randomness", format!("the operating system gave no random bytes: {error}"), "")
        })?;
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let machine_id = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        Ok(CloudMode::Connect { machine_id })
    }
}

fn reference(given: Option<&str>, question: &str, default: &str, ask: &mut dyn Ask) -> Result<String, Failure> {
    let text = match given {
        Some(text) => text.to_owned(),
        None => ask.text(question, Some(default))?,
    };
    match text.parse::<SecretReference>() {
        Ok(_) => Ok(text),
        // The text may be the secret itself.
        Err(_) => Err(Failure::new(
            "secret-not-a-reference",
            format!("{question}: what was given is not a reference to a secret"),
            REFERENCE_HELP,
        )),
    }
}

/// The file, as it will stand in `metasync.toml`: relative to the deployment where it lies in it, else absolute.
fn file(args: &InitArgs, folder: &Path, ask: &mut dyn Ask) -> Result<PathBuf, Failure> {
    let given = match &args.file {
        Some(file) => file.clone(),
        None => PathBuf::from(ask.text("--file: the file to read", None)?),
    };
    let file = std::fs::canonicalize(&given).map_err(|error| Failure::file("cannot find", &given, &error))?;
    let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
    Ok(file.strip_prefix(&folder).map(Path::to_path_buf).unwrap_or(file))
}

fn csv_table(file: PathBuf, folder: &Path) -> Result<CsvAnswers, Failure> {
    let path = folder.join(&file);
    let unreadable = |error: csv::Error| {
        Failure::new(
            "file",
            format!("cannot read the title line of {}: {error}", path.display()),
            "the file must be a CSV file in UTF-8",
        )
    };
    let mut reader = csv::ReaderBuilder::new().from_path(&path).map_err(unreadable)?;
    let titles: Vec<String> = reader
        .headers()
        .map_err(unreadable)?
        .iter()
        .map(|title| title.trim().trim_start_matches('\u{feff}').to_owned())
        .collect();
    let known = |wanted: &&&str| titles.iter().any(|title| title == **wanted);
    let Some(anchor) = ANCHOR_COLUMNS.iter().find(known) else {
        return Err(Failure::new(
            "csv-anchor-missing",
            format!(
                "{} has no column that identifies a person for all time; it has: {}",
                path.display(),
                titles.join(", ")
            ),
            format!("add one of {} (columns are named as in Active Directory)", ANCHOR_COLUMNS.join(", ")),
        ));
    };
    Ok(CsvAnswers {
        file,
        anchor: (*anchor).to_owned(),
        has_classes: titles.iter().any(|title| title == "objectClass"),
    })
}
