//! `metasync demo`, `init`, `assess`, `check`: what can be typed before and while a deployment is set up.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// Where to write the demo's deployment; a numbered folder beside it if it exists [default: metasync-demo]
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// Tell it in Graph mode: cloud users stay managed in the cloud, contacts and distribution lists are left out
    #[arg(long)]
    pub(crate) graph: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Source {
    /// A domain controller, by LDAP
    ActiveDirectory,
    /// A file as ldifde and ldapsearch write it
    Ldif,
    /// A table with columns named as in Active Directory
    Csv,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Goal {
    /// People sign in to the cloud with their Active Directory password, AD masters the cloud users
    OnePassword,
    /// Attributes, groups and new accounts only; cloud users stay managed in the cloud
    Attributes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MatchingMode {
    /// List match candidates and join only what an approved list names
    Review,
    /// Join every match candidate at once
    Automatic,
    /// A new candidate is an error on that object
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SourceAnchorChoice {
    /// objectGUID: never changes while the account stays in its forest, and is lost when it moves to another
    Objectguid,
    /// mS-DS-ConsistencyGuid where it is set, otherwise objectGUID; writes nothing to the directory
    ConsistencyGuid,
    /// The same, and accounts without it are given their objectGUID there before they are exported to the cloud
    ConsistencyGuidWriteback,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PackageChoice {
    /// The technical attributes of Exchange; only where both sides belong to one Exchange organisation
    ExchangeHybrid,
    /// An account whose accountExpires has passed counts as disabled
    AccountExpires,
    /// Accounts of another forest as members of groups of this one
    ForeignPrincipals,
    /// Computers that registered themselves for hybrid join
    Devices,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EncryptionMode {
    /// TLS from the first byte, port 636
    Ldaps,
    /// TLS by StartTLS, port 389
    Starttls,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct InitArgs {
    /// Ask nothing; what is not given takes its default, and what has none is an error
    #[arg(long)]
    pub(crate) yes: bool,
    /// Name of the deployment, for reports [default: the folder's name]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Add one more source of this name to the deployment that exists, behind those that are there
    #[arg(long, value_name = "NAME")]
    pub(crate) add_source: Option<String>,
    /// Where people, groups and contacts come from
    #[arg(long, value_enum)]
    pub(crate) source: Option<Source>,
    /// Domain controller, HOST or HOST:PORT; may be repeated, in order of preference
    #[arg(long, value_name = "HOST")]
    pub(crate) server: Vec<String>,
    /// How the connection to the domain controller is protected [default: ldaps]
    #[arg(long, value_enum)]
    pub(crate) encryption: Option<EncryptionMode>,
    /// PEM file of the authority that signed the domain controller's certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The domain's naming context [default: the one the domain controller names]
    #[arg(long, value_name = "DN")]
    pub(crate) base: Option<String>,
    /// Account to sign in with: `DOMAIN\user`, `user@domain` or its DN
    #[arg(long, value_name = "USER")]
    pub(crate) bind_user: Option<String>,
    /// Where its password is: env:NAME, file:PATH or credential:NAME; never the password itself
    #[arg(long, value_name = "REFERENCE")]
    pub(crate) password: Option<String>,
    /// Container to import with everything below; may be repeated [default: the whole domain]
    #[arg(long, value_name = "DN")]
    pub(crate) container: Vec<String>,
    /// LDIF or CSV file to read
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// What the synchronisation is for
    #[arg(long, value_enum)]
    pub(crate) goal: Option<Goal>,
    /// The tenant: its id or one of its verified domains
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// Application (client) id of the app registration
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Where its secret is: env:NAME, file:PATH or credential:NAME; never the secret itself
    #[arg(long, value_name = "REFERENCE")]
    pub(crate) client_secret: Option<String>,
    /// Microsoft Graph of a national cloud or of a rehearsal tenant
    #[arg(long, value_name = "URL")]
    pub(crate) graph_url: Option<String>,
    /// Token service of a national cloud or of a rehearsal tenant
    #[arg(long, value_name = "URL")]
    pub(crate) authority_url: Option<String>,
    /// What identifies an account in the cloud for all its life [default: consistency-guid]
    #[arg(long, value_enum)]
    pub(crate) source_anchor: Option<SourceAnchorChoice>,
    /// The attribute that people sign in to the cloud with, such as `mail` [default: userPrincipalName]
    #[arg(long, value_name = "ATTRIBUTE")]
    pub(crate) login_attribute: Option<String>,
    /// Give accounts without a sign-in name sAMAccountName@DOMAIN; without it they are listed and left out
    #[arg(long)]
    pub(crate) sign_in_name_fallback: bool,
    /// Rules beyond those that every deployment has; may be repeated
    #[arg(long, value_enum, value_name = "PACKAGE")]
    pub(crate) package: Vec<PackageChoice>,
    /// Whether new matches with existing cloud users are made [default: review]
    #[arg(long, value_enum)]
    pub(crate) matching: Option<MatchingMode>,
    /// Write a deployment that may export; without it, it starts in staging mode
    #[arg(long)]
    pub(crate) active: bool,
}

#[derive(Debug, Clone, Default, Args)]
#[command(
    after_help = "In a deployment (--deployment DIR) without --ad and --cloud, the report comes from the systems: every connector is \
read in full and everything is decided by the deployment's rules, in a private copy that is thrown away. Nothing is exported, and the \
deployment stays as it is. Beside each class stands what the engine decides.

With two files no deployment is needed. The directory's file has at least the columns Name,SamAccountName,EmailAddress, the tenant's file \
    userprincipalname,displayname,islicensed:

  Get-ADUser -Filter * -Properties EmailAddress | Select-Object Name,SamAccountName,EmailAddress | Export-Csv ad.csv -NoTypeInformation
  Get-MgUser -All -Property UserPrincipalName,DisplayName,AssignedLicenses | Select-Object UserPrincipalName,DisplayName,\
    @{n='isLicensed';e={$_.AssignedLicenses.Count -gt 0}} | Export-Csv cloud.csv -NoTypeInformation

What the files cannot answer is listed with the command that adds it. UTF-8 or UTF-16; comma, semicolon or tab. Ends with 3 \
when something is to be mended or decided before the first export, otherwise with 0."
)]
pub(crate) struct AssessArgs {
    /// Inventory of the directory: CSV, as Export-Csv writes it
    #[arg(long, value_name = "FILE", requires = "cloud")]
    pub(crate) ad: Option<PathBuf>,
    /// Inventory of the tenant: CSV, as Export-Csv writes it
    #[arg(long, value_name = "FILE", requires = "ad")]
    pub(crate) cloud: Option<PathBuf>,
    /// Without files: the Azure AD connector to judge against, where the deployment has several
    #[arg(long, value_name = "NAME", conflicts_with = "ad")]
    pub(crate) connector: Option<String>,
    /// A verified domain of the tenant; may be repeated [default: what the tenant says; with files, the domains of sign-in names]
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) verified_domain: Vec<String>,
    /// The suffix that sign-in names with another one should get [default: the verified domain of most users]
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) suffix: Option<String>,
    /// The whole list as CSV on stdout
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    /// Write the report as one HTML page
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write what the directory should hold instead as PowerShell
    #[arg(long, value_name = "FILE")]
    pub(crate) fix_powershell: Option<PathBuf>,
    /// Write what the directory should hold instead as LDIF
    #[arg(long, value_name = "FILE")]
    pub(crate) fix_ldif: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CheckArgs {
    /// Check the files only, connect to nothing
    #[arg(long)]
    pub(crate) offline: bool,
}
