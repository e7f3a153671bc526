//! Collections and single objects with their query options: `$select`, `$filter`, `$top`, `$count`, `$orderby`,
//! `$expand`, and pages with `$skiptoken` (A.2). Reads only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::call::{Call, Reply};
use crate::clock::{Millis, SECOND_MS};
use crate::context::Context;
use crate::entry::Entry;
use crate::errors::{GraphError, GraphResult};
use crate::filter::Filter;
use crate::guid::Guid;
use crate::indexes::Table;
use crate::schema::{self, Kind};

/// Highest `$top` (A.2).
const MOST_TOP: usize = 999;
/// Most related objects that `$expand` returns.
const MOST_EXPANDED: usize = 20;

const QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'$').remove(b',');

/// What a collection is made of.
pub(crate) enum Source {
    /// All live objects of a type, in order of creation.
    All(Kind),
    /// Chosen objects, printed with their type; in order of id.
    Mixed(Vec<Guid>),
    /// Chosen objects of one type; in order of id.
    Chosen(Kind, Vec<Guid>),
}

/// The query options of a request, checked.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) select: Option<Vec<String>>,
    expand: Vec<Expansion>,
    top: Option<usize>,
    filter: Option<Filter>,
    count: bool,
    order: Option<Order>,
    skip_token: Option<String>,
}

#[derive(Debug)]
struct Expansion {
    name: String,
    select: Option<Vec<String>>,
}

#[derive(Debug)]
struct Order {
    property: String,
    descending: bool,
}

#[derive(Serialize, Deserialize)]
struct PageToken {
    /// The directory that minted it.
    i: Guid,
    /// When.
    t: Millis,
    /// For which path.
    p: String,
    /// The last place on the page before, as text: JSON numbers do not hold 128 bits.
    a: String,
}

impl Options {
    /// Reads the options for objects of these types; unknown options and properties are refused.
    pub(crate) fn read(call: &Call, kinds: &[Kind]) -> GraphResult<Options> {
        let mut options = Options::default();
        for (name, value) in call.options() {
            match name.as_str() {
                "$select" => options.select = Some(read_select(&value, kinds)?),
                "$expand" => options.expand = read_expand(&value, kinds)?,
                "$top" => options.top = Some(read_top(&value)?),
                "$filter" => options.filter = Some(Filter::parse(&value)?),
                "$count" => options.count = value.eq_ignore_ascii_case("true"),
                "$orderby" => options.order = Some(read_order(&value)?),
                "$skiptoken" => options.skip_token = Some(value),
                "$search" => {
                    return Err(GraphError::unsupported_query("$search is not offered by the rehearsal tenant."));
                }
                other if other.starts_with('$') => {
                    return Err(GraphError::malformed(format!("The query parameter '{other}' is not supported.")));
                }
                _ => {}
            }
        }
        options.check_advanced(call)?;
        if let Some(filter) = &options.filter {
            filter.check(&|name| kinds.iter().any(|kind| is_filterable(*kind, name)))?;
        }
        Ok(options)
    }

    fn check_advanced(&self, call: &Call) -> GraphResult<()> {
        let advanced_filter = self.filter.as_ref().is_some_and(Filter::is_advanced);
        let sorted_filter = self.filter.is_some() && self.order.is_some();
        let complete = call.is_eventual() && self.count;
        if (advanced_filter || sorted_filter) && !complete || self.count && !call.is_eventual() {
            return Err(GraphError::unsupported_query(
                "Advanced query capabilities need the header 'ConsistencyLevel: eventual' and '$count=true'.",
            ));
        }
        Ok(())
    }
}

fn read_select(value: &str, kinds: &[Kind]) -> GraphResult<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let declared = kinds.iter().find_map(|kind| schema::find(*kind, name));
        let name = match declared {
            Some(property) => property.name.to_owned(),
            None if schema::is_directory_extension(name) => name.to_owned(),
            None => return Err(unknown_property(name, kinds)),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(GraphError::malformed("Parsing OData Select and Expand failed: $select names no property."));
    }
    Ok(names)
}

pub(crate) fn unknown_property(name: &str, kinds: &[Kind]) -> GraphError {
    let kind = kinds.first().map_or("", |kind| kind.odata_type().trim_start_matches('#'));
    GraphError::malformed(format!(
        "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type '{kind}'."
    ))
}

/// `manager($select=id),memberOf`.
fn read_expand(value: &str, kinds: &[Kind]) -> GraphResult<Vec<Expansion>> {
    let mut expansions = Vec::new();
    for part in split_outside_brackets(value) {
        let (name, inside) = match part.split_once('(') {
            Some((name, inside)) => (name, inside.strip_suffix(')')),
            None => (part, None),
        };
        let known = match name {
            "manager" => kinds.contains(&Kind::User),
            "memberOf" => kinds.iter().any(|kind| *kind != Kind::Contact),
            "members" => kinds.contains(&Kind::Group),
            _ => false,
        };
        if !known {
            return Err(unknown_property(name, kinds));
        }
        let select = match inside.and_then(|inside| inside.trim().strip_prefix("$select=")) {
            Some(select) => Some(read_select(select, &[Kind::User, Kind::Group, Kind::Contact])?),
            None => None,
        };
        expansions.push(Expansion { name: name.to_owned(), select });
    }
    Ok(expansions)
}

fn split_outside_brackets(value: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut depth = 0_usize;
    let mut start = 0;
    for (place, char) in value.char_indices() {
        match char {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(value[start..place].trim());
                start = place + 1;
            }
            _ => {}
        }
    }
    parts.push(value[start..].trim());
    parts
}

fn read_top(value: &str) -> GraphResult<usize> {
    let top = value.parse::<usize>().ok().filter(|top| *top > 0);
    let top =
        top.ok_or_else(|| GraphError::malformed(format!("Invalid value '{value}' for $top query option found.")))?;
    if top > MOST_TOP {
        return Err(GraphError::bad_request(format!(
            "Invalid page size specified: '{top}'. Must be between 1 and {MOST_TOP} inclusive."
        )));
    }
    Ok(top)
}

fn read_order(value: &str) -> GraphResult<Order> {
    let mut words = value.split_whitespace();
    let property = words.next().unwrap_or_default();
    if !matches!(property, "displayName" | "userPrincipalName") || value.contains(',') {
        return Err(GraphError::unsupported_query("Sorting not supported for current query."));
    }
    let descending = words.next().is_some_and(|direction| direction.eq_ignore_ascii_case("desc"));
    Ok(Order { property: property.to_owned(), descending })
}

/// Properties that take a `$filter`. Complex and profile properties do not.
fn is_filterable(kind: Kind, name: &str) -> bool {
    if name == "proxyAddresses"
        || name == "otherMails"
        || name == "groupTypes"
        || name == "assignedLicenses"
        || name == "identities"
    {
        return schema::find(kind, name).is_some();
    }
    if schema::is_directory_extension(name) {
        return true;
    }
    schema::find(kind, name).is_some_and(|property| {
        property.name == name
            && !property.elsewhere
            && !matches!(property.shape, schema::Shape::Complex | schema::Shape::ComplexList | schema::Shape::TextList)
    })
}

/// One page of a collection.
pub(crate) fn page(cx: &Context<'_>, call: &Call, source: &Source) -> GraphResult<Reply> {
    let kinds = source.kinds();
    let options = Options::read(call, &kinds)?;
    let after = match &options.skip_token {
        Some(token) => Some(read_page_token(cx, call, token)?),
        None => None,
    };
    let size = options.top.unwrap_or(cx.knobs.page_size).clamp(1, cx.knobs.max_page_size.max(1));
    let mut found = matching(cx, source, &options, after);
    let mut rows = Vec::new();
    let mut last = 0;
    for (place, entry) in found.by_ref().take(size) {
        rows.push(Value::Object(print(cx, entry, &options, source.is_mixed())));
        last = place;
    }
    let more = found.next().is_some();
    drop(found);

    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), json!(metadata(cx, source, &options)));
    if options.count && after.is_none() {
        body.insert("@odata.count".to_owned(), json!(matching(cx, source, &options, None).count()));
    }
    if more {
        body.insert("@odata.nextLink".to_owned(), json!(next_link(cx, call, last)));
    }
    body.insert("value".to_owned(), Value::Array(rows));
    Ok(Reply::ok(Value::Object(body)))
}

/// The bare number of `/users/$count`, which is an advanced query.
pub(crate) fn count(cx: &Context<'_>, call: &Call, source: &Source) -> GraphResult<usize> {
    if !call.is_eventual() {
        return Err(GraphError::unsupported_query("$count needs the header 'ConsistencyLevel: eventual'."));
    }
    let mut options = Options { count: true, ..Options::default() };
    if let Some((_, filter)) = call.options().into_iter().find(|(name, _)| name == "$filter") {
        options.filter = Some(Filter::parse(&filter)?);
    }
    Ok(matching(cx, source, &options, None).count())
}

/// One object.
pub(crate) fn single(cx: &Context<'_>, call: &Call, entry: &Entry) -> GraphResult<Value> {
    let options = Options::read(call, &[entry.kind])?;
    let mut body = Map::new();
    let set = entry.kind.set();
    let context = match &options.select {
        Some(names) => format!("{}$metadata#{set}({})/$entity", cx.graph_url, names.join(",")),
        None => format!("{}$metadata#{set}/$entity", cx.graph_url),
    };
    body.insert("@odata.context".to_owned(), json!(context));
    body.extend(print(cx, entry, &options, false));
    Ok(Value::Object(body))
}

/// One object where the type is not known from the path.
pub(crate) fn single_typed(cx: &Context<'_>, call: &Call, entry: &Entry) -> GraphResult<Value> {
    let options = Options::read(call, &[entry.kind])?;
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), json!(format!("{}$metadata#directoryObjects/$entity", cx.graph_url)));
    body.extend(cx.print_typed(entry, options.select.as_deref()));
    Ok(Value::Object(body))
}

impl Source {
    fn kinds(&self) -> Vec<Kind> {
        match self {
            Source::All(kind) | Source::Chosen(kind, _) => vec![*kind],
            Source::Mixed(_) => vec![Kind::User, Kind::Group, Kind::Contact],
        }
    }

    fn is_mixed(&self) -> bool {
        matches!(self, Source::Mixed(_))
    }
}

type Found<'a> = Box<dyn Iterator<Item = (u128, &'a Entry)> + 'a>;

/// Matching objects with their places, behind `after`.
fn matching<'a>(cx: &'a Context<'_>, source: &'a Source, options: &'a Options, after: Option<u128>) -> Found<'a> {
    let wanted = move |entry: &Entry| {
        cx.is_replicated(entry)
            && options.filter.as_ref().is_none_or(|filter| filter.matches(&|name| cx.value_of(entry, name)))
    };
    if let Some(order) = &options.order {
        let mut sorted: Vec<&Entry> =
            candidates(cx, source, options, None).map(|(_, e)| e).filter(|e| wanted(e)).collect();
        sorted.sort_by_key(|entry| entry.text(&order.property).unwrap_or_default().to_lowercase());
        if order.descending {
            sorted.reverse();
        }
        let places = (1_u128..).zip(sorted);
        return Box::new(places.skip_while(move |(place, _)| after.is_some_and(|after| *place <= after)));
    }
    Box::new(candidates(cx, source, options, after).filter(move |(_, entry)| wanted(entry)))
}

/// Objects to evaluate the filter on: those an index names, where the filter pins an indexed property down.
fn candidates<'a>(cx: &'a Context<'_>, source: &'a Source, options: &'a Options, after: Option<u128>) -> Found<'a> {
    match source {
        Source::All(kind) => match options.filter.as_ref().and_then(|filter| looked_up(cx, *kind, filter)) {
            Some(mut entries) => {
                entries.sort_by_key(|entry| entry.ordinal);
                entries.dedup_by_key(|entry| entry.id);
                let placed = entries.into_iter().map(|entry| (u128::from(entry.ordinal), entry));
                Box::new(placed.skip_while(move |(place, _)| after.is_some_and(|after| *place <= after)))
            }
            None => {
                let after = after.map(|after| u64::try_from(after).unwrap_or(u64::MAX));
                Box::new(cx.directory.listing(*kind, after).map(|(place, entry)| (u128::from(place), entry)))
            }
        },
        Source::Mixed(ids) | Source::Chosen(_, ids) => {
            let start = after.map_or(0, |after| ids.partition_point(|id| id.as_u128() <= after));
            let rest = ids.get(start..).unwrap_or_default();
            Box::new(rest.iter().filter_map(|id| cx.directory.any(*id)).map(|entry| (entry.id.as_u128(), entry)))
        }
    }
}

fn looked_up<'a>(cx: &'a Context<'_>, kind: Kind, filter: &Filter) -> Option<Vec<&'a Entry>> {
    const INDEXED: [&str; 6] =
        ["id", "userPrincipalName", "mail", "proxyAddresses", "onPremisesImmutableId", "uniqueName"];
    let mut found = Vec::new();
    for (property, value) in filter.pinned(&INDEXED)? {
        let table = match property {
            "userPrincipalName" => Table::UserPrincipalName,
            "mail" => Table::Mail,
            "proxyAddresses" => Table::Proxy,
            "onPremisesImmutableId" => Table::ImmutableId,
            "uniqueName" => Table::UniqueName,
            _ => {
                found.extend(Guid::parse(value).and_then(|id| cx.directory.live(id)));
                continue;
            }
        };
        found.extend(cx.directory.holders(table, value));
    }
    found.retain(|entry| entry.kind == kind);
    Some(found)
}

fn print(cx: &Context<'_>, entry: &Entry, options: &Options, typed: bool) -> Map<String, Value> {
    let select = options.select.as_deref();
    let mut row = if typed { cx.print_typed(entry, select) } else { cx.print(entry, select) };
    for expansion in &options.expand {
        let select = expansion.select.as_deref();
        let related = |ids: Vec<Guid>| -> Vec<Value> {
            let visible = ids.into_iter().filter_map(|id| cx.visible(id));
            visible.take(MOST_EXPANDED).map(|entry| Value::Object(cx.print_typed(entry, select))).collect()
        };
        match expansion.name.as_str() {
            "manager" => {
                if let Some(manager) = related(entry.manager.into_iter().collect()).pop() {
                    row.insert("manager".to_owned(), manager);
                }
            }
            "memberOf" => {
                let groups = cx.directory.groups_of(entry.id).map(|group| group.id).collect();
                row.insert("memberOf".to_owned(), Value::Array(related(groups)));
            }
            _ => {
                row.insert("members".to_owned(), Value::Array(related(entry.members().collect())));
            }
        }
    }
    row
}

fn metadata(cx: &Context<'_>, source: &Source, options: &Options) -> String {
    let set = match source {
        Source::All(kind) | Source::Chosen(kind, _) => kind.set(),
        Source::Mixed(_) => "directoryObjects",
    };
    match &options.select {
        Some(names) => format!("{}$metadata#{set}({})", cx.graph_url, names.join(",")),
        None => format!("{}$metadata#{set}", cx.graph_url),
    }
}

fn next_link(cx: &Context<'_>, call: &Call, last: u128) -> String {
    let token = PageToken { i: cx.directory.instance, t: cx.now, p: call.path().to_owned(), a: last.to_string() };
    let mut options: Vec<(String, String)> =
        call.options().into_iter().filter(|(name, _)| name != "$skiptoken").collect();
    options.push(("$skiptoken".to_owned(), seal(&token)));
    link(cx, call.path(), &options)
}

/// An absolute link to a path below the version root.
pub(crate) fn link(cx: &Context<'_>, path: &str, options: &[(String, String)]) -> String {
    let query: Vec<String> = options
        .iter()
        .map(|(name, value)| format!("{}={}", utf8_percent_encode(name, QUERY), utf8_percent_encode(value, QUERY)))
        .collect();
    format!("{}{}?{}", cx.graph_url, path.trim_start_matches('/'), query.join("&"))
}

/// Makes an opaque token.
pub(crate) fn seal<T: Serialize>(token: &T) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(token).unwrap_or_default())
}

/// Reads an opaque token; `None` for anything not minted here.
pub(crate) fn unseal<T: for<'de> Deserialize<'de>>(token: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()
}

fn read_page_token(cx: &Context<'_>, call: &Call, token: &str) -> GraphResult<u128> {
    let token: PageToken = unseal(token).ok_or_else(GraphError::expired_page_token)?;
    let life = Millis::try_from(cx.knobs.page_token_life_s).unwrap_or(Millis::MAX).saturating_mul(SECOND_MS);
    let fresh = token.t.saturating_add(life) > cx.now;
    if token.i != cx.directory.instance || token.p != call.path() || !fresh {
        return Err(GraphError::expired_page_token());
    }
    token.a.parse().map_err(|_| GraphError::expired_page_token())
}
