//! Opening and closing a session with the replication service (MS-DRSR 4.1.3, 4.1.25).

use super::DrsError;
use crate::ndr::{Reader, Writer, count_of};

/// A client that is no domain controller says so by this GUID (NTDSAPI_CLIENT_GUID).
const CLIENT: [u8; 16] =
    [0x1a, 0x20, 0x4d, 0xe2, 0xd6, 0x4f, 0xd1, 0x11, 0xa3, 0xda, 0x00, 0x00, 0xf8, 0x75, 0xae, 0x0d];

/// Basic replication, secrets encrypted under the session's key, requests of version 8, answers of version 6. Neither version
/// 7 nor 9 and no compression: answers are of version 6 then, and not compressed.
const EXTENSIONS: u32 = 0x1 | 0x8000 | 0x0100_0000 | 0x0400_0000;

/// Where the epoch stands in a server's extensions.
const EPOCH_AT: usize = 24;

/// A session with the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The session's handle: goes with every call.
    pub handle: [u8; 20],
    /// The server's replication epoch. Where it differs from the one of the bind, calls are refused: bind again with it.
    pub epoch: u32,
}

pub fn bind_request(epoch: u32) -> Vec<u8> {
    let mut extensions = EXTENSIONS.to_le_bytes().to_vec();
    // No site, no process.
    extensions.extend([0; 20]);
    extensions.extend(epoch.to_le_bytes());
    // No further extensions, no configuration; every capability, as Windows writes it.
    extensions.extend([0; 20]);
    extensions.extend([0xff; 4]);
    let mut writer = Writer::default();
    writer.pointer();
    writer.raw(&CLIENT);
    writer.pointer();
    writer.u32(count_of(&extensions));
    writer.u32(count_of(&extensions));
    writer.raw(&extensions);
    writer.align(4);
    writer.finish()
}

pub fn bound(answer: &[u8]) -> Result<Bound, DrsError> {
    let what = "answer to the bind of replication";
    let mut reader = Reader::new(answer);
    let mut extensions: &[u8] = &[];
    if reader.pointer(what)? {
        reader.u32(what)?;
        extensions = reader.counted(what)?;
    }
    let handle = reader.take(20, what)?;
    let handle = handle.try_into().map_err(|_| reader.malformed(what))?;
    match reader.u32(what)? {
        0 => {}
        code => return Err(DrsError::Refused(code)),
    }
    // Old servers have shorter extensions, without an epoch: it is 0 then.
    let epoch =
        extensions.get(EPOCH_AT..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_le_bytes(*word));
    Ok(Bound { handle, epoch })
}

pub fn unbind_request(handle: &[u8; 20]) -> Vec<u8> {
    handle.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::damage::{cut, flipped, golden};

    #[test]
    fn a_domain_controllers_answer_has_a_handle() {
        let answer = golden("bind-answer");
        let bound_to = bound(&answer).unwrap();
        assert_eq!(bound_to.epoch, 0);
        assert_ne!(bound_to.handle, [0; 20]);
        cut(&answer, |part| assert!(bound(part).is_err(), "{} bytes", part.len()));
        flipped(&answer, |damaged| {
            let _ = bound(damaged);
        });
    }

    #[test]
    fn the_epoch_is_the_servers_and_a_refusal_is_told() {
        let mut answer = [1u32, 28, 28].map(u32::to_le_bytes).concat();
        answer.extend([0; 24]);
        answer.extend(7u32.to_le_bytes());
        answer.extend([9; 20]);
        answer.extend([0; 4]);
        assert_eq!(bound(&answer), Ok(Bound { handle: [9; 20], epoch: 7 }));
        let refused = [&[0; 24][..], &0x2105_u32.to_le_bytes()].concat();
        assert_eq!(bound(&refused), Err(DrsError::Refused(0x2105)));
    }
}
