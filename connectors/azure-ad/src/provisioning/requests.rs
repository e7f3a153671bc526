//! The body of each operation (B.4 to B.6): the element named like it, its children in the order of the data contract. Never
//! decides what to ask.

use super::binary::Element;
use super::company::DirSyncFeatures;
use super::credentials::CredentialChange;
use super::names::{ARRAYS, CREDENTIALS, INSTANCE, SCHEMA, SERVICE, SYNC};
use super::object::{ReferenceAnchor, ReferenceDelta, SyncObject, SyncValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;

/// How a reference names its target, and what is done with it, as numbers (B.5).
const BY_CLOUD_ANCHOR: &str = "1";
const BY_SOURCE_ANCHOR: &str = "2";
const ADD: &str = "1";
const REMOVE: &str = "2";

fn operation(name: &'static str) -> Element {
    SERVICE.declared_on(SERVICE.element(name))
}

fn truth(truth: bool) -> &'static str {
    if truth { "true" } else { "false" }
}

fn nil(element: Element) -> Element {
    element.attribute(INSTANCE.name("nil"), "true")
}

pub(super) fn company_configuration() -> Element {
    let part = SERVICE.element("includeLicenseInformation").text("false");
    operation("GetCompanyConfiguration").child(part)
}

pub(super) fn capabilities() -> Element {
    operation("Capabilities")
}

pub(super) fn set_features(features: DirSyncFeatures) -> Element {
    let part = SERVICE.element("dirsyncFeatures").text(features.0.to_string());
    operation("SetCompanyDirsyncFeatures").child(part)
}

pub(super) fn finalize_export(total: u32, successful: u32) -> Element {
    operation("FinalizeExport").children([
        SERVICE.element("totalExported").text(total.to_string()),
        SERVICE.element("successfulExportCount").text(successful.to_string()),
    ])
}

/// `name` is that of the version in use.
pub(super) fn read_back(name: &'static str, cookie: Option<&str>, full: bool) -> Element {
    let element = INSTANCE.declared_on(SERVICE.element("inputCookie"));
    let cookie = match cookie {
        Some(cookie) => element.text(cookie.to_owned()),
        None => nil(element),
    };
    operation(name).children([
        SERVICE.element("includeLicenseInformation").text("true"),
        cookie,
        SERVICE.element("isFullSync").text(truth(full)),
    ])
}

/// `name` is that of the version in use.
pub(super) fn provision<'a>(name: &'static str, objects: impl IntoIterator<Item = &'a SyncObject>) -> Element {
    let objects = SYNC.element("SyncObjects").children(objects.into_iter().map(object));
    let request = SYNC.declared_on(INSTANCE.declared_on(SERVICE.element("syncRequest")));
    operation(name).child(request.child(objects))
}

fn object(object: &SyncObject) -> Element {
    let properties = object.properties.iter().map(|(key, value)| {
        let key = ARRAYS.element("Key").text(key.clone());
        ARRAYS.element("KeyValueOfstringanyType").child(key).child(property(value))
    });
    SYNC.element("AzureADSyncObject").children([
        ARRAYS.declared_on(SYNC.element("PropertyValues")).children(properties),
        SYNC.element("SyncObjectType").text(object.kind.name()),
        SYNC.element("SyncOperation").text(object.operation.name()),
    ])
}

/// The `c:Value` of one property, with its type.
fn property(value: &SyncValue) -> Element {
    let typed = |kind: &'static str| ARRAYS.element("Value").attribute(INSTANCE.name("type"), kind);
    let simple = |kind: &'static str, text: String| SCHEMA.declared_on(typed(kind)).text(text);
    let list = |kind, item: &'static str, texts: Vec<String>| {
        typed(kind).children(texts.into_iter().map(|text| ARRAYS.element(item).text(text)))
    };
    match value {
        SyncValue::Nil => nil(ARRAYS.element("Value")),
        SyncValue::Text(text) if text.is_empty() => nil(ARRAYS.element("Value")),
        SyncValue::Text(text) => simple("d:string", text.clone()),
        SyncValue::Boolean(value) => simple("d:boolean", truth(*value).to_owned()),
        SyncValue::Long(number) => simple("d:long", number.to_string()),
        SyncValue::Binary(bytes) => simple("d:base64Binary", STANDARD.encode(bytes)),
        SyncValue::Texts(texts) => list("c:ArrayOfstring", "string", texts.clone()),
        SyncValue::Binaries(all) => {
            let texts = all.iter().map(|bytes| STANDARD.encode(bytes)).collect();
            list("c:ArrayOfbase64Binary", "base64Binary", texts)
        }
        SyncValue::References(changes) => {
            let changes = SERVICE.element("referenceChanges").children(changes.iter().map(reference));
            typed("SyncReferenceChangeCollection").child(changes)
        }
    }
}

fn reference(change: &ReferenceDelta) -> Element {
    let (anchor, by) = match &change.target {
        ReferenceAnchor::Cloud(anchor) => (anchor.to_string(), BY_CLOUD_ANCHOR),
        ReferenceAnchor::Source(anchor) => (anchor.clone(), BY_SOURCE_ANCHOR),
    };
    let target = SERVICE
        .element("Reference")
        .child(SERVICE.element("Anchor").text(anchor))
        .child(SERVICE.element("referenceTypeInt").text(by));
    let what = SERVICE.element("operationInt").text(if change.add { ADD } else { REMOVE });
    SERVICE.element("SyncReferenceChange").child(target).child(what)
}

pub(super) fn provision_credentials(changes: &[CredentialChange]) -> Element {
    let items = CREDENTIALS.element("RequestItems").children(changes.iter().map(credential));
    let request = CREDENTIALS.declared_on(INSTANCE.declared_on(SERVICE.element("request")));
    operation("ProvisionCredentials").child(request.child(items))
}

fn credential(change: &CredentialChange) -> Element {
    let maybe = |name: &'static str, text: Option<String>| match text {
        Some(text) => CREDENTIALS.element(name).text(text),
        None => nil(CREDENTIALS.element(name)),
    };
    let data = Arc::new(change.credential_data.clone());
    CREDENTIALS.element("SyncCredentialsChangeItem").children([
        CREDENTIALS.element("ChangeDate").text(change.changed_at.to_string()),
        maybe("CloudAnchor", change.cloud_anchor.as_ref().map(ToString::to_string)),
        CREDENTIALS.element("CredentialData").secret(data),
        CREDENTIALS.element("ForcePasswordChangeOnLogon").text(truth(change.force_change_on_logon)),
        maybe("SourceAnchor", change.source_anchor.clone()),
        nil(CREDENTIALS.element("WindowsLegacyCredentials")),
        nil(CREDENTIALS.element("WindowsSupplementalCredentials")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provisioning::binary::{decode, encode};
    use crate::provisioning::envelope::{self, Sender};
    use crate::provisioning::object::{CloudAnchor, SyncKind, SyncOperation};
    use crate::provisioning::settings::{self, ProvisioningSettings};
    use crate::provisioning::vectors::{self, canonical};
    use connector_contract::Secret;
    use expect_test::expect;

    /// Whole requests, envelope included, are those of a third-party client: same names, types, order and values.
    fn check(vector: &str, body: Element) {
        let settings = ProvisioningSettings { build: "2.4.21.0".to_owned(), ..settings::tests::example() };
        let sender = Sender {
            settings: &settings,
            endpoint: "https://adminwebservice.microsoftonline.com/provisioningservice.svc",
            message_id: "22222222-2222-2222-2222-222222222222",
            token: Arc::new(Secret::new("eyJhbGciOiJub25lIn0.e30.sig")),
        };
        let operation = body.name.local.to_string();
        let request = envelope::request(&sender, &operation, body);
        // What goes over the wire resolves to the same names as the tree that was built.
        let sent = decode(&encode(&request)).unwrap();
        assert_eq!(canonical(&sent), canonical(&request), "{vector}: a declaration is missing");
        assert_eq!(canonical(&sent), canonical(&vectors::request(vector)), "{vector}");
    }

    fn text(text: &str) -> SyncValue {
        SyncValue::Text(text.to_owned())
    }

    fn texts(texts: &[&str]) -> SyncValue {
        SyncValue::Texts(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    const ADA: &str = "AAECAwQFBgcICQoLDA0ODw==";

    #[test]
    fn requests_without_objects_are_those_of_the_vectors() {
        check("GetCompanyConfiguration", company_configuration());
        check("Capabilities", capabilities());
        check("SetCompanyDirsyncFeatures", set_features(DirSyncFeatures(41_017)));
        check("ReadBackAzureADSyncObjects2", read_back("ReadBackAzureADSyncObjects2", None, true));
        check("FinalizeExport", finalize_export(3, 3));
    }

    #[test]
    fn requests_with_objects_are_those_of_the_vectors() {
        let sid = STANDARD.decode("AQUAAAAAAAUVAAAAAQAAAAIAAAADAAAAUAQAAA==").unwrap();
        let user = SyncObject::set(SyncKind::User, ADA)
            .with("accountEnabled", SyncValue::Boolean(true))
            .with("userPrincipalName", text("ada@example.org"))
            .with("countryCode", SyncValue::Long(250))
            .with("displayName", text("Ada L."))
            .with("givenName", text("Ada"))
            .with("onPremiseSecurityIdentifier", SyncValue::Binary(sid))
            .with("surname", text("Lovelace-Byron"))
            .with("usageLocation", text("FR"))
            .with("proxyAddresses", texts(&["SMTP:ada@example.org", "smtp:a.l@example.org"]));
        check("ProvisionAzureADSyncObjects#user-set", provision("ProvisionAzureADSyncObjects", [&user]));
        let group = SyncObject::set(SyncKind::Group, "EBESExQVFhcYGRobHB0eHw==")
            .with("displayName", text("Staff"))
            .with("member", texts(&[ADA]))
            .with("SecurityEnabled", SyncValue::Boolean(true));
        check("ProvisionAzureADSyncObjects#group-set", provision("ProvisionAzureADSyncObjects", [&group]));
        let gone = SyncObject::delete(SyncKind::User, ADA);
        assert_eq!(gone.operation, SyncOperation::Delete);
        check("ProvisionAzureADSyncObjects#user-delete", provision("ProvisionAzureADSyncObjects", [&gone]));
    }

    #[test]
    fn a_password_hash_goes_as_in_the_vectors() {
        let data =
            "v1;PPH1_MD4,00010203040506070809,1000,b6aaf0e7abbeeab83c17c7b7340b900902d66614d8a59d4800aec04ffb26fd8d;";
        let change = CredentialChange {
            source_anchor: Some(ADA.to_owned()),
            cloud_anchor: None,
            changed_at: "2026-01-02T03:04:05Z".parse().unwrap(),
            credential_data: Secret::new(data),
            force_change_on_logon: false,
        };
        let body = provision_credentials(std::slice::from_ref(&change));
        assert!(!format!("{body:?} {change:?}").contains("PPH1"), "a hash must not be shown");
        check("ProvisionCredentials", body);
    }

    /// B.5: what clears, and members by difference, which no vector holds.
    #[test]
    fn clearing_and_reference_changes() {
        let member = CloudAnchor::new(SyncKind::User, "33333333-3333-3333-3333-333333333333");
        let changes = vec![
            ReferenceDelta { target: ReferenceAnchor::Source(ADA.to_owned()), add: true },
            ReferenceDelta { target: ReferenceAnchor::Cloud(member), add: false },
        ];
        let group = SyncObject::set(SyncKind::Group, "EBES")
            .with("Description", SyncValue::Nil)
            .with("mail", text(""))
            .with("userCertificate", SyncValue::Binaries(vec![vec![1, 2], vec![]]))
            .with("member", SyncValue::References(changes));
        let body = provision("ProvisionAzureADSyncObjects2", [&group]);
        let object = body.find_below("PropertyValues").unwrap();
        let shown = canonical(&decode(&encode(&body)).unwrap().find_below("PropertyValues").unwrap().clone());
        assert_eq!(shown, canonical(object));
        let brief = shown
            .replace("http://schemas.microsoft.com/online/aws/change/2010/01", "service")
            .replace("http://schemas.microsoft.com/2003/10/Serialization/Arrays", "c")
            .replace("http://schemas.microsoft.com/online/aws/change/2014/06", "b")
            .replace("http://www.w3.org/2001/XMLSchema-instance", "i");
        expect![[r#"
            {b}PropertyValues 
              {c}KeyValueOfstringanyType 
                {c}Key SourceAnchor
                {c}Value {i}type=d:string EBES
              {c}KeyValueOfstringanyType 
                {c}Key Description
                {c}Value {i}nil=true 
              {c}KeyValueOfstringanyType 
                {c}Key mail
                {c}Value {i}nil=true 
              {c}KeyValueOfstringanyType 
                {c}Key userCertificate
                {c}Value {i}type=c:ArrayOfbase64Binary 
                  {c}base64Binary AQI=
                  {c}base64Binary 
              {c}KeyValueOfstringanyType 
                {c}Key member
                {c}Value {i}type=SyncReferenceChangeCollection 
                  {service}referenceChanges 
                    {service}SyncReferenceChange 
                      {service}Reference 
                        {service}Anchor AAECAwQFBgcICQoLDA0ODw==
                        {service}referenceTypeInt 2
                      {service}operationInt 1
                    {service}SyncReferenceChange 
                      {service}Reference 
                        {service}Anchor User_33333333-3333-3333-3333-333333333333
                        {service}referenceTypeInt 1
                      {service}operationInt 2
        "#]]
        .assert_eq(&brief);
    }
}
