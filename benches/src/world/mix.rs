//! Numbers that look random and are computed from the seed and an object's number alone. Keeps no state.

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
const FIRST: u64 = 0xbf58_476d_1ce4_e5b9;
const SECOND: u64 = 0x94d0_49bb_1331_11eb;
/// The multiplicative inverses of the two above, modulo 2^64.
const FIRST_INVERSE: u64 = 0x96de_1b17_3f11_9089;
const SECOND_INVERSE: u64 = 0x3196_42b2_d24d_8ec3;

/// A permutation of all 64-bit numbers (the finaliser of splitmix64).
pub(super) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(FIRST);
    x = (x ^ (x >> 27)).wrapping_mul(SECOND);
    x ^ (x >> 31)
}

/// Undoes [`mix`].
pub(super) fn unmix(mut x: u64) -> u64 {
    x = (x ^ (x >> 31) ^ (x >> 62)).wrapping_mul(SECOND_INVERSE);
    x = (x ^ (x >> 27) ^ (x >> 54)).wrapping_mul(FIRST_INVERSE);
    x ^ (x >> 30) ^ (x >> 60)
}

/// What of an object is drawn: draws of different purposes are independent of each other.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub(super) enum Purpose {
    Guid = 1,
    GuidTail,
    Person,
    Name,
    Dirt,
    Looks,
    Group,
    Stride,
    Offset,
    Change,
    Step,
    Bytes,
    Cloud,
}

/// The draw for object `number`.
pub(super) fn draw(seed: u64, purpose: Purpose, number: u64) -> u64 {
    mix(mix(seed.wrapping_add((purpose as u64).wrapping_mul(GOLDEN))) ^ number.wrapping_mul(GOLDEN))
}

/// Whether a draw falls among `parts` of `whole`.
pub(super) fn chance(draw: u64, parts: u64, whole: u64) -> bool {
    draw % whole < parts
}

pub(super) fn common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_permutation_is_undone() {
        for x in [0, 1, 2, 77, u64::MAX, 0x0123_4567_89ab_cdef] {
            assert_eq!(unmix(mix(x)), x);
            assert_eq!(mix(unmix(x)), x);
        }
    }
}
