//! `metasync demo`: the whole story on a sample directory and a rehearsal tenant, told with the public commands. Uses no
//! engine feature that an operator does not have, and checks the end by asking the tenant itself. Leaves its deployment
//! folder behind.

mod ask;
mod folder;
mod one_password;
#[cfg(test)]
mod staged;
mod summary;
#[cfg(test)]
mod tests;
mod verify;

use crate::cli::{ApproveArgs, CheckArgs, CycleArgs, CycleKindArg, DemoArgs, ExplainArgs, PendingArgs, TenantArgs};
use crate::commands;
use crate::context::{Context, shown};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::init;
use crate::output::{Output, Report};
use ask::Witness;
use azure_ad_emulator::RunningTenant;
use folder::{CLIENT_ID, DIRECTORY, DemoFolder};
use serde_json::{Value, json};
#[cfg(test)]
pub(crate) use staged::Staged;
use verify::{CONTACT_QUERY, GROUP_QUERY, Inventory, USER_QUERY, compare, judge_source_of_authority};

pub(crate) async fn run(context: &Context, args: &DemoArgs) -> Result<Report, Failure> {
    run_by_way_of(context, args, RunningTenant::graph_url).await
}

/// The same with a word on where the deployment finds the tenant's Graph.
async fn run_by_way_of(
    context: &Context,
    args: &DemoArgs,
    graph_url: impl FnOnce(&RunningTenant) -> String,
) -> Result<Report, Failure> {
    let mode = if args.graph { init::CloudMode::Graph } else { init::CloudMode::connect()? };
    let folder = DemoFolder::create(args.folder.as_deref(), mode)?;
    let tenant = start_tenant(context, &folder).await?;
    let mut story = Story::new(context, &folder);
    let told = tell(&mut story, &folder, &tenant, &graph_url(&tenant)).await;
    // Whatever came of the story, the tenant's state is saved for the commands that follow.
    let stopped = tenant.shutdown().await;
    let report = told?;
    stopped.map_err(|error| Failure::new("tenant", error.to_string(), ""))?;
    Ok(report)
}

async fn start_tenant(context: &Context, folder: &DemoFolder) -> Result<RunningTenant, Failure> {
    let context = Context { folder: folder.path.clone(), ..context.clone() };
    let args = TenantArgs {
        seed: Some(folder.path.join(commands::tenant::SEED)),
        state: Some(folder.path.join(commands::tenant::STATE)),
        client_id: Some(CLIENT_ID.to_owned()),
        client_secret: Some(format!("file:{}", folder.secret_file().display())),
        ..TenantArgs::default()
    };
    commands::tenant::start(commands::tenant::options(&context, &args)?).await
}

/// The transcript: each command as an operator would type it, and what it answers.
struct Story {
    /// Of the demo's deployment, with the commands' own talk switched off.
    context: Context,
    output: Output,
    steps: Vec<Value>,
    chapter: usize,
}

impl Story {
    fn new(context: &Context, folder: &DemoFolder) -> Self {
        Story {
            context: Context {
                folder: folder.path.clone(),
                output: Output { quiet: true, ..context.output },
                stop: context.stop.clone(),
            },
            output: context.output,
            steps: Vec::new(),
            chapter: 0,
        }
    }

    fn say(&self, text: &str) {
        if !self.output.json {
            self.output.data(text);
        }
    }

    fn chapter(&mut self, title: &str, text: &str) {
        self.chapter += 1;
        let text: String = text.split("\n\n").map(|part| crate::text::paragraph(part, 0)).collect();
        self.say(&format!("\n== {}. {title}\n\n{text}\n", self.chapter));
    }

    /// Shows a command's answer; `expected` are the exit codes that the story goes on with.
    fn ran(&mut self, line: &str, report: Report, expected: &[Exit]) -> Result<Value, Failure> {
        self.say(&format!("$ metasync{} {line}\n\n{}\n", self.context.option(), report.text.trim_end()));
        self.say(&format!("(exit {})\n\n", report.exit.code()));
        self.steps.push(json!({ "command": line, "exit": report.exit.code(), "result": report.json }));
        if self.context.stop.is_stopped() {
            return Err(Failure::new("interrupted", "the demo was stopped", "").with_exit(Exit::Interrupted));
        }
        if expected.contains(&report.exit) {
            return Ok(report.json);
        }
        let wanted: Vec<String> = expected.iter().map(|exit| exit.code().to_string()).collect();
        Err(Failure::new(
            "demo-step",
            format!("`{line}` ended with exit code {} instead of {}", report.exit.code(), wanted.join(" or ")),
            format!("look at the deployment in {}", self.context.folder.display()),
        ))
    }

    async fn cycle(&mut self, kind: CycleKindArg, expected: &[Exit]) -> Result<Value, Failure> {
        let args = CycleArgs { kind, ..CycleArgs::default() };
        let line = match kind {
            CycleKindArg::Initial => "cycle initial",
            CycleKindArg::Delta => "cycle",
        };
        let report = commands::run::cycle(&self.context, &args).await?;
        self.ran(line, report, expected)
    }

    fn approve(&mut self, digest: &str) -> Result<Value, Failure> {
        let report = commands::approve::run(&self.context, &ApproveArgs { digest: digest.to_owned() })?;
        self.ran(&format!("approve {digest}"), report, &[Exit::Success])
    }

    fn explain(&mut self, object: &str, what: Option<&str>) -> Result<Value, Failure> {
        let args = ExplainArgs { object: object.to_owned(), what: what.map(str::to_owned), limit: 50, skip: 0 };
        let line = match what {
            Some(what) => format!("explain '{object}' '{what}'"),
            None => format!("explain '{object}'"),
        };
        let report = commands::explain::run(&self.context, &args)?;
        self.ran(&line, report, &[Exit::Success])
    }
}

/// How a cycle of the story may end: the tenant refuses Emil's sign-in name (its suffix is no verified domain), and what the
/// sample's dirt holds goes on waiting.
const SETTLED: [Exit; 3] = [Exit::Success, Exit::Waiting, Exit::ObjectErrors];

async fn tell(
    story: &mut Story,
    folder: &DemoFolder,
    tenant: &RunningTenant,
    graph_url: &str,
) -> Result<Report, Failure> {
    let witness =
        Witness::sign_in(tenant.address(), &tenant.tenant_id().to_string(), CLIENT_ID, &folder.secret).await?;
    let before = inventory(&witness).await?;
    story.chapter(
        "A directory and a tenant",
        &format!(
            "Contoso has {} in Office 365, created in the cloud, and its people in Active Directory as well: two places \
             to keep everything, and nobody knows which is right. Active Directory is to be the one{}.\n\n\
             The directory is a sample ({DIRECTORY}, everybody in it is made up), the tenant a rehearsal tenant on {}, \
             spoken to over HTTP as the real one.",
            crate::text::counted(before.users.len() as u64, "user", "users"),
            match folder.is_graph() {
                true => "; the objects of the cloud stay managed there",
                false => ", and to master the cloud's users, groups and contacts: the administrator of the tenant has \
                          switched directory synchronisation on",
            },
            tenant.base_url()
        ),
    );
    let answers = folder.answers(graph_url, &format!("{}/", tenant.base_url()), &tenant.tenant_id().to_string());
    let written = init::write_deployment(&story.context, &answers)?;
    story.ran(&folder.init_line(&answers), written, &[Exit::Success])?;
    let checked = commands::check::run(&story.context, &CheckArgs { offline: false }).await?;
    story.ran("check", checked, &[Exit::Success])?;

    story.chapter(
        "Staging: decide, write nothing",
        "The deployment starts in staging mode: a cycle reads both sides and decides, and exports nothing. What it would \
         match, create and hold can be looked at for as long as it takes.",
    );
    let staged = story.cycle(CycleKindArg::Initial, &[Exit::Waiting]).await?;
    let matches = waiting(&staged, "match")?;
    let pending = commands::pending::run(&story.context, &pending_args())?;
    story.ran(&format!("pending {}", init::TARGET), pending, &[Exit::Success])?;
    story.explain("Gus Admin", None)?;
    expect_no_writes(tenant, "staging mode")?;

    story.chapter(
        "Approve the matches, and switch staging off",
        "Existing cloud users are joined only from a list that somebody has approved. The digest stands for exactly this \
         list: if one line changes, it lets nothing through.",
    );
    story.approve(&matches)?;
    folder.switch_staging_off()?;
    story.say("In metasync.toml: staging = false\n");

    story.chapter(
        "The guard",
        "Twenty takeovers and a dozen new users at once are far more than 10% of so small a tenant (never below 5). The \
         export stops before its first byte, until this list too is approved. In daily work the guard is what stands \
         between a mistake in the directory and the tenant.",
    );
    let stopped = story.cycle(CycleKindArg::Delta, &[Exit::Waiting]).await?;
    expect_no_writes(tenant, "the guard")?;
    let mut guarded = waiting(&stopped, "guard")?;
    // New users exist after the first export only; what refers to them (members, managers) is counted when it can be sent.
    for _ in 0..4 {
        story.approve(&guarded)?;
        let exported = story.cycle(CycleKindArg::Delta, &SETTLED).await?;
        match waiting(&exported, "guard") {
            Ok(digest) => guarded = digest,
            Err(_) => break,
        }
    }

    story.chapter(
        "Ask the tenant",
        "Not the engine's word for it: the tenant itself is asked again, over HTTP, and compared with what it said before.",
    );
    let after = inventory(&witness).await?;
    let mut outcome = compare(&before, &after, &folder.anchors());
    judge_source_of_authority(&mut outcome, &after, !folder.is_graph());
    story.say(&summary::outcome(&outcome));
    if !outcome.broken.is_empty() {
        return Err(Failure::new("demo-verification", outcome.broken.join("; "), "this is a defect; please report it"));
    }

    story.chapter(
        "Once more: nothing to do",
        "What was exported was confirmed by an import. A second cycle, and a full one, must find nothing left to send.",
    );
    let writes = tenant.successful_writes();
    story.cycle(CycleKindArg::Delta, &SETTLED).await?;
    story.cycle(CycleKindArg::Initial, &SETTLED).await?;
    if tenant.successful_writes() != writes {
        let count = tenant.successful_writes() - writes;
        return Err(Failure::new(
            "demo-verification",
            format!("the second cycle wrote {count} times"),
            "this is a defect",
        ));
    }

    if !folder.is_graph() {
        one_password::tell(story, folder, tenant, &witness).await?;
    }

    let pending = commands::pending::run(&story.context, &pending_args())?.json;
    let text = summary::closing(&shown(&folder.path), &story.context.option(), &outcome, &pending);
    let json = json!({
        "folder": folder.path,
        "steps": story.steps,
        "summary": summary::json(&outcome, &pending),
    });
    Ok(Report::new(Exit::Success, text, json))
}

fn pending_args() -> PendingArgs {
    PendingArgs { connector: init::TARGET.to_owned(), csv: false, limit: 50 }
}

/// The digest of the waiting list of a kind, from a cycle's own report.
fn waiting(cycle: &Value, kind: &str) -> Result<String, Failure> {
    let lists = cycle.get("waiting").and_then(Value::as_array);
    lists
        .into_iter()
        .flatten()
        .find(|list| list.get("kind").and_then(Value::as_str) == Some(kind))
        .and_then(|list| list.get("digest").and_then(Value::as_str))
        .map(str::to_owned)
        .ok_or_else(|| Failure::new("demo-step", format!("no list of the kind `{kind}` waits for approval"), ""))
}

fn expect_no_writes(tenant: &RunningTenant, who: &str) -> Result<(), Failure> {
    match tenant.successful_writes() {
        0 => Ok(()),
        writes => {
            Err(Failure::new("demo-verification", format!("{who} let {writes} writes through"), "this is a defect"))
        }
    }
}

async fn inventory(witness: &Witness) -> Result<Inventory, Failure> {
    let users = witness.collection(USER_QUERY).await?;
    let groups = witness.collection(GROUP_QUERY).await?;
    let contacts = witness.collection(CONTACT_QUERY).await?;
    Ok(Inventory::new(users, groups, contacts))
}
