//! `metasync licenses list`: subscriptions with their units, and each selected user with what it has, by which way, and why it
//! cannot be given more. Asks the tenant; writes nothing.

use super::selection;
use crate::cli::LicensesListArgs;
use crate::context::{Context, Opened};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, to_json};
use crate::text::{Table, count, counted, paragraph};
use sync_rules::ConnectorName;
use sync_runtime::{LicenceHolding, LicenceLine, LicenceOverview, LicenceProductLine, Reading, licence_overview};

const COLUMNS: [&str; 15] = [
    "user",
    "sign_in_name",
    "id",
    "enabled",
    "usage_location",
    "licensed",
    "licence",
    "licence_id",
    "group",
    "group_id",
    "state",
    "error",
    "without_plans",
    "obstacle",
    "because",
];

pub(super) async fn run(
    context: &Context,
    opened: &Opened,
    tenant: &ConnectorName,
    args: &LicensesListArgs,
) -> Result<Report, Failure> {
    let selection = selection(context, opened, &args.selection)?;
    let store = context.read_store(opened)?;
    let reading = Reading::new(&store, &opened.rules, context.now());
    let Some(connector) = opened.connectors.get(tenant) else {
        return Err(Failure::new("connector-unknown", format!("there is no connector `{tenant}`"), ""));
    };
    let overview = licence_overview(&reading, tenant, connector.as_ref(), &selection).await?;
    let text = match args.csv {
        true => csv_table(&overview)?,
        false => render(&overview, args.limit),
    };
    Ok(Report::new(Exit::Success, text, to_json(&overview)))
}

fn render(overview: &LicenceOverview, limit: usize) -> String {
    let mut text = format!("Subscriptions of {}\n", overview.connector);
    text.push_str(&match overview.products.is_empty() {
        true => "  none\n".to_owned(),
        false => products(&overview.products),
    });
    let without = overview.users.iter().filter(|user| !user.licensed).count() as u64;
    text.push_str(&format!(
        "\n{}, {} without a licence\n",
        counted(overview.users.len() as u64, "synchronised user", "synchronised users"),
        count(without)
    ));
    let mut table = Table::new(&["user", "sign-in name", "location", "licences", "cannot be given one because"]);
    for user in overview.users.iter().take(limit) {
        let licences: Vec<String> = user.licences.iter().map(told).collect();
        let obstacle = user.obstacle.as_ref().map(|obstacle| obstacle.message.clone()).unwrap_or_default();
        table.row([
            user.object.name.clone(),
            user.sign_in_name.clone().unwrap_or_default(),
            user.usage_location.clone().unwrap_or_default(),
            licences.join("\n"),
            obstacle,
        ]);
    }
    text.push_str(&table.render());
    if overview.users.len() > limit {
        text.push_str(&format!("  and {} more (--limit)\n", count((overview.users.len() - limit) as u64)));
    }
    text.push_str(&passed_over(overview.passed_over));
    let by_group = overview.users.iter().take(limit).flat_map(|user| &user.licences).any(|held| held.group.is_some());
    if by_group {
        text.push_str(&paragraph(BY_A_GROUP, 0));
    }
    text
}

/// What a licence inherited from a group means.
pub(super) const BY_A_GROUP: &str = "A licence from a group lasts as long as the membership and is changed at the group alone. Given directly \
    besides, it takes no second unit, and stays when the user leaves the group.";

pub(super) fn passed_over(number: u64) -> String {
    match number {
        0 => String::new(),
        number => paragraph(
            &format!(
                "{} of the groups named {} no synchronised users, and passed over.",
                counted(number, "member", "members"),
                if number == 1 { "is" } else { "are" }
            ),
            0,
        ),
    }
}

fn products(lines: &[LicenceProductLine]) -> String {
    let mut table = Table::new(&["subscription", "state", ">units", ">in use", ">free", ">in grace", ">suspended"]);
    let some = |number: u64| if number == 0 { String::new() } else { count(number) };
    for line in lines {
        let state = match line.for_users {
            true => line.status.clone(),
            false => format!("{}, not for users", line.status),
        };
        table.row([
            line.name.clone(),
            state,
            count(line.enabled),
            count(line.consumed),
            count(line.free),
            some(line.warning),
            some(line.suspended + line.locked_out),
        ]);
    }
    table.render()
}

/// `ENTERPRISEPACK by group Sales, without SWAY: CountViolation`.
fn told(held: &LicenceHolding) -> String {
    let mut text = held.product.clone();
    if let Some(group) = &held.group {
        text.push_str(&format!(" by group {group}"));
    }
    if !held.without_plans.is_empty() {
        text.push_str(&format!(", without {}", held.without_plans.join(", ")));
    }
    match (&held.error, held.in_force) {
        (Some(error), true) => text.push_str(&format!(" ({}: {error})", held.state)),
        (Some(error), false) => text.push_str(&format!(" (not given: {error})")),
        (None, false) => text.push_str(&format!(" ({})", held.state)),
        (None, true) => {}
    }
    text
}

fn csv_table(overview: &LicenceOverview) -> Result<String, Failure> {
    let write = || -> Result<Vec<u8>, csv::Error> {
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(COLUMNS)?;
        for user in &overview.users {
            if user.licences.is_empty() {
                table.write_record(record(user, None))?;
            }
            for held in &user.licences {
                table.write_record(record(user, Some(held)))?;
            }
        }
        table.into_inner().map_err(|error| error.into_error().into())
    };
    let bytes = write().map_err(|error| Failure::new("csv", format!("the list cannot be written: {error}"), ""))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn record(user: &LicenceLine, held: Option<&LicenceHolding>) -> [String; 15] {
    let text = |value: Option<&String>| value.cloned().unwrap_or_default();
    let obstacle = user.obstacle.as_ref();
    [
        user.object.name.clone(),
        text(user.sign_in_name.as_ref()),
        text(user.object.anchor.as_ref()),
        user.enabled.map(|enabled| enabled.to_string()).unwrap_or_default(),
        text(user.usage_location.as_ref()),
        user.licensed.to_string(),
        text(held.map(|held| &held.product)),
        text(held.map(|held| &held.product_id)),
        text(held.and_then(|held| held.group.as_ref())),
        text(held.and_then(|held| held.group_id.as_ref())),
        text(held.map(|held| &held.state)),
        text(held.and_then(|held| held.error.as_ref())),
        held.map(|held| held.without_plans.join("; ")).unwrap_or_default(),
        obstacle.map(|obstacle| obstacle.code.to_owned()).unwrap_or_default(),
        obstacle.map(|obstacle| obstacle.message.clone()).unwrap_or_default(),
    ]
}
