//! A closed set of answers, and the questions that close it. The store answers a page of questions in one pass.

use crate::plan::ReadSet;
use crate::view::{CsId, CsObject, MvId, MvObject};
use foldhash::fast::FixedState;
use metaverse_schema::MatchKey;
use std::collections::{BTreeSet, HashMap, HashSet};
use sync_rules::{ConnectorName, KeyId};

/// Something that must be known before a decision can be made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Question {
    Connector(CsId),
    Metaverse(MvId),
    /// Which objects carry this key value. The answer may be empty, and that is an answer (an absent key is read too).
    Key(KeyId, MatchKey),
    /// Who occupies a DN (normalised) in a connector space (S27).
    Occupant(ConnectorName, String),
}

/// An object that carries a key value, by its number in the key's own space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyHit {
    Connector(CsId),
    Metaverse(MvId),
}

/// What is known around one subject. Nothing outside it may influence a decision.
#[derive(Debug, Clone, Default)]
pub struct Neighbourhood {
    connectors: HashMap<CsId, Option<CsObject>, FixedState>,
    metaverse: HashMap<MvId, Option<MvObject>, FixedState>,
    keys: HashMap<KeyId, HashMap<MatchKey, Vec<KeyHit>, FixedState>, FixedState>,
    occupants: HashMap<(ConnectorName, String), Option<CsId>, FixedState>,
}

impl Neighbourhood {
    pub fn knows(&self, question: &Question) -> bool {
        match question {
            Question::Connector(id) => self.connectors.contains_key(id),
            Question::Metaverse(id) => self.metaverse.contains_key(id),
            Question::Key(key, value) => self.keys.get(key).is_some_and(|values| values.contains_key(value)),
            Question::Occupant(space, dn) => self.occupants.contains_key(&(space.clone(), dn.clone())),
        }
    }

    pub fn answer_connector(&mut self, id: CsId, object: Option<CsObject>) {
        self.connectors.insert(id, object);
    }

    pub fn answer_metaverse(&mut self, id: MvId, object: Option<MvObject>) {
        self.metaverse.insert(id, object);
    }

    /// Hits are kept in ascending order, so that no decision depends on how they were found.
    pub fn answer_key(&mut self, key: KeyId, value: MatchKey, mut hits: Vec<KeyHit>) {
        hits.sort();
        hits.dedup();
        self.keys.entry(key).or_default().insert(value, hits);
    }

    pub fn answer_occupant(&mut self, space: ConnectorName, dn: String, occupant: Option<CsId>) {
        self.occupants.insert((space, dn), occupant);
    }

    /// What carries the key of a question that was answered; nothing for any other question.
    pub fn known_hits(&self, question: &Question) -> &[KeyHit] {
        match question {
            Question::Key(key, value) => {
                self.keys.get(key).and_then(|values| values.get(value)).map_or(&[][..], Vec::as_slice)
            }
            _ => &[],
        }
    }

    pub fn known_metaverse(&self, id: MvId) -> Option<&MvObject> {
        self.metaverse.get(&id).and_then(Option::as_ref)
    }

    pub fn known_connector(&self, id: CsId) -> Option<&CsObject> {
        self.connectors.get(&id).and_then(Option::as_ref)
    }
}

/// What a decision about a person with several addresses asks; more is no mistake.
const USUAL_READS: usize = 56;

/// Reads a neighbourhood and notes what was read and what is missing.
pub(crate) struct Reader<'a> {
    answers: &'a Neighbourhood,
    pub(crate) missing: BTreeSet<Question>,
    read: HashSet<Question, FixedState>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(answers: &'a Neighbourhood) -> Self {
        let read = HashSet::with_capacity_and_hasher(USUAL_READS, FixedState::default());
        Reader { answers, missing: BTreeSet::new(), read }
    }

    /// The outer `None`: not known yet, noted as missing. The inner one: known not to exist.
    pub(crate) fn connector(&mut self, id: CsId) -> Option<Option<&'a CsObject>> {
        let answer = self.answers.connectors.get(&id).map(Option::as_ref);
        self.note(Question::Connector(id), answer.is_some());
        answer
    }

    pub(crate) fn metaverse(&mut self, id: MvId) -> Option<Option<&'a MvObject>> {
        let answer = self.answers.metaverse.get(&id).map(Option::as_ref);
        self.note(Question::Metaverse(id), answer.is_some());
        answer
    }

    pub(crate) fn key(&mut self, key: KeyId, value: &MatchKey) -> Option<&'a [KeyHit]> {
        let answer = self.answers.keys.get(&key).and_then(|values| values.get(value)).map(Vec::as_slice);
        self.note(Question::Key(key, value.clone()), answer.is_some());
        answer
    }

    pub(crate) fn occupant(&mut self, space: &ConnectorName, dn: String) -> Option<Option<CsId>> {
        let answer = self.answers.occupants.get(&(space.clone(), dn.clone())).copied();
        self.note(Question::Occupant(space.clone(), dn), answer.is_some());
        answer
    }

    fn note(&mut self, question: Question, is_known: bool) {
        if !is_known {
            self.missing.insert(question.clone());
        }
        self.read.insert(question);
    }

    /// Everything that was asked.
    pub(crate) fn into_read(self) -> ReadSet {
        ReadSet(self.read.into_iter().collect())
    }
}
