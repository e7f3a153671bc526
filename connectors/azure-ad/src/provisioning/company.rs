//! The tenant's configuration for synchronisation, as `GetCompanyConfiguration` tells it. Never changes it.

/// What the tenant says of directory synchronisation. Fields that the reply lacks are none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CompanyConfiguration {
    pub tenant_id: Option<String>,
    pub display_name: Option<String>,
    /// Whether directory synchronisation is switched on.
    pub is_dir_syncing: Option<bool>,
    pub is_password_syncing: Option<bool>,
    pub features: DirSyncFeatures,
    pub allowed_features: Vec<String>,
    /// The directory's attribute that anchors come from, as the last writer told the tenant.
    pub anchor_attribute: Option<String>,
    /// The machine that exported last (SF24).
    pub client_machine: Option<String>,
    pub client_version: Option<String>,
    pub application_version: Option<String>,
    pub total_connector_space_objects: Option<u64>,
    pub is_tracking_changes: Option<bool>,
    pub deletion_prevention: Option<DeletionPrevention>,
    /// Most links (members, managers) that one batch may carry.
    pub max_links_per_batch: Option<u32>,
    /// As an ISO 8601 duration: `PT30M`.
    pub synchronization_interval: Option<String>,
}

/// The tenant's guard against accidental deletion. It is kept here and enforced by the client alone (D.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletionPrevention {
    /// `Disabled`, `EnabledForCount`, `EnabledForPercentage`.
    pub kind: String,
    pub threshold_count: Option<u32>,
    pub threshold_percentage: Option<u32>,
}

/// The tenant's switches, a bit mask (B.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DirSyncFeatures(pub u32);

/// Name and bit of each switch that has a name.
const NAMES: [(u32, &str); 15] = [
    (1, "PasswordHashSync"),
    (2, "PasswordWriteBack"),
    (4, "DirectoryExtensions"),
    (8, "DuplicateUPNResiliency"),
    (16, "EnableSoftMatchOnUpn"),
    (32, "DuplicateProxyAddressResiliency"),
    (512, "EnforceCloudPasswordPolicyForPasswordSyncedUsers"),
    (1024, "UnifiedGroupWriteback"),
    (2048, "UserWriteback"),
    (4096, "DeviceWriteback"),
    (8192, "SynchronizeUpnForManagedUsers"),
    (16_384, "EnableUserForcePasswordChangeOnLogon"),
    (131_072, "PassThroughAuthentication"),
    (524_288, "BlockSoftMatch"),
    (1_048_576, "BlockCloudObjectTakeoverThroughHardMatch"),
];

impl DirSyncFeatures {
    pub const PASSWORD_HASH_SYNC: DirSyncFeatures = DirSyncFeatures(1);
    pub const SOFT_MATCH_ON_UPN: DirSyncFeatures = DirSyncFeatures(16);
    pub const FORCE_PASSWORD_CHANGE_ON_LOGON: DirSyncFeatures = DirSyncFeatures(16_384);
    pub const BLOCK_SOFT_MATCH: DirSyncFeatures = DirSyncFeatures(524_288);
    pub const BLOCK_TAKEOVER_BY_HARD_MATCH: DirSyncFeatures = DirSyncFeatures(1_048_576);

    /// Whether all switches of `other` are on.
    pub const fn contains(self, other: DirSyncFeatures) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names of the switches that are on; one without a name shows as its number.
    pub fn names(self) -> Vec<String> {
        let bits = (0..u32::BITS).map(|position| 1u32 << position).filter(|bit| self.0 & bit != 0);
        let name = |bit: u32| NAMES.iter().find(|(known, _)| *known == bit).map(|(_, name)| (*name).to_owned());
        bits.map(|bit| name(bit).unwrap_or_else(|| bit.to_string())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    /// B.4: the sample tenant's value, with its unnamed bit.
    #[test]
    fn features_have_names() {
        let features = DirSyncFeatures(41_016);
        expect!["DuplicateUPNResiliency EnableSoftMatchOnUpn DuplicateProxyAddressResiliency SynchronizeUpnForManagedUsers 32768"]
            .assert_eq(&features.names().join(" "));
        assert!(features.contains(DirSyncFeatures::SOFT_MATCH_ON_UPN));
        assert!(!features.contains(DirSyncFeatures::PASSWORD_HASH_SYNC));
    }
}
