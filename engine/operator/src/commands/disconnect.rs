//! `metasync disconnect`: an operator says that an object belongs to nobody (O20), and no rule joins it until that is undone.
//! Shown first, kept when the operator agrees. Unlinks nothing itself.

use crate::cli::DisconnectArgs;
use crate::commands::join::{connector, give, object};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Report;
use sync_store::LinkOrder;

pub(crate) fn run(context: &Context, args: &DisconnectArgs) -> Result<Report, Failure> {
    let opened = context.open()?;
    let connector = connector(&opened, &args.connector)?;
    let mut engine = context.engine(opened)?;
    let object = object(&engine, &connector, &args.object)?;
    let order = match args.undo {
        false => LinkOrder::Disconnect { object },
        true => LinkOrder::UndoDisconnect { object },
    };
    let report = give(context, &mut engine, &order, args.yes)?;
    engine.close()?;
    Ok(report)
}
