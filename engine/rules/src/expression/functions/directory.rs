//! Functions on distinguished names, GUIDs and SIDs.

use super::{
    Accepts, Arguments, BINARY, Function, FunctionGroup, Gives, INTEGER, TEXT, one, optional, parameter, unconvertible,
};
use crate::expression::data::{Data, Fault, Scalar};
use crate::expression::evaluate::Evaluator;
use crate::expression::types::{Kind, KindSet};
use metaverse_schema::{Dn, Guid, Rdn, Reference, Sid};
use std::borrow::Cow;
use std::fmt::Write as _;

const REFERENCE: KindSet = KindSet::of(Kind::Reference);

pub(super) fn functions() -> Vec<Function> {
    let text = Gives::Kind(Kind::Text);
    let function =
        |name, parameters, run, doc| Function::eager(name, FunctionGroup::Directory, parameters, text, run, doc);
    vec![
        Function::eager(
            "CRef",
            FunctionGroup::Directory,
            const { &[one("dn", TEXT.and(Kind::Reference))] },
            Gives::Kind(Kind::Reference),
            cref,
            "A DN in its text form as a reference, for DNComponent and comparisons; a reference stays as it is. An error for a text that is no DN.",
        ),
        function(
            "DNComponent",
            const { &[one("dn", REFERENCE), one("number", INTEGER)] },
            dn_component,
            "Value of the RDN of that number from the left, counted from 1, without its type and without DN escapes, but for control characters (`\\0A`); NULL when there is none.",
        ),
        function(
            "DNComponentRev",
            const { &[one("dn", REFERENCE), one("number", INTEGER), optional(parameter("option", Accepts::Word(&["DC"])))] },
            dn_component_rev,
            "The same from the right; with DC the domain components are skipped.",
        ),
        function(
            "EscapeDNComponent",
            const { &[one("component", TEXT)] },
            escape_dn_component,
            "One component, such as `\"cn=\" & [displayName]`, with the characters escaped that have a meaning in a DN.",
        ),
        function(
            "StringFromGuid",
            const { &[one("guid", BINARY)] },
            |_, a| match a.binary(0)? {
                None => Ok(Data::Null),
                Some(bytes) => match Guid::from_slice(bytes) {
                    Ok(guid) => Ok(Data::text(guid.to_string())),
                    Err(error) => Err(Fault::new("expression-conversion-failed", error.to_string())),
                },
            },
            "The text form of 16 bytes of a GUID, in lower case.",
        ),
        function(
            "StringFromSid",
            const { &[one("sid", BINARY)] },
            |_, a| match a.binary(0)? {
                None => Ok(Data::Null),
                Some(bytes) => match Sid::from_slice(bytes) {
                    Ok(sid) => Ok(Data::text(sid.to_string())),
                    Err(error) => Err(Fault::new("expression-conversion-failed", error.to_string())),
                },
            },
            "The text form S-1-... of a security identifier.",
        ),
    ]
}

fn cref<'v>(_: &mut Evaluator<'v>, a: &Arguments<'_, 'v>) -> Result<Data<'v>, Fault> {
    if let Some(reference @ Scalar::Reference(_)) = a.scalar(0) {
        return Ok(Data::One(reference.clone()));
    }
    let Some(text) = a.text(0)? else {
        return Ok(Data::Null);
    };
    match text.parse::<Dn>() {
        Ok(dn) if dn.rdn().is_some() => Ok(Data::One(Scalar::Reference(Cow::Owned(Reference::Dn(dn))))),
        _ => Err(unconvertible(a, text, "a DN")),
    }
}

fn dn<'a>(a: &'a Arguments<'_, '_>) -> Result<Option<&'a Dn>, Fault> {
    match a.scalar(0) {
        None => Ok(None),
        Some(Scalar::Reference(reference)) => match &**reference {
            Reference::Dn(dn) => Ok(Some(dn)),
            Reference::Anchor(_) => Err(Fault::type_mismatch("this reference is an anchor and has no DN components")),
        },
        Some(other) => Err(a.mismatch(0, other, "a reference")),
    }
}

fn nth<'a>(mut rdns: impl Iterator<Item = &'a Rdn>, number: Option<i64>) -> Data<'static> {
    let index = number.and_then(|number| usize::try_from(number).ok()).and_then(|number| number.checked_sub(1));
    let found = index.and_then(|index| rdns.nth(index));
    found.map_or(Data::Null, |rdn| Data::text(readable(rdn.value())))
}

/// Control characters stay in the form of an LDAP escape, as the shipped rules look for the name of a replication
/// conflict: `\0ACNF:` (X5).
fn readable(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for character in value.chars() {
        if character.is_ascii_control() {
            let _ = write!(text, "\\{:02X}", u32::from(character));
        } else {
            text.push(character);
        }
    }
    text
}

fn dn_component(_: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    let number = a.integer(1)?;
    Ok(dn(a)?.map_or(Data::Null, |dn| nth(dn.rdns().iter(), number)))
}

fn dn_component_rev(_: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    let number = a.integer(1)?;
    let skip_domain = a.word(2) == Some("DC");
    let is_domain = |rdn: &Rdn| {
        let first = rdn.assertions().first();
        first.is_some_and(|pair| pair.attribute.eq_ignore_ascii_case("dc"))
    };
    Ok(dn(a)?.map_or(Data::Null, |dn| {
        let rdns = dn.rdns().iter().rev().filter(|rdn| !(skip_domain && is_domain(rdn)));
        nth(rdns, number)
    }))
}

/// A leading `type=` is part of the component and stays as it is.
fn escape_dn_component(_: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    let Some(text) = a.text(0)? else {
        return Ok(Data::Null);
    };
    let typed = text.split_once('=').filter(|(name, _)| {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    });
    Ok(Data::text(match typed {
        Some((name, value)) => Rdn::new(name, value).to_string(),
        None => Rdn::new("x", text).to_string().split_off(2),
    }))
}
