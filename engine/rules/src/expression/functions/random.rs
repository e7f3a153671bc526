//! Values that are drawn: a GUID, a number. The engine has no chance in it: they are derived from what the run names as
//! the seed of this object and attribute, so that a decision taken twice is the same decision.

use super::{Arguments, Function, FunctionGroup, Gives, INTEGER, Parameter, invalid_argument, one};
use crate::expression::data::{Data, Fault};
use crate::expression::evaluate::Evaluator;
use crate::expression::types::Kind;
use metaverse_schema::Guid;
use sha2::{Digest as _, Sha256};

pub(super) fn functions() -> Vec<Function> {
    let function = |name, parameters: &'static [Parameter], gives, run, doc| {
        let mut function = Function::eager(name, FunctionGroup::Random, parameters, Gives::Kind(gives), run, doc);
        function.draws = true;
        function
    };
    vec![
        function(
            "Guid",
            &[],
            Kind::Text,
            guid,
            "A GUID of this object and attribute, in lower case; only in a flow with `once = true`.",
        ),
        function(
            "RandomNum",
            const { &[one("start", INTEGER), one("end", INTEGER)] },
            Kind::Integer,
            random_num,
            "A number from `start` to `end`, both included, of this object and attribute; only in a flow with `once = true`. Whoever knows the object can work it out: it is no password.",
        ),
    ]
}

/// 32 bytes that look random and are the same for the same seed, expression and number of the draw.
fn draw(evaluator: &mut Evaluator<'_>) -> [u8; 32] {
    let (seed, text, number) = evaluator.draw();
    let mut hash = Sha256::new();
    hash.update((seed.len() as u64).to_le_bytes());
    hash.update(seed);
    hash.update(text);
    hash.update(number.to_le_bytes());
    hash.finalize().into()
}

/// RFC 9562 section 5.8: version 8, a value of our own making.
fn guid(evaluator: &mut Evaluator<'_>, _: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    let drawn = draw(evaluator);
    let mut bytes: [u8; 16] = std::array::from_fn(|index| drawn[index]);
    // The third field is stored with its bytes swapped, so the version stands in the eighth byte.
    bytes[7] = bytes[7] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Ok(Data::text(Guid::from_directory_bytes(bytes).to_string()))
}

fn random_num(evaluator: &mut Evaluator<'_>, a: &Arguments<'_, '_>) -> Result<Data<'static>, Fault> {
    let (Some(start), Some(end)) = (a.integer(0)?, a.integer(1)?) else {
        return Ok(Data::Null);
    };
    if start > end {
        return Err(invalid_argument(a, format_args!("has no number from {start} to {end}")));
    }
    let drawn = draw(evaluator);
    let wide = drawn.iter().take(16).fold(0_u128, |wide, byte| wide << 8 | u128::from(*byte));
    // The range has at most 2^64 numbers; the preference of some over others stays below 2^-64.
    let range = (i128::from(end) - i128::from(start) + 1).unsigned_abs();
    let number = i128::from(start) + i128::try_from(wide % range).unwrap_or(0);
    i64::try_from(number).map(Data::integer).map_err(|_| crate::expression::operators::overflow())
}
