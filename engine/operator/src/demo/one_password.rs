//! The demo's last chapter: one password. The hashes of the sample's people reach the tenant, people sign in there with the
//! password of the directory, and a changed one follows with the next pass.

use super::Story;
use super::ask::Witness;
use super::folder::{CLIENT_ID, DemoFolder, PASSWORD_SETTINGS};
use crate::cli::{PasswordsStatusArgs, PasswordsSyncArgs};
use crate::commands;
use crate::exit::Exit;
use crate::failure::Failure;
use azure_ad_emulator::RunningTenant;
use serde_json::Value;

const PERSON: &str = "ann.archer@contoso.example";
const FIRST: &str = "ann.archer-in-AD-1";
const SECOND: &str = "ann.archer-in-AD-2";
/// The name or the password is wrong.
const WRONG: &str = "AADSTS50126";
/// The user has no password in the tenant.
const NONE_YET: &str = "AADSTS50056";

pub(super) async fn tell(
    story: &mut Story,
    folder: &DemoFolder,
    tenant: &RunningTenant,
    witness: &Witness,
) -> Result<(), Failure> {
    story.chapter(
        "One password",
        "So far everybody still has two. Now the password of Active Directory becomes that of the cloud: its hash is read, \
         hashed again with a salt, and sent; the password itself is known to nobody. The sample has no domain controller, so \
         its hashes stand in a file, which is for rehearsals only.",
    );
    folder.switch_passwords_on()?;
    story.say(&format!("In metasync.toml:\n{PASSWORD_SETTINGS}\n"));
    let switched = commands::passwords::switch_on(&story.context).await?;
    story.ran("passwords switch-on", switched, &[Exit::Success])?;
    expect(folder, tenant, witness, FIRST, Some(NONE_YET), story).await?;

    let stopped = synchronise(story, &[Exit::Waiting]).await?;
    let digest = stopped.pointer("/sources/0/targets/0/guard/digest").and_then(Value::as_str).unwrap_or_default();
    story.approve(digest)?;
    synchronise(story, &[Exit::Success]).await?;
    expect(folder, tenant, witness, FIRST, None, story).await?;

    folder.change_anns_password()?;
    story.say("Ann changes her password in the directory. Until the next pass, the cloud knows the old one:\n\n");
    expect(folder, tenant, witness, SECOND, Some(WRONG), story).await?;
    synchronise(story, &[Exit::Success]).await?;
    expect(folder, tenant, witness, FIRST, Some(WRONG), story).await?;
    expect(folder, tenant, witness, SECOND, None, story).await?;
    let args = PasswordsStatusArgs { object: Some("Ann Archer".to_owned()), limit: 50 };
    let status = commands::passwords::status(&story.context, &args)?;
    story.ran("passwords status 'Ann Archer'", status, &[Exit::Success])?;
    story.say("`metasync passwords watch` does this every two minutes, whatever the cycle does.\n");
    Ok(())
}

async fn synchronise(story: &mut Story, expected: &[Exit]) -> Result<Value, Failure> {
    let report = commands::passwords::sync(&story.context, &PasswordsSyncArgs::default()).await?;
    story.ran("passwords sync", report, expected)
}

/// Asks the tenant itself, and says what it answered.
async fn expect(
    folder: &DemoFolder,
    tenant: &RunningTenant,
    witness: &Witness,
    password: &str,
    expected: Option<&str>,
    story: &Story,
) -> Result<(), Failure> {
    let application = (CLIENT_ID, &folder.secret);
    let refused = witness.person_signs_in(&tenant.tenant_id().to_string(), application, PERSON, password).await?;
    let answer = refused.clone().map_or_else(|| "signed in".to_owned(), |code| format!("refused, {code}"));
    story.say(&format!("  {PERSON} signs in to the tenant with `{password}`: {answer}\n\n"));
    match refused.as_deref() == expected {
        true => Ok(()),
        false => Err(Failure::new(
            "demo-verification",
            format!("the tenant answered `{answer}` to `{password}`"),
            "this is a defect; please report it",
        )),
    }
}
