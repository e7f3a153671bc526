//! Which columns an inventory may have, under which titles exports of Get-ADUser, Get-MsolUser and Get-MgUser write them, and
//! what a file without one cannot answer. One table; the guide lists it.

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Side {
    Directory,
    Tenant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Column {
    Name,
    Account,
    SignInName,
    Mail,
    Addresses,
    Enabled,
    /// Its opposite: Get-MsolUser says `BlockCredential`.
    Blocked,
    ObjectGuid,
    ConsistencyGuid,
    Dn,
    Alias,
    DisplayName,
    MailboxGuid,
    UserAccountControl,
    ImmutableId,
    Licensed,
    Licences,
    UserType,
    Synchronised,
    LastSynchronised,
    Roles,
    ObjectType,
    Deleted,
}

use Column::*;

impl Column {
    pub(crate) const ALL: [Column; 23] = [
        Name,
        Account,
        SignInName,
        Mail,
        Addresses,
        Enabled,
        Blocked,
        ObjectGuid,
        ConsistencyGuid,
        Dn,
        Alias,
        DisplayName,
        MailboxGuid,
        UserAccountControl,
        ImmutableId,
        Licensed,
        Licences,
        UserType,
        Synchronised,
        LastSynchronised,
        Roles,
        ObjectType,
        Deleted,
    ];
}

/// Titles as they are compared: lower case, letters and digits alone.
const DIRECTORY: &[(&str, Column)] = &[
    ("name", Name),
    ("samaccountname", Account),
    ("userprincipalname", SignInName),
    ("emailaddress", Mail),
    ("mail", Mail),
    ("proxyaddresses", Addresses),
    ("enabled", Enabled),
    ("objectguid", ObjectGuid),
    ("msdsconsistencyguid", ConsistencyGuid),
    ("distinguishedname", Dn),
    ("dn", Dn),
    ("mailnickname", Alias),
    ("displayname", DisplayName),
    ("msexchmailboxguid", MailboxGuid),
    ("useraccountcontrol", UserAccountControl),
];

const TENANT: &[(&str, Column)] = &[
    ("userprincipalname", SignInName),
    ("displayname", DisplayName),
    ("islicensed", Licensed),
    ("mail", Mail),
    ("emailaddress", Mail),
    ("primarysmtpaddress", Mail),
    ("proxyaddresses", Addresses),
    ("immutableid", ImmutableId),
    ("onpremisesimmutableid", ImmutableId),
    ("accountenabled", Enabled),
    ("blockcredential", Blocked),
    ("usertype", UserType),
    ("onpremisessyncenabled", Synchronised),
    ("lastdirsynctime", LastSynchronised),
    ("onpremiseslastsyncdatetime", LastSynchronised),
    ("roles", Roles),
    ("directoryroles", Roles),
    ("objecttype", ObjectType),
    ("deleteddatetime", Deleted),
    ("softdeletiontimestamp", Deleted),
    ("assignedlicenses", Licences),
    ("licenses", Licences),
];

/// Titles that only one of the two systems has.
const OF_DIRECTORY: [&str; 2] = ["samaccountname", "distinguishedname"];
const OF_TENANT: [&str; 6] =
    ["islicensed", "usertype", "accountenabled", "blockcredential", "immutableid", "onpremisesimmutableid"];

fn plain(title: &str) -> String {
    title.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

/// Whether a file of this side has the titles of the other one, and none of its own.
pub(crate) fn belongs_elsewhere<'a>(side: Side, titles: impl IntoIterator<Item = &'a str>) -> bool {
    let titles: Vec<String> = titles.into_iter().map(plain).collect();
    let has = |known: &[&str]| titles.iter().any(|title| known.contains(&title.as_str()));
    match side {
        Side::Directory => has(&OF_TENANT) && !has(&OF_DIRECTORY),
        Side::Tenant => has(&OF_DIRECTORY) && !has(&OF_TENANT),
    }
}

/// The column that a title names; none: the file may have more than is asked for.
pub(crate) fn column(side: Side, title: &str) -> Option<Column> {
    let plain = plain(title);
    let table = match side {
        Side::Directory => DIRECTORY,
        Side::Tenant => TENANT,
    };
    table.iter().find(|(known, _)| *known == plain).map(|(_, column)| *column)
}

/// What a file, or both, cannot answer, and the command that adds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct NotInFile {
    pub(crate) side: Side,
    pub(crate) question: &'static str,
    pub(crate) command: &'static str,
}

const EXPORT_DIRECTORY: &str = "Get-ADUser -Filter * -Properties EmailAddress,proxyAddresses,DisplayName,mailNickname,msExchMailboxGuid,mS-DS-ConsistencyGuid \
| Select-Object Name,SamAccountName,EmailAddress,UserPrincipalName,Enabled,ObjectGUID,DistinguishedName,DisplayName,mailNickname,\
@{n='mS-DS-ConsistencyGuid';e={if($_.'mS-DS-ConsistencyGuid'){[guid]$_.'mS-DS-ConsistencyGuid'}}},\
@{n='msExchMailboxGuid';e={if($_.msExchMailboxGuid){[guid]$_.msExchMailboxGuid}}},\
@{n='proxyAddresses';e={$_.proxyAddresses -join ';'}} | Export-Csv ad.csv -NoTypeInformation -Encoding UTF8";
const EXPORT_TENANT: &str = "Get-MgUser -All -Property UserPrincipalName,DisplayName,Mail,ProxyAddresses,AccountEnabled,OnPremisesImmutableId,OnPremisesSyncEnabled,UserType,AssignedLicenses \
| Select-Object UserPrincipalName,DisplayName,Mail,AccountEnabled,OnPremisesImmutableId,OnPremisesSyncEnabled,UserType,\
@{n='isLicensed';e={$_.AssignedLicenses.Count -gt 0}},@{n='ProxyAddresses';e={$_.ProxyAddresses -join ';'}} | Export-Csv cloud.csv -NoTypeInformation -Encoding UTF8";
const EXPORT_ROLES: &str = "Get-MgDirectoryRole -All | % { $role=$_; Get-MgDirectoryRoleMember -DirectoryRoleId $role.Id -All | % { [pscustomobject]@{Role=$role.DisplayName;UserPrincipalName=$_.AdditionalProperties.userPrincipalName} } } \
(write the roles of a user, joined by ';', into a column Roles of cloud.csv)";
const EXPORT_DELETED: &str = "Get-MgDirectoryDeletedItemAsUser -All -Property UserPrincipalName,DisplayName,Mail,OnPremisesImmutableId,DeletedDateTime \
| Select-Object UserPrincipalName,DisplayName,Mail,OnPremisesImmutableId,DeletedDateTime (append the rows to cloud.csv, which then has a column DeletedDateTime)";
const EXPORT_CONTACTS: &str = "Get-MgContact -All | Select-Object DisplayName,Mail,@{n='ObjectType';e={'Contact'}} and Get-MgGroup -All | Select-Object \
DisplayName,Mail,@{n='ObjectType';e={'Group'}} (append the rows to cloud.csv, which then has a column ObjectType)";

/// Question by question: by which columns it is answered (one of them is enough).
const QUESTIONS: &[(Side, &[Column], &str, &str)] = &[
    (
        Side::Directory,
        &[SignInName],
        "sign-in names: by which they match, how they change, suffixes that the tenant has not verified",
        EXPORT_DIRECTORY,
    ),
    (
        Side::Directory,
        &[Addresses],
        "further addresses: hits on secondary addresses, addresses that would be lost, duplicates among them",
        EXPORT_DIRECTORY,
    ),
    (
        Side::Directory,
        &[Enabled, UserAccountControl],
        "who is disabled: blocked in the cloud and enabled in the directory, and the reverse",
        EXPORT_DIRECTORY,
    ),
    (
        Side::Directory,
        &[ObjectGuid, ConsistencyGuid],
        "anchors: hard matches, and anchors of the tenant that nobody carries",
        EXPORT_DIRECTORY,
    ),
    (Side::Directory, &[MailboxGuid], "mailbox identifiers that a former mailbox left behind", EXPORT_DIRECTORY),
    (Side::Directory, &[Dn], "distinguished names: without them there is no LDIF to mend by", EXPORT_DIRECTORY),
    (
        Side::Tenant,
        &[Addresses, Mail],
        "addresses of the tenant: until then a sign-in name counts as the primary address",
        EXPORT_TENANT,
    ),
    (
        Side::Tenant,
        &[Addresses],
        "further addresses of the tenant: hits on secondary addresses, addresses that would be lost",
        EXPORT_TENANT,
    ),
    (Side::Tenant, &[Licensed, Licences], "licences", EXPORT_TENANT),
    (Side::Tenant, &[Enabled, Blocked], "who is blocked from signing in", EXPORT_TENANT),
    (Side::Tenant, &[ImmutableId], "immutable ids: hard matches, and anchors that nobody carries", EXPORT_TENANT),
    (Side::Tenant, &[UserType], "guests, other than by #EXT# in their sign-in name", EXPORT_TENANT),
    (Side::Tenant, &[Synchronised, LastSynchronised], "who is synchronised, or was", EXPORT_TENANT),
    (Side::Tenant, &[Roles], "who holds a directory role: such accounts are never taken over", EXPORT_ROLES),
    (Side::Tenant, &[Deleted], "the recycle bin: who would be created a second time", EXPORT_DELETED),
    (Side::Tenant, &[ObjectType], "contacts and groups that have a person's address", EXPORT_CONTACTS),
];

/// What no list of users answers.
const ELSEWHERE: &[(Side, &str, &str)] = &[
    (
        Side::Directory,
        "groups that are too large or of a kind that is not synchronised",
        "metasync init, then metasync assess in its folder, without files",
    ),
    (
        Side::Directory,
        "the state of the domain controller, its clock, and what the account may read",
        "metasync init, then metasync assess in its folder, without files",
    ),
    (
        Side::Tenant,
        "the tenant's state, its verified domains and clock, and certificates and secrets that are about to expire",
        "metasync init, then metasync assess in its folder, without files",
    ),
];

/// Everything that these columns cannot answer.
pub(crate) fn not_in_file(directory: impl Fn(Column) -> bool, tenant: impl Fn(Column) -> bool) -> Vec<NotInFile> {
    let has = |side: Side, columns: &[Column]| {
        columns.iter().any(|column| match side {
            Side::Directory => directory(*column),
            Side::Tenant => tenant(*column),
        })
    };
    let asked = QUESTIONS.iter().filter(|(side, columns, ..)| !has(*side, columns));
    asked
        .map(|(side, _, question, command)| NotInFile { side: *side, question, command })
        .chain(ELSEWHERE.iter().map(|(side, question, command)| NotInFile { side: *side, question, command }))
        .collect()
}
