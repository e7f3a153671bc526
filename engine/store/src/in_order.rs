//! Puts what is read of an object's attributes in the order of their names: bodies hold them in the order of their numbers, or in
//! that of the names when they were written. Compares ranks (`names.rs`), never names.

use metaverse_schema::AttributeName;

/// A name with its place among the names of its space.
pub(crate) struct Ranked {
    pub(crate) name: AttributeName,
    pub(crate) rank: u32,
}

/// What is read of each attribute, put in the order of names without comparing any.
pub(crate) struct InOrder<T> {
    /// Ranks, and where what belongs to each was read.
    order: Vec<(u32, usize)>,
    read: Vec<Option<(AttributeName, T)>>,
}

impl<T> InOrder<T> {
    /// Damaged bytes may announce anything; an object has some dozens.
    pub(crate) fn with_room(count: usize) -> Self {
        let count = count.min(256);
        InOrder { order: Vec::with_capacity(count), read: Vec::with_capacity(count) }
    }

    pub(crate) fn push(&mut self, attribute: Ranked, held: T) {
        self.order.push((attribute.rank, self.read.len()));
        self.read.push(Some((attribute.name, held)));
    }

    /// Of a name that comes again, `again` adds what it holds.
    pub(crate) fn finish(mut self, again: impl Fn(&mut T, T)) -> Vec<(AttributeName, T)> {
        if self.order.is_sorted_by(|(one, _), (next, _)| one < next) {
            return self.read.into_iter().flatten().collect();
        }
        self.order.sort_unstable();
        let mut pairs: Vec<(AttributeName, T)> = Vec::with_capacity(self.order.len());
        let mut last = None;
        for (rank, position) in self.order {
            let Some((name, held)) = self.read.get_mut(position).and_then(Option::take) else { continue };
            match pairs.last_mut() {
                Some((_, before)) if last == Some(rank) => again(before, held),
                _ => pairs.push((name, held)),
            }
            last = Some(rank);
        }
        pairs
    }
}
