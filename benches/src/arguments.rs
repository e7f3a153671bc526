//! The arguments that the programs of this package share: which world, and which steps of churn. Small on purpose; the
//! executable of the product has a real command line.

use crate::world::{GroupSet, Options, Step, World};

/// Words and `--flags` of a command line, taken one by one; what nobody took is an error.
#[derive(Debug)]
pub struct Arguments {
    left: Vec<String>,
}

impl Arguments {
    pub fn new(given: &[String]) -> Arguments {
        Arguments { left: given.to_vec() }
    }

    /// The next word that is no flag.
    ///
    /// # Errors
    /// When there is none; `what` says what it would have been.
    pub fn word(&mut self, what: &str) -> Result<String, String> {
        match self.left.first() {
            Some(word) if !word.starts_with("--") => Ok(self.left.remove(0)),
            _ => Err(format!("name {what}")),
        }
    }

    /// Whether a flag is given.
    pub fn flag(&mut self, name: &str) -> bool {
        let found = self.left.iter().position(|word| word == name);
        if let Some(at) = found {
            self.left.remove(at);
        }
        found.is_some()
    }

    /// The text after a flag.
    ///
    /// # Errors
    /// When the flag is the last word.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        let Some(at) = self.left.iter().position(|word| word == name) else {
            return Ok(None);
        };
        if at + 1 >= self.left.len() {
            return Err(format!("{name} needs a value"));
        }
        self.left.remove(at);
        Ok(Some(self.left.remove(at)))
    }

    /// The number after a flag.
    ///
    /// # Errors
    /// When it is none.
    pub fn number(&mut self, name: &str, otherwise: u64) -> Result<u64, String> {
        match self.text(name)? {
            None => Ok(otherwise),
            Some(text) => text.replace('_', "").parse().map_err(|_| format!("{name} {text}: not a whole number")),
        }
    }

    /// The world of `--users`, `--seed`, `--groups`, `--photos`, `--no-exchange`, `--strict` and every `--churn`.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn world(&mut self) -> Result<World, String> {
        let standard = Options::default();
        let groups = match self.text("--groups")?.as_deref() {
            None | Some("a") => GroupSet::A,
            Some("b") => GroupSet::B,
            Some("none") => GroupSet::None,
            Some(other) => return Err(format!("--groups {other}: write none, a or b")),
        };
        let mut world = World::new(Options {
            users: self.number("--users", standard.users)?,
            seed: self.number("--seed", standard.seed)?,
            groups,
            photos: self.flag("--photos"),
            exchange: !self.flag("--no-exchange"),
            strict: self.flag("--strict"),
        });
        while let Some(text) = self.text("--churn")? {
            world.apply(step(&text)?);
        }
        Ok(world)
    }

    /// Refuses what nobody took.
    ///
    /// # Errors
    /// The first word that is left.
    pub fn finish(self) -> Result<(), String> {
        match self.left.first() {
            Some(word) => Err(format!("`{word}` is not understood")),
            None => Ok(()),
        }
    }
}

/// A step of churn: `delta1`, `deltaMS`, `users:N`, `members:GROUP:ADD:REMOVE` or `rename-area:N`.
///
/// # Errors
/// When it is none of these.
pub fn step(text: &str) -> Result<Step, String> {
    let wrong =
        || format!("`{text}` is no step; write delta1, deltaMS, users:N, members:GROUP:ADD:REMOVE or rename-area:N");
    let parts: Vec<&str> = text.split(':').collect();
    let number = |at: usize| parts.get(at).and_then(|part| part.parse::<u64>().ok()).ok_or_else(wrong);
    match (parts.first().map(|name| name.to_ascii_lowercase()).as_deref(), parts.len()) {
        (Some("delta1"), 1) => Ok(Step::Delta1),
        (Some("deltams"), 1) => Ok(Step::DeltaMs),
        (Some("users"), 2) => Ok(Step::Users(number(1)?)),
        (Some("members"), 4) => Ok(Step::Members { group: number(1)?, add: number(2)?, remove: number(3)? }),
        (Some("rename-area"), 2) => Ok(Step::RenameArea((number(1)? % 10) as u8)),
        _ => Err(wrong()),
    }
}
