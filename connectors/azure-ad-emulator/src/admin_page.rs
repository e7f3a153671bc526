//! The tenant's admin page, `/_tenant/`: one HTML page without anything from elsewhere, as an administrator's centre shows a
//! tenant: users "In cloud" or "Synced with Active Directory", their licences, who has none, groups, contacts, the
//! recycle bin, and the request log. Shows; changes nothing.

use std::fmt::Write as _;

use serde_json::Value;

use crate::call::parse_form;
use crate::clock::graph_time;
use crate::directory::Directory;
use crate::entry::Entry;
use crate::groups::GroupClass;
use crate::guid::Guid;
use crate::request_log::{LoggedRequest, RequestLog};
use crate::schema::Kind;
use crate::synchronisation::Synchronisation;

/// Rows on a page.
const PAGE: usize = 200;

/// What the address asks for: `show`, `filter`, `search` and `page`.
struct Options {
    show: Show,
    filter: Filter,
    search: String,
    /// From 0.
    page: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Show {
    Users,
    Groups,
    Contacts,
    Deleted,
    Log,
}

const SHOWS: [(Show, &str, &str); 5] = [
    (Show::Users, "users", "Users"),
    (Show::Groups, "groups", "Groups"),
    (Show::Contacts, "contacts", "Contacts"),
    (Show::Deleted, "deleted", "Deleted"),
    (Show::Log, "log", "Requests"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    All,
    Unlicensed,
    InCloud,
    Synced,
    Blocked,
    WithErrors,
}

const FILTERS: [(Filter, &str, &str); 6] = [
    (Filter::All, "", "All users"),
    (Filter::Unlicensed, "unlicensed", "Unlicensed"),
    (Filter::InCloud, "cloud", "In cloud"),
    (Filter::Synced, "synced", "Synced with Active Directory"),
    (Filter::Blocked, "blocked", "Sign-in blocked"),
    (Filter::WithErrors, "errors", "With errors"),
];

impl Options {
    fn read(query: &str) -> Options {
        let form = parse_form(query);
        let field = |name: &str| form.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
        let (show, ..) = SHOWS.into_iter().find(|(_, name, _)| *name == field("show")).unwrap_or(SHOWS[0]);
        let (filter, ..) = FILTERS.into_iter().find(|(_, name, _)| *name == field("filter")).unwrap_or(FILTERS[0]);
        Options {
            show,
            filter,
            search: field("search").to_owned(),
            page: field("page").parse::<usize>().unwrap_or(1).saturating_sub(1),
        }
    }
}

/// The page for a query string.
pub(crate) fn render(directory: &Directory, log: &RequestLog, query: &str) -> String {
    let options = Options::read(query);
    let mut html = String::new();
    head(&mut html, directory, &options);
    match options.show {
        Show::Users => users(&mut html, directory, &options),
        Show::Groups => groups(&mut html, directory, &options),
        Show::Contacts => contacts(&mut html, directory, &options),
        Show::Deleted => deleted(&mut html, directory, &options),
        Show::Log => requests(&mut html, log, &options),
    }
    html.push_str("</main></body></html>\n");
    html
}

/// The page on which a person enters a device code, as the one that a live sign-in leads to; without the password that would
/// follow. `told` is what came of the last try.
pub(crate) fn sign_in(directory: &Directory, code: &str, told: Option<&Result<(), String>>) -> String {
    let mut html = String::new();
    let options = Options { show: Show::Users, filter: Filter::All, search: String::new(), page: 0 };
    head(&mut html, directory, &options);
    match told {
        Some(Ok(())) => html.push_str("<p>Done. You can close this page.</p>"),
        Some(Err(why)) => {
            let _ = write!(html, "<p>{}</p>", escape(why));
        }
        None => {}
    }
    let _ = writeln!(
        html,
        "<form method=\"post\"><p><label>Code <input name=\"userCode\" value=\"{}\" autofocus></label> <label>Sign in as \
         <input name=\"user\" placeholder=\"admin@{}\"></label> <button>Approve</button> <button name=\"decline\" \
         value=\"true\">Decline</button></p></form></main></body></html>",
        escape(code),
        escape(directory.facts.initial_domain())
    );
    html
}

/// The word for an object's source of authority.
fn status(entry: &Entry) -> &'static str {
    if entry.is_synced() { "Synced with Active Directory" } else { "In cloud" }
}

fn has_licence(entry: &Entry) -> bool {
    entry.properties.get("assignedLicenses").and_then(Value::as_array).is_some_and(|licences| !licences.is_empty())
}

/// Part numbers of the licences, or `Unlicensed`.
fn licences(directory: &Directory, entry: &Entry) -> String {
    if !has_licence(entry) {
        return "Unlicensed".to_owned();
    }
    let assigned = entry.properties.get("assignedLicenses").and_then(Value::as_array).into_iter().flatten();
    let names = assigned.filter_map(|licence| licence["skuId"].as_str()).map(|sku| {
        let known = Guid::parse(sku).and_then(|id| directory.facts.sku(id));
        known.map_or_else(|| sku.to_owned(), |sku| sku.sku_part_number.clone())
    });
    names.collect::<Vec<_>>().join(", ")
}

fn has_errors(entry: &Entry) -> bool {
    !entry.held_back.is_empty()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

fn head(html: &mut String, directory: &Directory, options: &Options) {
    let facts = &directory.facts;
    let name = escape(&facts.display_name);
    let _ = write!(
        html,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{name} - rehearsal tenant</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"icon\" href=\"data:,\"><style>{STYLE}</style>\
         </head>\n<body><header><h1>{name}</h1><p>Rehearsal tenant {} &middot; directory synchronisation {} &middot; last \
         synchronised {}</p><nav>",
        facts.tenant_id,
        Synchronisation::of(directory).name().replace('_', " "),
        facts.on_premises_last_sync.as_deref().unwrap_or("never"),
    );
    for (show, name, title) in SHOWS {
        let current = if show == options.show { " aria-current=\"page\"" } else { "" };
        let _ = write!(html, "<a href=\"/_tenant/?show={name}\"{current}>{title}</a>");
    }
    html.push_str("</nav></header>\n<main>");
}

const STYLE: &str = "\
    body{font:14px system-ui,sans-serif;margin:0;color:#1b1b1b;background:#fff}header{background:#14344a;color:#fff;padding:12px 24px}\
    h1{font-size:20px;margin:0}header p{margin:4px 0 12px;opacity:.85}main{padding:16px 24px}nav a,p.filters a{margin-right:16px}\
    nav a{color:#fff}a[aria-current]{font-weight:600;text-decoration:none}table{border-collapse:collapse;width:100%}\
    th,td{text-align:left;padding:6px 10px;border-bottom:1px solid #ddd;vertical-align:top}th{background:#f4f6f7}\
    td.synced{color:#0b5d1e}td.none{color:#9a3412}pre{white-space:pre-wrap;margin:4px 0;max-width:80ch}form{display:inline}\
    @media (prefers-color-scheme:dark){body{background:#161a1d;color:#e6e6e6}th{background:#22282c}th,td{border-color:#333}\
    td.synced{color:#7fd18d}td.none{color:#f0a36b}main a{color:#8ec7ff}}";

/// The rows of one page out of all, with what leads to the others.
fn paged<T>(html: &mut String, options: &Options, rows: Vec<T>, mut row: impl FnMut(&mut String, &T)) {
    let count = rows.len();
    let first = options.page.saturating_mul(PAGE).min(count);
    for one in &rows[first..count.min(first + PAGE)] {
        row(html, one);
    }
    html.push_str("</tbody></table>");
    if count == 0 {
        html.push_str("<p>None.</p>");
    }
    let (_, show, _) = SHOWS.into_iter().find(|(show, ..)| *show == options.show).unwrap_or(SHOWS[0]);
    let (_, filter, _) = FILTERS.into_iter().find(|(filter, ..)| *filter == options.filter).unwrap_or(FILTERS[0]);
    let search: String =
        percent_encoding::utf8_percent_encode(&options.search, percent_encoding::NON_ALPHANUMERIC).collect();
    let link = |html: &mut String, page: usize, title: &str| {
        let _ = write!(
            html,
            "<a href=\"?show={show}&amp;filter={filter}&amp;search={search}&amp;page={}\">{title}</a> ",
            page + 1
        );
    };
    if first > 0 {
        link(html, options.page - 1, "Previous");
    }
    if first + PAGE < count {
        link(html, options.page + 1, "Next");
    }
}

/// Whether one of the texts contains what is searched for.
fn is_found(options: &Options, texts: &[Option<&str>]) -> bool {
    let wanted = options.search.to_lowercase();
    wanted.is_empty() || texts.iter().flatten().any(|text| text.to_lowercase().contains(&wanted))
}

fn table(html: &mut String, columns: &[&str]) {
    html.push_str("<table><thead><tr>");
    for column in columns {
        let _ = write!(html, "<th>{column}</th>");
    }
    html.push_str("</tr></thead>\n<tbody>");
}

fn search_form(html: &mut String, options: &Options, show: &str, filter: &str) {
    let _ = write!(
        html,
        "<form><input type=\"hidden\" name=\"show\" value=\"{show}\"><input type=\"hidden\" name=\"filter\" \
         value=\"{filter}\"><input type=\"search\" name=\"search\" placeholder=\"Search\" value=\"{}\"></form>",
        escape(&options.search)
    );
}

fn live(directory: &Directory, kind: Kind) -> impl Iterator<Item = &Entry> {
    directory.listing(kind, None).map(|(_, entry)| entry)
}

fn users(html: &mut String, directory: &Directory, options: &Options) {
    let fits = |entry: &Entry, filter: Filter| match filter {
        Filter::All => true,
        Filter::Unlicensed => !has_licence(entry),
        Filter::InCloud => !entry.is_synced(),
        Filter::Synced => entry.is_synced(),
        Filter::Blocked => entry.flag("accountEnabled") == Some(false),
        Filter::WithErrors => has_errors(entry),
    };
    html.push_str("<p class=\"filters\">");
    for (filter, name, title) in FILTERS {
        let count = live(directory, Kind::User).filter(|entry| fits(entry, filter)).count();
        let current = if filter == options.filter { " aria-current=\"true\"" } else { "" };
        let _ = write!(html, "<a href=\"?show=users&amp;filter={name}\"{current}>{title} ({count})</a>");
    }
    let (_, filter, _) = FILTERS.into_iter().find(|(filter, ..)| *filter == options.filter).unwrap_or(FILTERS[0]);
    search_form(html, options, "users", filter);
    html.push_str("</p>\n");
    table(
        html,
        &[
            "Display name",
            "Username",
            "Sync status",
            "Licenses",
            "Sign-in",
            "Password last set by",
            "Not set because of a conflict",
        ],
    );
    let found = |entry: &&Entry| {
        is_found(options, &[entry.text("displayName"), entry.text("userPrincipalName"), entry.text("mail")])
    };
    let rows = live(directory, Kind::User).filter(|entry| fits(entry, options.filter)).filter(found).collect();
    paged(html, options, rows, |html, entry| {
        let status_class = if entry.is_synced() { "synced" } else { "" };
        let licence_class = if has_licence(entry) { "" } else { "none" };
        let allowed = if entry.flag("accountEnabled") == Some(false) { "Blocked" } else { "Allowed" };
        let password = entry.password.as_ref().map_or_else(
            || "Nobody".to_owned(),
            |kept| format!("{}, {}", kept.set_by.words(), graph_time(kept.set_ms)),
        );
        let errors: Vec<&str> = entry.held_back.iter().map(|held| held.value.as_str()).collect();
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td class=\"{status_class}\">{}</td><td class=\"{licence_class}\">{}</td>\
             <td>{allowed}</td><td>{password}</td><td>{}</td></tr>",
            escape(entry.text("displayName").unwrap_or_default()),
            escape(entry.text("userPrincipalName").unwrap_or_default()),
            status(entry),
            escape(&licences(directory, entry)),
            escape(&errors.join(", "))
        );
    });
}

fn groups(html: &mut String, directory: &Directory, options: &Options) {
    search_form(html, options, "groups", "");
    table(html, &["Name", "Type", "Email", "Sync status", "Members"]);
    let found = |entry: &&Entry| is_found(options, &[entry.text("displayName"), entry.text("mail")]);
    let rows = live(directory, Kind::Group).filter(found).collect();
    paged(html, options, rows, |html, entry| {
        let kind = match GroupClass::of_entry(entry) {
            GroupClass::Security => "Security",
            GroupClass::Unified => "Microsoft 365",
            GroupClass::MailEnabledSecurity => "Mail-enabled security",
            GroupClass::Distribution => "Distribution list",
        };
        let members = entry.members().filter(|member| directory.live(*member).is_some()).count();
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{kind}</td><td>{}</td><td class=\"{}\">{}</td><td>{members}</td></tr>",
            escape(entry.text("displayName").unwrap_or_default()),
            escape(entry.text("mail").unwrap_or_default()),
            if entry.is_synced() { "synced" } else { "" },
            status(entry)
        );
    });
}

fn contacts(html: &mut String, directory: &Directory, options: &Options) {
    search_form(html, options, "contacts", "");
    table(html, &["Display name", "Email", "Company", "Sync status"]);
    let found = |entry: &&Entry| is_found(options, &[entry.text("displayName"), entry.text("mail")]);
    let rows = live(directory, Kind::Contact).filter(found).collect();
    paged(html, options, rows, |html, entry| {
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"{}\">{}</td></tr>",
            escape(entry.text("displayName").unwrap_or_default()),
            escape(entry.text("mail").unwrap_or_default()),
            escape(entry.text("companyName").unwrap_or_default()),
            if entry.is_synced() { "synced" } else { "" },
            status(entry)
        );
    });
}

fn deleted(html: &mut String, directory: &Directory, options: &Options) {
    search_form(html, options, "deleted", "");
    table(html, &["Display name", "Username", "Type", "Deleted", "Licenses"]);
    let found = |entry: &&Entry| is_found(options, &[entry.text("displayName"), entry.text("userPrincipalName")]);
    let rows = directory.recycle_bin().filter(found).collect();
    paged(html, options, rows, |html, entry| {
        let former = entry.deleted.as_ref().and_then(|deletion| deletion.user_principal_name.as_deref());
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(entry.text("displayName").unwrap_or_default()),
            escape(former.unwrap_or_default()),
            entry.kind.resource(),
            escape(entry.text("deletedDateTime").unwrap_or_default()),
            escape(&licences(directory, entry))
        );
    });
}

fn requests(html: &mut String, log: &RequestLog, options: &Options) {
    let _ = write!(html, "<p>{} writes carried out, {} asked for.</p>", log.successful_writes(), log.writes());
    search_form(html, options, "log", "");
    table(html, &["Number", "Time", "Request", "Object", "Status", "Carried out", "Fault", "Body"]);
    let found = |request: &&LoggedRequest| {
        is_found(
            options,
            &[Some(&request.path), Some(&request.method), request.item.as_deref(), request.fault.as_deref()],
        )
    };
    let rows: Vec<&LoggedRequest> = log.latest_first().filter(found).collect();
    paged(html, options, rows, |html, request| {
        let body = request.body.as_ref().map_or_else(String::new, |body| {
            let text = serde_json::to_string_pretty(body).unwrap_or_default();
            format!("<details><summary>show</summary><pre>{}</pre></details>", escape(&text))
        });
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{} {}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{body}</td></tr>",
            request.sequence,
            escape(&request.time),
            escape(&request.method),
            escape(&request.path),
            escape(request.item.as_deref().unwrap_or_default()),
            request.status,
            if request.applied { "yes" } else { "" },
            escape(request.fault.as_deref().unwrap_or_default())
        );
    });
}
