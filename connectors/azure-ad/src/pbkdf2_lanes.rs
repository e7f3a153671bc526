//! PBKDF2-HMAC-SHA256 (RFC 8018) of several passwords side by side, step by step: the processor works on one while the other's
//! last step is not done yet, which a single chain of steps does not allow. Twice as fast as one after the other, and the same
//! results. Compresses with the sha2 crate; only for keys of one block and results of one block, which is all that Azure AD keeps.

use sha2::compress256;
use sha2::digest::generic_array::GenericArray;
use sha2::digest::generic_array::typenum::U64;
use zeroize::{Zeroize as _, Zeroizing};

/// Passwords that go side by side: measured, 4 and 8 are slower.
pub(crate) const LANES: usize = 6;
/// What is left over goes by as many.
const FEW: usize = 2;

/// A key as HMAC takes it without hashing it first.
pub(crate) type Key = Zeroizing<[u8; BLOCK]>;
pub(crate) type Derived = Zeroizing<[u8; DERIVED]>;
type Block = GenericArray<u8, U64>;
type State = [u32; 8];

/// Bytes of a block of SHA-256, and of what it makes.
pub(crate) const BLOCK: usize = 64;
pub(crate) const DERIVED: usize = 32;
/// FIPS 180-4, 5.3.3.
const START: State =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// What is made of each key with its salt, in order. A salt is so short that it shares one block with the padding.
pub(crate) fn derive<const SALT: usize>(asked: &[(Key, [u8; SALT])], iterations: u32) -> Vec<Derived> {
    const { assert!(SALT <= BLOCK - 13, "the salt, its counter and the padding are one block") };
    let (whole, left) = asked.as_chunks::<LANES>();
    let (pairs, last) = left.as_chunks::<FEW>();
    let mut derived = Vec::with_capacity(asked.len());
    whole.iter().for_each(|some| derived.extend(side_by_side(some, iterations)));
    pairs.iter().for_each(|some| derived.extend(side_by_side(some, iterations)));
    last.iter().for_each(|one| derived.extend(side_by_side(std::array::from_ref(one), iterations)));
    derived
}

/// One password on its way. Aligned, as a block that lies across two lines of the cache is written and read again so slowly that the lanes
/// gain nothing. Wiped on drop.
#[repr(C, align(64))]
struct Lane {
    block: Block,
    /// HMAC after its key, inside and outside: where each compression of a block begins.
    inner: State,
    outer: State,
    state: State,
    sum: State,
}

impl Lane {
    fn new(key: &Key, salt: &[u8]) -> Lane {
        let (inner, outer) = (after_key(key, 0x36), after_key(key, 0x5c));
        Lane { block: first_block(salt), inner, outer, state: START, sum: [0; 8] }
    }

    fn compress(&mut self) {
        compress256(&mut self.state, std::slice::from_ref(&self.block));
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.block.as_mut_slice().zeroize();
        [&mut self.inner, &mut self.outer, &mut self.state, &mut self.sum]
            .into_iter()
            .for_each(|state| state.zeroize());
    }
}

fn side_by_side<const N: usize, const SALT: usize>(asked: &[(Key, [u8; SALT]); N], iterations: u32) -> [Derived; N] {
    let mut lanes: [Lane; N] = asked.each_ref().map(|(key, salt)| Lane::new(key, salt));
    for iteration in 0..iterations {
        for lane in &mut lanes {
            lane.state = lane.inner;
            lane.compress();
            if iteration == 0 {
                // What it makes takes the place of the salt.
                lane.block = padding_of(DERIVED);
            }
            words(&mut lane.block, &lane.state);
        }
        for lane in &mut lanes {
            lane.state = lane.outer;
            lane.compress();
            words(&mut lane.block, &lane.state);
            lane.sum.iter_mut().zip(&lane.state).for_each(|(sum, word)| *sum ^= word);
        }
    }
    lanes.each_ref().map(|lane| {
        let mut derived = Zeroizing::new([0u8; DERIVED]);
        words(&mut *derived, &lane.sum);
        derived
    })
}

/// The state in which HMAC begins, inside (0x36) and outside (0x5c): it is the same for all iterations.
fn after_key(key: &Key, pad: u8) -> State {
    let mut block = Block::default();
    block.iter_mut().zip(&**key).for_each(|(byte, key)| *byte = key ^ pad);
    let mut state = START;
    compress256(&mut state, std::slice::from_ref(&block));
    block.as_mut_slice().zeroize();
    state
}

/// The salt and the number of the block, of which there is only the first.
fn first_block(salt: &[u8]) -> Block {
    let mut block = padding_of(salt.len() + 4);
    block.iter_mut().zip(salt.iter().copied().chain([0, 0, 0, 1])).for_each(|(to, from)| *to = from);
    block
}

/// The block behind a key's, with this many bytes to be filled in: a one, zeros, and the number of bits of both (FIPS 180-4, 5.1.1).
fn padding_of(bytes: usize) -> Block {
    let bits = 8 * (BLOCK + bytes) as u64;
    let mut block = Block::default();
    block.iter_mut().skip(bytes).take(1).for_each(|byte| *byte = 0x80);
    block.iter_mut().rev().zip(bits.to_le_bytes()).for_each(|(to, from)| *to = from);
    block
}

fn words(bytes: &mut [u8], state: &State) {
    bytes.chunks_exact_mut(4).zip(state).for_each(|(bytes, word)| bytes.copy_from_slice(&word.to_be_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::Sha256;

    fn by_the_crate(key: &[u8], salt: &[u8], iterations: u32) -> [u8; DERIVED] {
        let mut derived = [0; DERIVED];
        pbkdf2::pbkdf2_hmac::<Sha256>(key, salt, iterations, &mut derived);
        derived
    }

    fn key(seed: u8) -> Key {
        Zeroizing::new(std::array::from_fn(|place| seed.wrapping_mul(31).wrapping_add(place as u8)))
    }

    /// Every way to fill the lanes: whole ones, pairs, a last one, and nothing.
    #[test]
    fn any_number_of_passwords_comes_to_what_the_crate_makes_of_each_in_order() {
        for count in 0..=2 * LANES + 3 {
            let asked: Vec<(Key, [u8; 10])> = (0..count).map(|one| (key(one as u8), [one as u8; 10])).collect();
            let derived = derive(&asked, 7);
            assert_eq!(derived.len(), count);
            for ((key, salt), derived) in asked.iter().zip(&derived) {
                assert_eq!(**derived, by_the_crate(&**key, salt, 7), "of {count}");
            }
        }
    }

    #[test]
    fn the_longest_salt_and_none_are_those_of_the_crate() {
        let (none, longest) = (vec![(key(1), [])], vec![(key(1), [7; BLOCK - 13])]);
        assert_eq!(*derive(&none, 3)[0], by_the_crate(&*key(1), &[], 3));
        assert_eq!(*derive(&longest, 3)[0], by_the_crate(&*key(1), &[7; BLOCK - 13], 3));
    }

    proptest! {
        #[test]
        fn whatever_key_salt_and_count_the_result_is_the_crates(
            keys in proptest::collection::vec((any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 10]>()), 1..8),
            iterations in 1u32..40,
        ) {
            let whole = |(low, high, salt): &([u8; 32], [u8; 32], [u8; 10])| {
                let mut key = [0; BLOCK];
                key[..32].copy_from_slice(low);
                key[32..].copy_from_slice(high);
                (Zeroizing::new(key), *salt)
            };
            let asked: Vec<(Key, [u8; 10])> = keys.iter().map(whole).collect();
            for ((key, salt), derived) in asked.iter().zip(derive(&asked, iterations)) {
                prop_assert_eq!(*derived, by_the_crate(&**key, salt, iterations));
            }
        }
    }
}
