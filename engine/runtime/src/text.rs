//! Numbers in sentences: what is counted, in the singular or the plural.

/// `1 object waits`, `2 objects wait`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
