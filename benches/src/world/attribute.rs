//! The attributes of the world, as a domain controller's schema defines them: those of Active Directory with the values that
//! a real one has (compared by a test), and those that Exchange adds. What is not here, the world does not have.

/// One attribute in a domain controller's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    pub attribute: Attribute,
    /// `lDAPDisplayName`.
    pub name: &'static str,
    /// `attributeSyntax` (MS-ADTS 3.1.1.2.2.2).
    pub syntax: &'static str,
    /// `oMSyntax`, which goes with it.
    pub om_syntax: u8,
    /// `isSingleValued`.
    pub single: bool,
    /// `linkID`; an odd one is a back link.
    pub link: Option<u16>,
    /// `systemFlags`; bit 0 says that the attribute is not replicated, bit 2 that it is computed.
    pub system_flags: u32,
    pub system_only: bool,
    /// Only in forests that Exchange has prepared.
    pub exchange: bool,
}

/// `systemFlags` of an attribute (MS-ADTS 2.2.10).
const NOT_REPLICATED: u32 = 1;
const CONSTRUCTED: u32 = 4;

impl Definition {
    /// Whether DirSync tells of it.
    pub fn is_replicated(&self) -> bool {
        self.system_flags & (NOT_REPLICATED | CONSTRUCTED) == 0
    }

    /// Whether values are bytes that need not be text.
    pub fn is_binary(&self) -> bool {
        matches!(self.syntax, "2.5.5.10" | "2.5.5.17")
    }

    pub fn is_reference(&self) -> bool {
        self.syntax == "2.5.5.1"
    }
}

impl Attribute {
    pub fn definition(self) -> &'static Definition {
        // The table stands in the order of the enumeration; a test says so.
        &ATTRIBUTES[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.definition().name
    }

    /// By its name, compared without case.
    pub fn find(name: &str) -> Option<Attribute> {
        ATTRIBUTES.iter().find(|known| known.name.eq_ignore_ascii_case(name)).map(|known| known.attribute)
    }
}

/// The row of the table for an attribute.
#[expect(clippy::too_many_arguments, reason = "a row of a table, in the order of its columns")]
const fn row(
    attribute: Attribute,
    name: &'static str,
    syntax: &'static str,
    om_syntax: u8,
    single: bool,
    link: Option<u16>,
    system_flags: u32,
    system_only: bool,
    exchange: bool,
) -> Definition {
    Definition { attribute, name, syntax, om_syntax, single, link, system_flags, system_only, exchange }
}

/// An attribute of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Attribute {
    ObjectClass,
    ObjectGUID,
    ObjectSid,
    Cn,
    Ou,
    Name,
    Dc,
    DistinguishedName,
    ParentGUID,
    ObjectCategory,
    InstanceType,
    WhenCreated,
    WhenChanged,
    USNCreated,
    USNChanged,
    IsDeleted,
    IsRecycled,
    LastKnownParent,
    DisplayName,
    GivenName,
    Sn,
    Initials,
    Mail,
    UserPrincipalName,
    SAMAccountName,
    SAMAccountType,
    ProxyAddresses,
    Department,
    Title,
    Company,
    Division,
    TelephoneNumber,
    Mobile,
    StreetAddress,
    L,
    St,
    PostalCode,
    Co,
    C,
    CountryCode,
    PhysicalDeliveryOfficeName,
    EmployeeID,
    EmployeeNumber,
    Manager,
    UserAccountControl,
    AccountExpires,
    PwdLastSet,
    PrimaryGroupID,
    Description,
    AdminDescription,
    ThumbnailPhoto,
    UserCertificate,
    Comment,
    ScriptPath,
    ProfilePath,
    HomeDirectory,
    HomeDrive,
    UserWorkstations,
    CodePage,
    BadPwdCount,
    LogonCount,
    LastLogon,
    LastLogoff,
    BadPasswordTime,
    CarLicense,
    RoomNumber,
    DepartmentNumber,
    PersonalTitle,
    HomePostalAddress,
    Uid,
    AdminDisplayName,
    ExtensionName,
    InternationalISDNNumber,
    GroupType,
    Member,
    ManagedBy,
    MemberOf,
    DirectReports,
    DNSHostName,
    OperatingSystem,
    IsCriticalSystemObject,
    MSDSConsistencyGuid,
    LastLogonTimestamp,
    TokenGroups,
    InvocationId,
    LegacyExchangeDN,
    MailNickname,
    HomeMDB,
    TargetAddress,
    MsExchHomeServerName,
    MsExchMailboxGuid,
    MsExchRecipientTypeDetails,
    MsExchRecipientDisplayType,
    MsExchVersion,
    MsExchUserAccountControl,
    MsExchPoliciesIncluded,
    MsExchTextMessagingState,
    MsExchUMDtmfMap,
    MsExchWhenMailboxCreated,
    MsExchMDBRulesQuota,
    MsExchElcMailboxFlags,
    MsExchMobileMailboxFlags,
    MsExchUserCulture,
    MsExchArchiveQuota,
    MsExchArchiveWarnQuota,
    MsExchCalendarLoggingQuota,
    MsExchDumpsterQuota,
    MsExchDumpsterWarningQuota,
    MDBUseDefaults,
    MsExchHideFromAddressLists,
    MsExchMailboxAuditEnable,
    MsExchSafeSendersHash,
    ExtensionAttribute1,
    ExtensionAttribute2,
    ExtensionAttribute5,
}

/// Name, syntax, oMSyntax, single-valued, linkID, systemFlags, systemOnly, of Exchange.
pub const ATTRIBUTES: &[Definition] = &[
    row(Attribute::ObjectClass, "objectClass", "2.5.5.2", 6, false, None, 18, true, false),
    row(Attribute::ObjectGUID, "objectGUID", "2.5.5.10", 4, true, None, 19, true, false),
    row(Attribute::ObjectSid, "objectSid", "2.5.5.17", 4, true, None, 18, true, false),
    row(Attribute::Cn, "cn", "2.5.5.12", 64, true, None, 18, false, false),
    row(Attribute::Ou, "ou", "2.5.5.12", 64, false, None, 18, false, false),
    row(Attribute::Name, "name", "2.5.5.12", 64, true, None, 18, true, false),
    row(Attribute::Dc, "dc", "2.5.5.12", 64, true, None, 18, false, false),
    row(Attribute::DistinguishedName, "distinguishedName", "2.5.5.1", 127, true, None, 19, true, false),
    row(Attribute::ParentGUID, "parentGUID", "2.5.5.10", 4, true, None, 134217748, true, false),
    row(Attribute::ObjectCategory, "objectCategory", "2.5.5.1", 127, true, None, 18, false, false),
    row(Attribute::InstanceType, "instanceType", "2.5.5.9", 2, true, None, 18, true, false),
    row(Attribute::WhenCreated, "whenCreated", "2.5.5.11", 24, true, None, 18, true, false),
    row(Attribute::WhenChanged, "whenChanged", "2.5.5.11", 24, true, None, 19, true, false),
    row(Attribute::USNCreated, "uSNCreated", "2.5.5.16", 65, true, None, 19, true, false),
    row(Attribute::USNChanged, "uSNChanged", "2.5.5.16", 65, true, None, 19, true, false),
    row(Attribute::IsDeleted, "isDeleted", "2.5.5.8", 1, true, None, 18, true, false),
    row(Attribute::IsRecycled, "isRecycled", "2.5.5.8", 1, true, None, 18, true, false),
    row(Attribute::LastKnownParent, "lastKnownParent", "2.5.5.1", 127, true, None, 16, false, false),
    row(Attribute::DisplayName, "displayName", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::GivenName, "givenName", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::Sn, "sn", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::Initials, "initials", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::Mail, "mail", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::UserPrincipalName, "userPrincipalName", "2.5.5.12", 64, true, None, 18, false, false),
    row(Attribute::SAMAccountName, "sAMAccountName", "2.5.5.12", 64, true, None, 18, false, false),
    row(Attribute::SAMAccountType, "sAMAccountType", "2.5.5.9", 2, true, None, 18, false, false),
    row(Attribute::ProxyAddresses, "proxyAddresses", "2.5.5.12", 64, false, None, 16, false, false),
    row(Attribute::Department, "department", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::Title, "title", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::Company, "company", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::Division, "division", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::TelephoneNumber, "telephoneNumber", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::Mobile, "mobile", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::StreetAddress, "streetAddress", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::L, "l", "2.5.5.12", 64, true, None, 18, false, false),
    row(Attribute::St, "st", "2.5.5.12", 64, true, None, 18, false, false),
    row(Attribute::PostalCode, "postalCode", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::Co, "co", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::C, "c", "2.5.5.12", 64, true, None, 18, false, false),
    row(Attribute::CountryCode, "countryCode", "2.5.5.9", 2, true, None, 16, false, false),
    row(
        Attribute::PhysicalDeliveryOfficeName,
        "physicalDeliveryOfficeName",
        "2.5.5.12",
        64,
        true,
        None,
        16,
        false,
        false,
    ),
    row(Attribute::EmployeeID, "employeeID", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::EmployeeNumber, "employeeNumber", "2.5.5.12", 64, true, None, 0, false, false),
    row(Attribute::Manager, "manager", "2.5.5.1", 127, true, Some(42), 16, false, false),
    row(Attribute::UserAccountControl, "userAccountControl", "2.5.5.9", 2, true, None, 18, false, false),
    row(Attribute::AccountExpires, "accountExpires", "2.5.5.16", 65, true, None, 16, false, false),
    row(Attribute::PwdLastSet, "pwdLastSet", "2.5.5.16", 65, true, None, 16, false, false),
    row(Attribute::PrimaryGroupID, "primaryGroupID", "2.5.5.9", 2, true, None, 18, false, false),
    row(Attribute::Description, "description", "2.5.5.12", 64, false, None, 16, false, false),
    row(Attribute::AdminDescription, "adminDescription", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::ThumbnailPhoto, "thumbnailPhoto", "2.5.5.10", 4, true, None, 16, false, false),
    row(Attribute::UserCertificate, "userCertificate", "2.5.5.10", 4, false, None, 16, false, false),
    row(Attribute::Comment, "comment", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::ScriptPath, "scriptPath", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::ProfilePath, "profilePath", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::HomeDirectory, "homeDirectory", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::HomeDrive, "homeDrive", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::UserWorkstations, "userWorkstations", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::CodePage, "codePage", "2.5.5.9", 2, true, None, 16, false, false),
    row(Attribute::BadPwdCount, "badPwdCount", "2.5.5.9", 2, true, None, 17, false, false),
    row(Attribute::LogonCount, "logonCount", "2.5.5.9", 2, true, None, 17, false, false),
    row(Attribute::LastLogon, "lastLogon", "2.5.5.16", 65, true, None, 17, false, false),
    row(Attribute::LastLogoff, "lastLogoff", "2.5.5.16", 65, true, None, 17, false, false),
    row(Attribute::BadPasswordTime, "badPasswordTime", "2.5.5.16", 65, true, None, 17, false, false),
    row(Attribute::CarLicense, "carLicense", "2.5.5.12", 64, false, None, 0, false, false),
    row(Attribute::RoomNumber, "roomNumber", "2.5.5.12", 64, false, None, 0, false, false),
    row(Attribute::DepartmentNumber, "departmentNumber", "2.5.5.12", 64, false, None, 0, false, false),
    row(Attribute::PersonalTitle, "personalTitle", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::HomePostalAddress, "homePostalAddress", "2.5.5.12", 64, true, None, 0, false, false),
    row(Attribute::Uid, "uid", "2.5.5.12", 64, false, None, 0, false, false),
    row(Attribute::AdminDisplayName, "adminDisplayName", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::ExtensionName, "extensionName", "2.5.5.12", 64, false, None, 16, false, false),
    row(Attribute::InternationalISDNNumber, "internationalISDNNumber", "2.5.5.6", 18, false, None, 16, false, false),
    row(Attribute::GroupType, "groupType", "2.5.5.9", 2, true, None, 18, false, false),
    row(Attribute::Member, "member", "2.5.5.1", 127, false, Some(2), 18, false, false),
    row(Attribute::ManagedBy, "managedBy", "2.5.5.1", 127, true, Some(72), 16, false, false),
    row(Attribute::MemberOf, "memberOf", "2.5.5.1", 127, false, Some(3), 17, true, false),
    row(Attribute::DirectReports, "directReports", "2.5.5.1", 127, false, Some(43), 17, true, false),
    row(Attribute::DNSHostName, "dNSHostName", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::OperatingSystem, "operatingSystem", "2.5.5.12", 64, true, None, 16, false, false),
    row(Attribute::IsCriticalSystemObject, "isCriticalSystemObject", "2.5.5.8", 1, true, None, 16, false, false),
    row(Attribute::MSDSConsistencyGuid, "mS-DS-ConsistencyGuid", "2.5.5.10", 4, true, None, 16, false, false),
    row(Attribute::LastLogonTimestamp, "lastLogonTimestamp", "2.5.5.16", 65, true, None, 16, false, false),
    row(Attribute::TokenGroups, "tokenGroups", "2.5.5.17", 4, false, None, 134217748, false, false),
    row(Attribute::InvocationId, "invocationId", "2.5.5.10", 4, true, None, 16, true, false),
    row(Attribute::LegacyExchangeDN, "legacyExchangeDN", "2.5.5.4", 20, true, None, 16, false, false),
    row(Attribute::MailNickname, "mailNickname", "2.5.5.12", 64, true, None, 16, false, true),
    row(Attribute::HomeMDB, "homeMDB", "2.5.5.12", 64, true, None, 16, false, true),
    row(Attribute::TargetAddress, "targetAddress", "2.5.5.12", 64, true, None, 16, false, true),
    row(Attribute::MsExchHomeServerName, "msExchHomeServerName", "2.5.5.12", 64, true, None, 16, false, true),
    row(Attribute::MsExchMailboxGuid, "msExchMailboxGuid", "2.5.5.10", 4, true, None, 16, false, true),
    row(
        Attribute::MsExchRecipientTypeDetails,
        "msExchRecipientTypeDetails",
        "2.5.5.16",
        65,
        true,
        None,
        16,
        false,
        true,
    ),
    row(Attribute::MsExchRecipientDisplayType, "msExchRecipientDisplayType", "2.5.5.9", 2, true, None, 16, false, true),
    row(Attribute::MsExchVersion, "msExchVersion", "2.5.5.16", 65, true, None, 16, false, true),
    row(Attribute::MsExchUserAccountControl, "msExchUserAccountControl", "2.5.5.9", 2, true, None, 16, false, true),
    row(Attribute::MsExchPoliciesIncluded, "msExchPoliciesIncluded", "2.5.5.12", 64, false, None, 16, false, true),
    row(Attribute::MsExchTextMessagingState, "msExchTextMessagingState", "2.5.5.9", 2, false, None, 16, false, true),
    row(Attribute::MsExchUMDtmfMap, "msExchUMDtmfMap", "2.5.5.12", 64, false, None, 16, false, true),
    row(Attribute::MsExchWhenMailboxCreated, "msExchWhenMailboxCreated", "2.5.5.11", 24, true, None, 16, false, true),
    row(Attribute::MsExchMDBRulesQuota, "msExchMDBRulesQuota", "2.5.5.9", 2, true, None, 16, false, true),
    row(Attribute::MsExchElcMailboxFlags, "msExchElcMailboxFlags", "2.5.5.9", 2, true, None, 16, false, true),
    row(Attribute::MsExchMobileMailboxFlags, "msExchMobileMailboxFlags", "2.5.5.9", 2, true, None, 16, false, true),
    row(Attribute::MsExchUserCulture, "msExchUserCulture", "2.5.5.12", 64, true, None, 16, false, true),
    row(Attribute::MsExchArchiveQuota, "msExchArchiveQuota", "2.5.5.9", 2, true, None, 16, false, true),
    row(Attribute::MsExchArchiveWarnQuota, "msExchArchiveWarnQuota", "2.5.5.9", 2, true, None, 16, false, true),
    row(Attribute::MsExchCalendarLoggingQuota, "msExchCalendarLoggingQuota", "2.5.5.9", 2, true, None, 16, false, true),
    row(Attribute::MsExchDumpsterQuota, "msExchDumpsterQuota", "2.5.5.9", 2, true, None, 16, false, true),
    row(Attribute::MsExchDumpsterWarningQuota, "msExchDumpsterWarningQuota", "2.5.5.9", 2, true, None, 16, false, true),
    row(Attribute::MDBUseDefaults, "mDBUseDefaults", "2.5.5.8", 1, true, None, 16, false, true),
    row(Attribute::MsExchHideFromAddressLists, "msExchHideFromAddressLists", "2.5.5.8", 1, true, None, 16, false, true),
    row(Attribute::MsExchMailboxAuditEnable, "msExchMailboxAuditEnable", "2.5.5.8", 1, true, None, 16, false, true),
    row(Attribute::MsExchSafeSendersHash, "msExchSafeSendersHash", "2.5.5.10", 4, true, None, 16, false, true),
    row(Attribute::ExtensionAttribute1, "extensionAttribute1", "2.5.5.12", 64, true, None, 16, false, true),
    row(Attribute::ExtensionAttribute2, "extensionAttribute2", "2.5.5.12", 64, true, None, 16, false, true),
    row(Attribute::ExtensionAttribute5, "extensionAttribute5", "2.5.5.12", 64, true, None, 16, false, true),
];
