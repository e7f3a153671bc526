//! What a connector signs in with, as far as the engine must know it: a name, and a stamp that tells a renewed secret from the one
//! that was refused (SF23). Never the secret, and nothing that a secret could be found from.

/// One credential of a connector. Connectors that sign in with the same one give it the same name: one refusal then holds for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialMark {
    /// Tells it from others and says where its secret is read: `CORP\svc-metasync (env:METASYNC_AD_PASSWORD)`.
    pub name: String,
    /// Is another one when the secret at its source changed ([`crate::SecretReference::stamp`]); empty where that cannot be told.
    pub stamp: String,
}
