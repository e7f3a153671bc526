//! Directory roles: active assignments and eligibilities by principal (section H). Read only.

use serde_json::{Map, Value, json};

use crate::call::{Call, Reply};
use crate::context::Context;
use crate::errors::{GraphError, GraphResult};
use crate::filter::Filter;
use crate::tenant_facts::{RoleGrant, role_name};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoleList {
    Active,
    Eligible,
}

pub(crate) fn list(cx: &Context<'_>, call: &Call, which: RoleList) -> GraphResult<Reply> {
    if cx.knobs.roles_denied {
        return Err(GraphError::denied());
    }
    let mut filter = None;
    let mut expand_definition = false;
    for (name, value) in call.options() {
        match name.as_str() {
            "$filter" => filter = Some(Filter::parse(&value)?),
            "$expand" if value.split('(').next() == Some("roleDefinition") => expand_definition = true,
            "$select" | "$top" | "$count" => {}
            other if other.starts_with('$') => {
                return Err(GraphError::unsupported_query(format!(
                    "The query parameter '{other}' is not supported here."
                )));
            }
            _ => {}
        }
    }
    if let Some(filter) = &filter {
        filter.check(&|name| matches!(name, "id" | "principalId" | "roleDefinitionId" | "directoryScopeId"))?;
    }
    let facts = &cx.directory.facts;
    let (grants, set) = match which {
        RoleList::Active => (&facts.active_roles, "roleManagement/directory/roleAssignments"),
        RoleList::Eligible => (&facts.eligible_roles, "roleManagement/directory/roleEligibilityScheduleInstances"),
    };
    let rows: Vec<Value> = grants
        .iter()
        .filter(|grant| cx.directory.live(grant.principal).is_some())
        .map(|grant| Value::Object(print(grant, which, &facts.created, expand_definition)))
        .filter(|row| filter.as_ref().is_none_or(|filter| filter.matches(&|name| row[name].clone())))
        .collect();
    Ok(Reply::ok(json!({ "@odata.context": format!("{}$metadata#{set}", cx.graph_url), "value": rows })))
}

fn print(grant: &RoleGrant, which: RoleList, since: &str, expand_definition: bool) -> Map<String, Value> {
    let mut row = Map::new();
    row.insert("id".to_owned(), json!(grant.id));
    row.insert("principalId".to_owned(), json!(grant.principal));
    row.insert("roleDefinitionId".to_owned(), json!(grant.role_definition));
    row.insert("directoryScopeId".to_owned(), json!("/"));
    if which == RoleList::Eligible {
        row.insert("appScopeId".to_owned(), Value::Null);
        row.insert("startDateTime".to_owned(), json!(since));
        row.insert("endDateTime".to_owned(), Value::Null);
        row.insert("memberType".to_owned(), json!("Direct"));
        row.insert("roleEligibilityScheduleId".to_owned(), json!(grant.id));
    }
    if expand_definition {
        let definition = json!({
            "id": grant.role_definition,
            "displayName": role_name(grant.role_definition),
            "isBuiltIn": role_name(grant.role_definition).is_some(),
        });
        row.insert("roleDefinition".to_owned(), definition);
    }
    row
}
