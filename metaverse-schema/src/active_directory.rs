//! The attributes of Active Directory that the shipped rules know, with their kinds, for files that carry no schema.
//! A live domain controller's own schema wins over this table. Source: MS-ADA1 to MS-ADA3, attributeSyntax and isSingleValued.

use crate::{ConnectorSchema, Plurality, ValueKind};

const SINGLE_TEXT: &[&str] = &[
    "adminDescription",
    "c",
    "cn",
    "co",
    "company",
    "department",
    "displayName",
    "division",
    "employeeID",
    "employeeNumber",
    "employeeType",
    "facsimileTelephoneNumber",
    "givenName",
    "homePhone",
    "info",
    "initials",
    "ipPhone",
    "l",
    "legacyExchangeDN",
    "mail",
    "mailNickname",
    "middleName",
    "msDS-PhoneticDisplayName",
    "mobile",
    "name",
    "pager",
    "physicalDeliveryOfficeName",
    "postalCode",
    "preferredLanguage",
    "sAMAccountName",
    "sn",
    "st",
    "streetAddress",
    "targetAddress",
    "telephoneNumber",
    "title",
    "userPrincipalName",
    "wWWHomePage",
    "extensionAttribute1",
    "extensionAttribute2",
    "extensionAttribute3",
    "extensionAttribute4",
    "extensionAttribute5",
    "extensionAttribute6",
    "extensionAttribute7",
    "extensionAttribute8",
    "extensionAttribute9",
    "extensionAttribute10",
    "extensionAttribute11",
    "extensionAttribute12",
    "extensionAttribute13",
    "extensionAttribute14",
    "extensionAttribute15",
    "telephoneAssistant",
    "msExchAssistantName",
    "msExchImmutableId",
    "msExchElcExpirySuspensionStart",
    "msExchElcExpirySuspensionEnd",
    "msExchLitigationHoldDate",
    "msExchLitigationHoldOwner",
    "msExchRetentionComment",
    "msExchRetentionURL",
    "msExchResourceDisplay",
    "msExchTeamMailboxExpiration",
    "msExchTeamMailboxSharePointUrl",
];
const MULTI_TEXT: &[&str] = &[
    "description",
    "objectClass",
    "otherFacsimileTelephoneNumber",
    "otherHomePhone",
    "otherIpPhone",
    "otherMobile",
    "otherPager",
    "otherTelephone",
    "postOfficeBox",
    "proxyAddresses",
    "servicePrincipalName",
    "url",
    "msExchExtensionCustomAttribute1",
    "msExchExtensionCustomAttribute2",
    "msExchExtensionCustomAttribute3",
    "msExchExtensionCustomAttribute4",
    "msExchExtensionCustomAttribute5",
    "msExchSenderHintTranslations",
    "msExchArchiveName",
    "msExchUserHoldPolicies",
    "msExchResourceMetaData",
    "msExchResourceSearchProperties",
];
const SINGLE_INTEGER: &[&str] = &[
    "accountExpires",
    "adminCount",
    "countryCode",
    "groupType",
    "instanceType",
    "lastLogonTimestamp",
    "primaryGroupID",
    "pwdLastSet",
    "sAMAccountType",
    "systemFlags",
    "uSNChanged",
    "uSNCreated",
    "userAccountControl",
    "msExchRecipientTypeDetails",
    "msExchRecipientDisplayType",
    "msExchRemoteRecipientType",
    "msDS-HABSeniorityIndex",
    "msExchMailboxAuditLogAgeLimit",
    "msExchAuditAdmin",
    "msExchAuditDelegate",
    "msExchAuditDelegateAdmin",
    "msExchAuditOwner",
    "msExchElcMailboxFlags",
    "msExchResourceCapacity",
    "msExchModerationFlags",
];
const SINGLE_BOOLEAN: &[&str] = &[
    "isCriticalSystemObject",
    "isDeleted",
    "isRecycled",
    "msExchHideFromAddressLists",
    "msExchMailboxAuditEnable",
    "msExchBypassAudit",
    "msExchEnableModeration",
    "msExchRequireAuthToSendTo",
    "hideDLMembership",
    "msOrg-IsOrganizational",
    "oOFReplyToOriginator",
    "reportToOriginator",
    "reportToOwner",
];
const SINGLE_BINARY: &[&str] = &[
    "objectGUID",
    "objectSid",
    "mS-DS-ConsistencyGuid",
    "thumbnailPhoto",
    "msExchMasterAccountSid",
    "msExchMailboxGuid",
    "msExchArchiveGUID",
    "msExchSafeSendersHash",
    "msExchSafeRecipientsHash",
    "msExchBlockedSendersHash",
];
const MULTI_BINARY: &[&str] = &["userCertificate", "userSMIMECertificate", "sIDHistory"];
const SINGLE_REFERENCE: &[&str] = &["assistant", "distinguishedName", "manager", "managedBy", "altRecipient"];
const MULTI_REFERENCE: &[&str] = &[
    "directReports",
    "member",
    "memberOf",
    "msExchTeamMailboxOwners",
    "msExchTeamMailboxSharePointLinkedBy",
    "msExchModeratedByLink",
    "authOrig",
    "unauthOrig",
    "dLMemSubmitPerms",
    "dLMemRejectPerms",
    "publicDelegates",
    "msExchDelegateListLink",
    "msExchCoManagedByLink",
];

/// The well-known part of an Active Directory schema.
pub fn schema() -> ConnectorSchema {
    let mut schema = ConnectorSchema::default();
    for class in ["user", "inetOrgPerson", "group", "contact", "computer"] {
        schema = schema.class(class, true);
    }
    // The domain controller makes these itself.
    schema = schema.class("foreignSecurityPrincipal", false);
    for class in ["domainDNS", "organizationalUnit", "container", "builtinDomain"] {
        schema = schema.container(class);
    }
    let tables = [
        (SINGLE_TEXT, ValueKind::Text, Plurality::Single),
        (MULTI_TEXT, ValueKind::Text, Plurality::Multi),
        (SINGLE_INTEGER, ValueKind::Integer, Plurality::Single),
        (SINGLE_BOOLEAN, ValueKind::Boolean, Plurality::Single),
        (SINGLE_BINARY, ValueKind::Binary, Plurality::Single),
        (MULTI_BINARY, ValueKind::Binary, Plurality::Multi),
        (SINGLE_REFERENCE, ValueKind::Reference, Plurality::Single),
        (MULTI_REFERENCE, ValueKind::Reference, Plurality::Multi),
    ];
    for (names, kind, plurality) in tables {
        for name in names {
            schema = schema.attribute(name, kind, plurality, true);
        }
    }
    schema.attribute("unicodePwd", ValueKind::Secret, Plurality::Single, true)
}
