//! `metasync match`: pairs of a source object and the existing object that it may be. Lists them, keeps what an operator says about
//! them, shows what a takeover would make of each, closes the window. What follows is decided by the next synchronisation.

mod close;
mod list;
mod pairs;
mod said;
mod sheet;
mod sheet_page;

use crate::cli::{MatchAction, MatchArgs};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Report;

pub(crate) fn run(context: &Context, args: &MatchArgs) -> Result<Report, Failure> {
    let connector = args.connector.as_deref();
    match &args.action {
        MatchAction::List(args) => list::run(context, connector, args),
        MatchAction::Approve(args) => said::approve(context, connector, args),
        MatchAction::Reject(args) => said::reject(context, connector, args),
        MatchAction::Close(args) => close::run(context, connector, args),
        MatchAction::Sheet(args) => sheet::run(context, connector, args),
    }
}
