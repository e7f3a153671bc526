//! What the web service tells of the tenant: its configuration and feature bits, and what clients it takes (B.4). Graph
//! shows the same features under names.

use super::envelope::{Request, result};
use super::names::{aws, or_nil};
use crate::binary_xml::Element;
use crate::context::Context;
use crate::synchronisation::Synchronisation;
use crate::tenant_facts::TenantFacts;

/// Bit by bit of `DirSyncFeatures`, the feature of Graph.
const BITS: [(u32, &str); 14] = [
    (1, "passwordSyncEnabled"),
    (2, "passwordWritebackEnabled"),
    (4, "directoryExtensionsEnabled"),
    (8, "quarantineUponUpnConflictEnabled"),
    (16, "softMatchOnUpnEnabled"),
    (32, "quarantineUponProxyAddressesConflictEnabled"),
    (512, "cloudPasswordPolicyForPasswordSyncedUsersEnabled"),
    (1_024, "unifiedGroupWritebackEnabled"),
    (2_048, "userWritebackEnabled"),
    (4_096, "deviceWritebackEnabled"),
    (8_192, "synchronizeUpnForManagedUsersEnabled"),
    (16_384, "userForcePasswordChangeOnLogonEnabled"),
    (524_288, "blockSoftMatchEnabled"),
    (1_048_576, "blockCloudObjectTakeoverThroughHardMatchEnabled"),
];
/// Set in every tenant, and nobody says what it means.
const UNNAMED_BIT: u32 = 32_768;
/// Once on, these stay on (D.4; soft match on the sign-in name cannot be switched off either).
const LASTING: u32 = 8 | 16 | 32;

/// The bit mask of the tenant's features.
pub(super) fn feature_bits(facts: &TenantFacts) -> u32 {
    let on = |name: &str| facts.features.get(name).copied().unwrap_or_default();
    let bits = BITS.iter().filter(|(_, name)| on(name)).fold(0, |bits, (bit, _)| bits | bit);
    bits | facts.other_feature_bits.unwrap_or(UNNAMED_BIT)
}

/// Sets the features to a bit mask; what cannot be switched off stays on.
pub(super) fn set_feature_bits(facts: &mut TenantFacts, mask: u32) {
    let mask = mask | (feature_bits(facts) & LASTING);
    for (bit, name) in BITS {
        facts.features.insert(name.to_owned(), mask & bit != 0);
    }
    let named = BITS.iter().fold(0, |bits, (bit, _)| bits | bit);
    facts.other_feature_bits = Some(mask & !named);
}

pub(super) fn configuration(cx: &Context<'_>, request: &Request) -> Element {
    let facts = &cx.directory.facts;
    let text = |name: &str, text: String| aws(name).with_text(text);
    let (count, percentage, kind) = match facts.deletion_prevention.kind.as_str() {
        "disabled" => (0, 0, "Disabled"),
        "enabledForPercentage" => (0, facts.deletion_prevention.threshold, "EnabledForPercentage"),
        _ => (facts.deletion_prevention.threshold, 0, "EnabledForCount"),
    };
    let is_syncing = Synchronisation::of(cx.directory) == Synchronisation::On;
    let is_password_syncing = facts.features.get("passwordSyncEnabled").copied().unwrap_or_default();
    let client = &facts.sync_client;
    let synchronisation = aws("DirSyncConfiguration")
        .with(or_nil(aws("AnchorAttribute"), cx.knobs.anchor_attribute.clone()))
        .with(or_nil(aws("ApplicationVersion"), client.build.clone()))
        .with(or_nil(aws("ClientVersion"), client.build.clone()))
        .with(
            aws("CurrentExport")
                .with(or_nil(aws("DirSyncClientMachineName"), client.machine.clone()))
                .with(text("TotalConnectorSpaceObjects", client.objects.to_string())),
        )
        .with(text("IsTrackingChanges", "false".to_owned()))
        .with(
            aws("PreventAccidentalDeletion")
                .with(text("DeletionPrevention", kind.to_owned()))
                .with(text("ThresholdCount", count.to_string()))
                .with(text("ThresholdPercentage", percentage.to_string())),
        )
        .with(
            aws("Writeback")
                .with(or_nil(aws("UnifiedGroupContainer"), None::<String>))
                .with(or_nil(aws("UserContainer"), None::<String>)),
        );
    result(request, None)
        .with(text("AllowedFeatures", "None".to_owned()))
        .with(synchronisation)
        .with(text("DirSyncFeatures", feature_bits(facts).to_string()))
        .with(text("DisplayName", facts.display_name.clone()))
        .with(text("IsDirSyncing", is_syncing.to_string()))
        .with(text("IsPasswordSyncing", (is_syncing && is_password_syncing).to_string()))
        .with(text("MaxLinksSupportedAcrossBatchInProvision2", cx.knobs.most_links_in_request.to_string()))
        .with(text("SynchronizationInterval", "PT30M".to_owned()))
        .with(text("TenantId", facts.tenant_id.to_string()))
}

/// A text that holds XML.
pub(super) fn capabilities(cx: &Context<'_>, request: &Request) -> Element {
    let minimum = &cx.knobs.minimum_build;
    let text = format!(
        "<ServiceCapability><MicrosoftOnline><Protocol><Application><LatestProductVersion>{minimum}</LatestProductVersion>\
         <MinimumProductVersion>{minimum}</MinimumProductVersion><BlackList Enabled=\"false\"><ClientVersion/></BlackList>\
         </Application></Protocol></MicrosoftOnline></ServiceCapability>"
    );
    aws(&format!("{}Result", request.operation)).with_text(text)
}

/// Whether a build, `2.5.79.0`, is not older than the oldest that is taken.
pub(super) fn is_build_taken(build: &str, minimum: &str) -> bool {
    let parts = |version: &str| -> Option<Vec<u32>> { version.split('.').map(|part| part.parse().ok()).collect() };
    match (parts(build), parts(minimum)) {
        (Some(build), Some(minimum)) => build >= minimum,
        (None, _) => false,
        (Some(_), None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_compare_by_number() {
        for (build, taken) in [
            ("2.5.79.0", true),
            ("2.5.190.0", true),
            ("10.0.0.0", true),
            ("2.5.9.0", false),
            ("1.5.29.0", false),
            ("", false),
            ("x", false),
        ] {
            assert_eq!(is_build_taken(build, "2.5.79.0"), taken, "{build}");
        }
    }
}
