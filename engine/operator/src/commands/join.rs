//! `metasync join`: an operator says to whom an object belongs (O20). Shown first, as the next synchronisation would decide under it;
//! kept when the operator agrees. Links and sends nothing itself.

use crate::cli::JoinArgs;
use crate::commands::preview::space;
use crate::context::{Context, Opened};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, to_json};
use crate::render::objects::{self, Facts};
use serde_json::json;
use sync_kernel::{CsId, MvId, Subject};
use sync_runtime::{Engine, Preview, Space};
use sync_store::LinkOrder;

pub(crate) fn run(context: &Context, args: &JoinArgs) -> Result<Report, Failure> {
    let opened = context.open()?;
    let connector = connector(&opened, &args.connector)?;
    let mut engine = context.engine(opened)?;
    let object = object(&engine, &connector, &args.object)?;
    let order = match &args.metaverse {
        Some(metaverse) => LinkOrder::Join { object, metaverse: metaverse_object(&engine, metaverse)? },
        None => LinkOrder::UndoJoin { object },
    };
    let report = give(context, &mut engine, &order, args.yes)?;
    engine.close()?;
    Ok(report)
}

/// The connector space that an object of a link stands in.
pub(crate) fn connector(opened: &Opened, name: &str) -> Result<Space, Failure> {
    match space(name, &opened.connectors)? {
        Space::Connector(name) => Ok(Space::Connector(name)),
        Space::Metaverse => Err(Failure::new(
            "connector-unknown",
            "`mv` is the metaverse; a link begins at an object of a connector space",
            "name the connector first, then its object",
        )),
    }
}

pub(crate) fn object(engine: &Engine, space: &Space, text: &str) -> Result<CsId, Failure> {
    match engine.reading().find(space, text)? {
        Subject::Connector(id) => Ok(id),
        Subject::Metaverse(id) => Err(Failure::new(
            "not-found",
            format!("{id} is a metaverse object"),
            "name an object of the connector space: its DN, anchor or cs:NUMBER",
        )),
    }
}

fn metaverse_object(engine: &Engine, text: &str) -> Result<MvId, Failure> {
    match engine.reading().find(&Space::Metaverse, text)? {
        Subject::Metaverse(id) => Ok(id),
        Subject::Connector(id) => Err(Failure::new(
            "not-found",
            format!("{id} is an object of a connector space"),
            "name the metaverse object: its sign-in name, or mv:NUMBER",
        )),
    }
}

/// Shows what would follow, asks, and gives the order.
pub(crate) fn give(context: &Context, engine: &mut Engine, order: &LinkOrder, yes: bool) -> Result<Report, Failure> {
    let preview = engine.preview_link_order(order)?;
    let shown = would(&preview);
    let agreed = yes || (context.output.is_interactive() && context.confirm(&shown, "do this?")?);
    let (text, told) = if agreed {
        let told = engine.order_link(order)?.told;
        let option = context.option();
        (format!("{shown}{told}; the next synchronisation carries it out:\n  metasync{option} cycle\n"), Some(told))
    } else {
        (format!("{shown}nothing was changed; --yes does it\n"), None)
    };
    let json = json!({ "order": order.code(), "done": told.is_some(), "told": told, "preview": to_json(&preview) });
    Ok(Report::new(Exit::Success, text, json))
}

fn would(preview: &Preview) -> String {
    let text = objects::preview(preview, Facts::AsLastRead, false);
    let text = text.strip_suffix("Nothing was written.\n").unwrap_or(&text);
    format!("The next synchronisation would do this:\n\n{text}\n")
}
