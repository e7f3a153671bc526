//! Exports to a real directory, confirmed by import and by the database.

use super::world::{Space, connector, domain, oracle, sales, same, text};
use connector_active_directory::ActiveDirectory;
use connector_contract::{
    Connector, CreateRequest, ErrorKind, ExportItem, ExportOperation, ExportOutcome, ExportProblem, ReferenceChange,
    UpdateRequest,
};
use metasync_tests::lab::DomainController;
use metaverse_schema::{Anchor, AttributeChange, Attributes, AttributesDelta, Dn, ObjectType, Value, Values};

fn writer(dc: &DomainController) -> ActiveDirectory {
    dc.rights(&["write", "svc-sync", "OU=Sales"]);
    connector(dc, &[])
}

async fn export(connector: &ActiveDirectory, object_type: &str, operation: ExportOperation) -> ExportOutcome {
    let exporter = connector.exporter().expect("Active Directory can be written to");
    let item = ExportItem { id: 7, object_type: object_type.into(), operation, named_by: Attributes::new() };
    let mut outcomes = exporter.export(&[item]).await.expect("an answer");
    assert_eq!(outcomes.len(), 1);
    let (id, outcome) = outcomes.remove(0);
    assert_eq!(id, 7);
    outcome
}

fn problem(outcome: ExportOutcome) -> ExportProblem {
    match outcome {
        ExportOutcome::Refused(problem) => problem,
        other => panic!("not refused: {other:?}"),
    }
}

fn accepted(outcome: ExportOutcome) -> Option<Anchor> {
    match outcome {
        ExportOutcome::Accepted { anchor, failed_references } if failed_references.is_empty() => anchor,
        other => panic!("not accepted: {other:?}"),
    }
}

fn dn(rest: &str) -> Dn {
    format!("{rest},{}", sales()).parse().expect("a DN")
}

fn person(name: &str) -> CreateRequest {
    let mut attributes = Attributes::new();
    attributes.set("sAMAccountName", Value::text(name));
    attributes.set("displayName", Value::text("Renée Ünal"));
    attributes.set(
        "proxyAddresses",
        ["SMTP:r@contoso.example", "smtp:x@contoso.example"].map(Value::text).into_iter().collect::<Values>(),
    );
    attributes.set("thumbnailPhoto", Value::Binary(vec![0xff, 0xd8, 0xff, 0x00]));
    CreateRequest { dn: Some(dn(&format!("CN={name}"))), attributes, references: Vec::new() }
}

fn update(anchor: &Anchor) -> UpdateRequest {
    UpdateRequest { anchor: anchor.clone(), ..UpdateRequest::default_for(anchor) }
}

trait DefaultFor {
    fn default_for(anchor: &Anchor) -> UpdateRequest;
}

impl DefaultFor for UpdateRequest {
    fn default_for(anchor: &Anchor) -> UpdateRequest {
        UpdateRequest {
            anchor: anchor.clone(),
            dn: None,
            changes: AttributesDelta::default(),
            references: Vec::new(),
            afterwards: AttributesDelta::default(),
            reclaims: false,
        }
    }
}

fn member(space: &Space, account: &str, add: bool) -> ReferenceChange {
    let target = space.find(account).expect("the member is held");
    ReferenceChange {
        attribute: "member".into(),
        target: target.anchor.clone(),
        target_dn: target.place.as_ref().map(|place| place.dn.clone()),
        target_type: target.object_type.clone(),
        add,
    }
}

/// Create, find again, change, rename and move, members, delete: what an import returns is what was written.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_is_imported() {
    let dc = domain("what_is_exported_is_imported");
    let connector = writer(&dc);
    let user: ObjectType = "user".into();
    let exporter = connector.exporter().expect("writable");
    assert_eq!(exporter.find_created(&user, &person("renee")).await.expect("a look-up"), None);
    let anchor = accepted(export(&connector, "user", ExportOperation::Create(person("renee"))).await)
        .expect("the anchor of what was made");
    // After a crash the object is found at its DN, or elsewhere by its account name.
    assert_eq!(exporter.find_created(&user, &person("renee")).await.expect("a look-up"), Some(anchor.clone()));
    let elsewhere = CreateRequest { dn: Some(dn("CN=x,OU=Sub")), ..person("renee") };
    assert_eq!(exporter.find_created(&user, &elsewhere).await.expect("a look-up"), Some(anchor.clone()));
    assert_eq!(exporter.find_created(&"group".into(), &person("renee")).await.expect("a look-up"), None);
    // One of the same name that does not hold what the create would have given it is somebody else's (T26).
    let mut another = person("renee");
    another.attributes.set("displayName", Value::text("Another Renée"));
    assert_eq!(exporter.find_created(&user, &another).await.expect("a look-up"), None);

    let mut changes = AttributesDelta::default();
    changes.set("displayName", Values::default());
    changes.set("title", Value::text("Chefin"));
    changes.0.insert(
        "proxyAddresses".into(),
        AttributeChange::Update {
            add: Value::text("smtp:new@contoso.example").into(),
            remove: Value::text("smtp:x@contoso.example").into(),
        },
    );
    let mut afterwards = AttributesDelta::default();
    afterwards.set("mS-DS-ConsistencyGuid", Value::Binary(vec![1; 16]));
    let request = UpdateRequest { dn: Some(dn("CN=Renée\\, R,OU=Sub")), changes, afterwards, ..update(&anchor) };
    accepted(export(&connector, "user", ExportOperation::Update(request.clone())).await);
    // Sent again after a crash: already so is success.
    accepted(export(&connector, "user", ExportOperation::Update(request)).await);
    let (space, _) = Space::of_full(&connector).await;
    same("after the export", &space.rows(), &oracle(&dc, &connector, &sales()).await);
    let renee = space.find("renee").expect("imported");
    assert_eq!(renee.anchor, anchor);
    assert_eq!(renee.attributes.text("title"), Some("Chefin"));
    assert_eq!(renee.attributes.get("displayName"), None);
    assert_eq!(renee.attributes.first("mS-DS-ConsistencyGuid"), Some(&Value::Binary(vec![1; 16])));
    assert_eq!(renee.place.as_ref().map(|place| place.dn.to_string()), Some(dn("CN=Renée\\, R,OU=Sub").to_string()));

    let group = CreateRequest {
        dn: Some(dn("CN=Made")),
        attributes: [
            ("sAMAccountName".into(), Value::text("made").into()),
            ("groupType".into(), Value::Integer(-2_147_483_646).into()),
        ]
        .into_iter()
        .collect(),
        references: vec![member(&space, "renee", true), member(&space, "zoe", true)],
    };
    let group =
        accepted(export(&connector, "group", ExportOperation::Create(group)).await).expect("the group's anchor");
    let references = vec![
        member(&space, "zoe", false),
        member(&space, "zoe", false),
        member(&space, "renee", true),
        member(&space, "t01", true),
    ];
    accepted(
        export(&connector, "group", ExportOperation::Update(UpdateRequest { references, ..update(&group) })).await,
    );
    let (space, _) = Space::of_full(&connector).await;
    let made = space.find("made").expect("imported");
    let wanted: Values = ["renee", "t01"]
        .iter()
        .map(|name| {
            Value::Reference(metaverse_schema::Reference::Anchor(space.find(name).expect("held").anchor.clone()))
        })
        .collect();
    assert_eq!(made.attributes.get("member"), Some(&wanted));

    accepted(export(&connector, "user", ExportOperation::Delete { anchor: anchor.clone() }).await);
    accepted(export(&connector, "user", ExportOperation::Delete { anchor: anchor.clone() }).await);
    let (space, _) = Space::of_full(&connector).await;
    assert!(space.find("renee").is_none());
    // SF9: brought back, it is the same object.
    dc.rights(&["reanimate", "svc-sync"]);
    let request = UpdateRequest { dn: Some(dn("CN=Back")), ..update(&anchor) };
    accepted(export(&connector, "user", ExportOperation::Restore(request)).await);
    let (space, _) = Space::of_full(&connector).await;
    assert_eq!(space.find("renee").map(|object| &object.anchor), Some(&anchor));
}

/// Refusals have the engine's names, and one bad reference does not keep the others from being written.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_names() {
    let dc = domain("refusals_have_names");
    let reader = connector(&dc, &[("bind_user", text("CORP\\svc-plain"))]);
    let refused = problem(export(&reader, "user", ExportOperation::Create(person("nobody"))).await);
    assert_eq!(refused.code, "permission-issue", "{refused:?}");
    let connector = writer(&dc);
    let (space, _) = Space::of_full(&connector).await;
    let create = |request: CreateRequest| export(&connector, "user", ExportOperation::Create(request));
    accepted(create(person("first")).await);
    assert_eq!(problem(create(person("first")).await).code, "cd-existing-object");
    let orphan = CreateRequest { dn: Some(dn("CN=orphan,OU=Nowhere")), ..person("orphan") };
    assert_eq!(problem(create(orphan).await).code, "non-existent-parent");
    assert_eq!(problem(create(CreateRequest { dn: None, ..person("x") }).await).code, "missing-provisioning-attribute");
    let mut wrong = person("wrong");
    wrong.attributes.set("noSuchAttribute", Value::text("x"));
    assert_eq!(problem(create(wrong).await).code, "schema-violation");
    let zoe = space.find("zoe").expect("zoe");
    let gone = UpdateRequest {
        changes: [("title", "x")].iter().fold(AttributesDelta::default(), |mut delta, (name, value)| {
            delta.set(*name, Value::text(*value));
            delta
        }),
        ..update(&Anchor::Guid("00112233-4455-6677-8899-aabbccddeeff".parse().expect("a GUID")))
    };
    assert_eq!(problem(export(&connector, "user", ExportOperation::Update(gone)).await).code, "cd-missing-object");
    let mut bad = AttributesDelta::default();
    bad.set("userAccountControl", Value::text("many"));
    let refused = problem(
        export(&connector, "user", ExportOperation::Update(UpdateRequest { changes: bad, ..update(&zoe.anchor) }))
            .await,
    );
    assert!(["syntax-violation", "constraint-violation"].contains(&refused.code.as_str()), "{refused:?}");
    let nobody = ReferenceChange {
        target: Anchor::Guid("00112233-4455-6677-8899-aabbccddeeff".parse().expect("a GUID")),
        ..member(&space, "t02", true)
    };
    let references = vec![nobody, member(&space, "t02", true)];
    let inner = space.find("inner").expect("the group").anchor.clone();
    match export(&connector, "group", ExportOperation::Update(UpdateRequest { references, ..update(&inner) })).await {
        ExportOutcome::Accepted { failed_references, .. } => {
            assert_eq!(failed_references.len(), 1);
            assert_eq!(
                (failed_references[0].1.code.as_str(), failed_references[0].1.retry),
                ("dn-attributes-failure", true)
            );
        }
        other => panic!("{other:?}"),
    }
    let (space, _) = Space::of_full(&connector).await;
    assert_eq!(space.find("inner").expect("the group").attributes.get("member").map_or(0, Values::len), 3);
    let team: Dn = format!("OU=Team,{}", sales()).parse().expect("a DN");
    let team =
        space.0.values().find(|held| held.object.place.as_ref().is_some_and(|place| place.dn == team)).expect("the OU");
    let refused = problem(
        export(&connector, "organizationalUnit", ExportOperation::Delete { anchor: team.object.anchor.clone() }).await,
    );
    assert_eq!(refused.code, "unsupported-container-delete", "{refused:?}");
    // The server is gone before anything was sent: that is an error, and nothing is in doubt.
    dc.stop();
    let exporter = connector.exporter().expect("writable");
    let create = ExportOperation::Create(person("late"));
    let item = ExportItem { id: 1, object_type: "user".into(), operation: create, named_by: Attributes::new() };
    let error = exporter.export(&[item]).await.expect_err("nothing can be sent");
    assert_eq!(error.kind, ErrorKind::Connection);
}
