//! Deltas between two images of an object, exact to the byte (SF27). Applying `diff(a, b)` to `a` gives `b`.

use crate::{AttributeName, Attributes, Values};
use serde::Serialize;
use std::collections::BTreeMap;

/// What happens to one attribute (O30). `Replace` with no values clears it; `Update` adds and removes single values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttributeChange {
    Replace(Values),
    Update { add: Values, remove: Values },
}

impl AttributeChange {
    /// The attribute ends without a value.
    pub fn is_clear(&self) -> bool {
        matches!(self, AttributeChange::Replace(values) if values.is_empty())
    }
}

/// Changes of one object, by attribute.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize)]
pub struct AttributesDelta(pub BTreeMap<AttributeName, AttributeChange>);

impl AttributesDelta {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn set(&mut self, name: impl Into<AttributeName>, values: impl Into<Values>) {
        self.0.insert(name.into(), AttributeChange::Replace(values.into()));
    }

    /// The whole-attribute delta that leads from `before` to `after`.
    pub fn diff(before: &Attributes, after: &Attributes) -> Self {
        let mut delta = AttributesDelta::default();
        for (name, values) in after.iter() {
            if before.get(name.as_str()) != Some(values) {
                delta.set(name.clone(), values.clone());
            }
        }
        for name in before.names().filter(|name| after.get(name.as_str()).is_none()) {
            delta.set(name.clone(), Values::default());
        }
        delta
    }

    pub fn apply(&self, image: &mut Attributes) {
        for (name, change) in &self.0 {
            match change {
                AttributeChange::Replace(values) => image.set(name.clone(), values.clone()),
                AttributeChange::Update { add, remove } => {
                    let mut values = image.remove(name.as_str()).unwrap_or_default();
                    remove.iter().for_each(|value| {
                        values.remove(value);
                    });
                    add.iter().for_each(|value| {
                        values.insert(value.clone());
                    });
                    image.set(name.clone(), values);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    fn image(pairs: &[(&str, &str)]) -> Attributes {
        let mut image = Attributes::new();
        for (name, value) in pairs {
            image.add(*name, Value::text(*value));
        }
        image
    }

    /// SF27: a swap of the primary address by case is a change.
    #[test]
    fn case_is_a_change_and_diff_then_apply_gives_the_target() {
        let before = image(&[("proxyAddresses", "SMTP:a@x"), ("proxyAddresses", "smtp:b@x"), ("info", "gone")]);
        let after = image(&[("proxyAddresses", "smtp:a@x"), ("proxyAddresses", "SMTP:b@x"), ("mail", "b@x")]);
        let delta = AttributesDelta::diff(&before, &after);
        assert_eq!(delta.0.len(), 3);
        let mut applied = before.clone();
        delta.apply(&mut applied);
        assert_eq!(applied, after);
        assert!(AttributesDelta::diff(&after, &applied).is_empty());
    }
}
