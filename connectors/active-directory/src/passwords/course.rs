//! How one read goes from answer to answer: from which place it asks on, and what it says it knows. Decides; asks nothing.

use super::mark::{Beginning, PasswordMark};
use directory_replication::drsuapi::{Changes, Cursor, Of, UsnVector};
use metaverse_schema::Guid;

/// A read on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Course {
    naming_context: String,
    /// The database that is read.
    invocation: Guid,
    place: UsnVector,
    /// The same throughout the read: what one answer brought counts as known only when the last answer has come, or changes that
    /// stand behind it would be left out.
    seen: Vec<Cursor>,
}

/// What follows an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Ask,
    /// It was the last one.
    End,
}

/// An answer that this read cannot have got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Astray {
    /// It is from another database.
    Elsewhere(Guid),
    /// It announces more, and brings nothing and leads nowhere.
    Stuck,
}

impl Course {
    pub(super) fn new(naming_context: String, invocation: Guid, begins: &Beginning) -> Self {
        let (place, seen) = match begins {
            Beginning::Same(mark) => (mark.place, mark.cursors()),
            Beginning::Other(mark) => (UsnVector::default(), PasswordMark::cursors(mark)),
            Beginning::Everything { .. } => (UsnVector::default(), Vec::new()),
        };
        Course { naming_context, invocation, place, seen }
    }

    pub(super) fn request(&self) -> Of<'_> {
        Of::NamingContext { dn: &self.naming_context, invocation: self.invocation, from: self.place, seen: &self.seen }
    }

    /// Looks at an answer before anything of it is used.
    pub(super) fn check(&self, answer: &Changes) -> Result<(), Astray> {
        if answer.invocation != self.invocation {
            return Err(Astray::Elsewhere(answer.invocation));
        }
        if answer.more && answer.to == self.place && answer.objects.is_empty() {
            return Err(Astray::Stuck);
        }
        Ok(())
    }

    /// Once what it brought was handed over.
    pub(super) fn advance(&mut self, answer: &Changes) -> Next {
        self.place = answer.to;
        if answer.more { Next::Ask } else { Next::End }
    }
}

#[cfg(test)]
mod tests {
    use super::super::mark::tests::{answer, mark};
    use super::*;
    use crate::domain_controller::tests::guid;

    fn course(begins: Beginning) -> Course {
        Course::new("DC=corp,DC=example,DC=com".to_owned(), guid(1), &begins)
    }

    fn more(to: u64) -> Changes {
        Changes { more: true, ..answer(1, to, &[(1, 500), (2, 60)]) }
    }

    /// ad-protocols 4: within one read only the place moves.
    #[test]
    fn what_is_known_stays_the_same_until_the_read_has_ended() {
        let mut course = course(Beginning::Same(mark()));
        let seen = course.seen.clone();
        assert_eq!((course.place, seen.len()), (mark().place, 2));
        for (to, last) in [(200, false), (300, false), (400, true)] {
            let answer = Changes { more: !last, ..more(to) };
            assert_eq!(course.check(&answer), Ok(()));
            assert_eq!(course.advance(&answer), if last { Next::End } else { Next::Ask });
            let Of::NamingContext { from, seen: asked, .. } = course.request() else { panic!("of a naming context") };
            assert_eq!((from.object, asked), (to, &seen[..]));
        }
    }

    /// The numbers of one database mean nothing in another one.
    #[test]
    fn elsewhere_a_read_begins_at_the_first_number_with_what_is_known() {
        let elsewhere = course(Beginning::Other(mark()));
        assert_eq!((elsewhere.place, elsewhere.seen.len()), (UsnVector::default(), 2));
        let everything = course(Beginning::Everything { because: None });
        assert_eq!((everything.place, everything.seen.len()), (UsnVector::default(), 0));
    }

    #[test]
    fn an_answer_that_leads_nowhere_or_is_not_from_there_ends_the_read() {
        let course = course(Beginning::Same(mark()));
        let other = Changes { invocation: guid(7), ..more(200) };
        assert_eq!(course.check(&other), Err(Astray::Elsewhere(guid(7))));
        let nowhere = Changes { to: mark().place, ..more(0) };
        assert_eq!(course.check(&nowhere), Err(Astray::Stuck));
        assert_eq!(course.check(&Changes { more: false, ..nowhere }), Ok(()), "nothing has changed");
    }
}
