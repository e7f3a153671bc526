//! Licences of a seed: what is for sale, what users were given, and what groups give their members. A group that cannot give a
//! member its licence leaves an error on the member, as the service does; it is tried once, when the tenant is made.

use serde_json::{Value, json};

use super::{GroupSeed, Planting, Seed};
use crate::guid::Guid;
use crate::licences::{self, Way};
use crate::schema::Kind;
use crate::tenant_facts::{ServicePlan, Sku};

impl Planting {
    pub(super) fn skus(&mut self, seed: &Seed) {
        for sku in &seed.skus {
            let sku_id = sku.sku_id.unwrap_or_else(|| self.directory.draw_id());
            let mut service_plans = Vec::new();
            for plan in &sku.service_plans {
                let service_plan_id = plan.service_plan_id.unwrap_or_else(|| self.directory.draw_id());
                service_plans.push(ServicePlan { service_plan_id, service_plan_name: plan.service_plan_name.clone() });
            }
            self.directory.facts.skus.push(Sku {
                sku_id,
                sku_part_number: sku.sku_part_number.clone(),
                enabled_units: sku.enabled_units,
                warning_units: sku.warning_units,
                suspended_units: sku.suspended_units,
                locked_out_units: sku.locked_out_units,
                capability_status: sku.capability_status.clone(),
                applies_to: sku.applies_to.clone(),
                excludes: sku.excludes.clone(),
                prohibited_in: sku.prohibited_in.clone(),
                service_plans,
            });
        }
        let known: Vec<String> = seed.skus.iter().map(|sku| sku.sku_part_number.to_lowercase()).collect();
        for sku in &seed.skus {
            for other in sku.excludes.iter().filter(|other| !known.contains(&other.to_lowercase())) {
                self.mistake(format!("SKU {}: no SKU '{other}' among the seed's skus (excludes)", sku.sku_part_number));
            }
        }
    }

    /// Ids of SKUs that are named by part number or id.
    pub(super) fn sku_ids(&mut self, what: &str, wanted: &[String]) -> Vec<Guid> {
        let mut ids = Vec::new();
        for name in wanted {
            let skus = &self.directory.facts.skus;
            let found = skus
                .iter()
                .find(|sku| sku.sku_part_number.eq_ignore_ascii_case(name) || Guid::parse(name) == Some(sku.sku_id));
            match found.map(|sku| sku.sku_id) {
                Some(sku_id) => ids.push(sku_id),
                None => self.mistake(format!("{what}: no SKU '{name}' among the seed's skus")),
            }
        }
        ids
    }

    /// What a user was given directly: the states, and what is in force.
    pub(super) fn given(&mut self, what: &str, wanted: &[String]) -> Option<(Value, Value)> {
        let skus = self.sku_ids(what, wanted);
        let states: Vec<Value> =
            skus.iter().map(|sku| licences::state(*sku, &Way::Direct, None, &[], self.now)).collect();
        (!states.is_empty()).then(|| (json!(licences::in_force(&states)), json!(states)))
    }

    /// What groups give their users, group by group and member by member.
    pub(super) fn group_licences(&mut self, seed: &GroupSeed, group: Guid) {
        let what = format!("group {}", seed.display_name);
        let skus = self.sku_ids(&what, &seed.assigned_licenses);
        if skus.is_empty() {
            return;
        }
        let assigned: Vec<Value> = skus.iter().map(|sku| json!({ "disabledPlans": [], "skuId": sku })).collect();
        self.directory.update(group, vec![("assignedLicenses".to_owned(), json!(assigned))]);
        let members: Vec<Guid> = self.directory.live(group).map(|entry| entry.members().collect()).unwrap_or_default();
        for member in members {
            let Some(user) = self.directory.live(member).filter(|entry| entry.kind == Kind::User) else { continue };
            let mut states = licences::states(user);
            for sku in &skus {
                let error = licences::violation(&self.directory, user, &states, *sku);
                states.push(licences::state(*sku, &Way::Group(group), error, &[], self.now));
            }
            self.directory.update(member, licences::properties(&states));
        }
    }
}
