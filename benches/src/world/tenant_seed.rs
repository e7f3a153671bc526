//! Writes the seed of a rehearsal tenant that goes with a world, in the format of `azure-ad-emulator`'s seed: an empty tenant
//! in which everybody is to be created, or one where almost everybody exists already and is to be found.

use super::mix::{Purpose, chance, draw};
use super::{MAIL_DOMAIN, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::io::{self, Write};

/// What the tenant holds at the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tenant {
    /// Domains only: every object is to be created.
    Empty,
    /// 98 % of the users in scope, with their address in lower case; 2 % more that no directory knows; 0.2 % of them hold the
    /// immutable id of something else.
    Join,
}

/// An application that may sign in, as the seed wants it.
#[derive(Debug, Clone, Copy)]
pub struct Application<'a> {
    pub client_id: &'a str,
    pub client_secret: &'a str,
    pub permissions: &'a [&'a str],
}

/// Writes the seed as JSON, one user in memory at a time. Without an application the tenant must be given one otherwise.
pub fn write(
    world: &World,
    tenant: Tenant,
    application: Option<Application<'_>>,
    out: &mut impl Write,
) -> io::Result<()> {
    let head = json!({ "displayName": "Contoso Example" });
    let domains = json!([
        { "name": "contoso.onmicrosoft.com", "initial": true },
        { "name": MAIL_DOMAIN, "default": true },
    ]);
    write!(out, "{{\"tenant\":{head},\n\"domains\":{domains},\n")?;
    if let Some(application) = application {
        let registered = json!([{ "clientId": application.client_id, "clientSecret": application.client_secret,
                                  "permissions": application.permissions }]);
        writeln!(out, "\"applications\":{registered},")?;
    }
    write!(out, "\"users\":[")?;
    if tenant == Tenant::Join {
        let mut comma = "";
        for user in (0..world.counts().inside).filter(|user| is_in_the_cloud(world, *user)) {
            write!(out, "{comma}\n{}", known(world, user))?;
            comma = ",";
        }
        for number in 0..world.counts().users / 50 {
            write!(out, "{comma}\n{}", cloud_only(number))?;
            comma = ",";
        }
    }
    writeln!(out, "]}}")
}

/// Whether a user of the directory has an account in a [`Tenant::Join`] tenant.
pub fn is_in_the_cloud(world: &World, user: u64) -> bool {
    chance(draw(world.options().seed, Purpose::Cloud, user), 98, 100)
}

/// Whether that account is linked to something else already.
pub fn is_taken(world: &World, user: u64) -> bool {
    is_in_the_cloud(world, user) && chance(draw(world.options().seed, Purpose::Cloud, user) >> 20, 2, 1_000)
}

fn known(world: &World, user: u64) -> serde_json::Value {
    let person = world.person(user);
    let of = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    };
    let address = of(&|out| person.write_address(out)).to_lowercase();
    let mut account = json!({
        "userPrincipalName": address,
        "mail": address,
        "displayName": of(&|out| person.write_display_name(out)),
        "mailNickname": of(&|out| person.write_local(out)),
        "accountEnabled": true,
        "usageLocation": "DE",
    });
    if is_taken(world, user) {
        let mut foreign = [0; 16];
        foreign[..8].copy_from_slice(&draw(world.options().seed, Purpose::Cloud, user ^ (1 << 50)).to_be_bytes());
        account["onPremisesImmutableId"] = json!(STANDARD.encode(foreign));
    }
    account
}

fn cloud_only(number: u64) -> serde_json::Value {
    let address = format!("cloud.only.{number}@{MAIL_DOMAIN}");
    json!({ "userPrincipalName": address, "mail": address, "displayName": format!("Cloud only {number}"),
            "mailNickname": format!("cloud.only.{number}"), "accountEnabled": true, "usageLocation": "DE" })
}
