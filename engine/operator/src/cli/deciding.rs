//! `metasync approve`, `undo-takeover`, `join`, `disconnect`: what can be typed where an operator's word decides.

use clap::Args;

#[derive(Debug, Clone, Args)]
pub(crate) struct ApproveArgs {
    /// The digest that `pending` or the run's summary shows; its first 8 characters are enough where they are unique
    pub(crate) digest: String,
}

#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Without --apply or --yes nothing is written: what each object held before its takeover, holds now and will hold is shown, with the \
    order of the writes and all that stays as it is. In Connect mode what only synchronisation can write (addresses) goes first, then the \
    source of authority (isCloudManaged), the anchor last; in Graph mode the values, then the anchor. From then on the pair is rejected, \
    until `metasync match approve`. What was broken off is run again, and ends the same. A password is not put back: set a new one.

  metasync undo-takeover ann@contoso.com                    show it
  metasync undo-takeover ann@contoso.com --apply 3f2a9c04   do exactly what was shown
  metasync undo-takeover cloud/7 --yes                      all takeovers of a run, as they are now"
)]
pub(crate) struct UndoTakeoverArgs {
    /// A person or existing object by name, address or anchor; or a run that `metasync history` lists, such as 7 or cloud/7
    #[arg(value_name = "OBJECT|RUN")]
    pub(crate) what: String,
    /// Do exactly what was shown with this digest; its first 8 characters are enough
    #[arg(long, value_name = "DIGEST", conflicts_with = "yes")]
    pub(crate) apply: Option<String>,
    /// Do it as it is now
    #[arg(long)]
    pub(crate) yes: bool,
    /// Why, for history
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct JoinArgs {
    /// The connector whose object is joined
    pub(crate) connector: String,
    /// DN, anchor, sign-in name, mail, sAMAccountName or display name
    pub(crate) object: String,
    /// The metaverse object: sign-in name, mail, display name, source anchor, or its number (mv:7)
    #[arg(required_unless_present = "undo", conflicts_with = "undo")]
    pub(crate) metaverse: Option<String>,
    /// Take an earlier join back: the rules decide again
    #[arg(long)]
    pub(crate) undo: bool,
    /// Do it without asking
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DisconnectArgs {
    /// The connector whose object is kept apart
    pub(crate) connector: String,
    /// DN, anchor, sign-in name, mail, sAMAccountName or display name
    pub(crate) object: String,
    /// Take an earlier disconnection back: the rules decide again
    #[arg(long)]
    pub(crate) undo: bool,
    /// Do it without asking
    #[arg(long)]
    pub(crate) yes: bool,
}
