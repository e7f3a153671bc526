//! The endpoint mapper on TCP port 135: on which port a server offers an interface (C706 appendix O, `ept_map`).

use crate::ndr::{Malformed, Reader, Writer, count_of};
use crate::rpc::{Interface, NDR};

/// The endpoint mapper's own interface; nobody has to sign in for it.
pub const ENDPOINT_MAPPER: Interface = Interface {
    id: [0x08, 0x83, 0xaf, 0xe1, 0x1f, 0x5d, 0xc9, 0x11, 0x91, 0xa4, 0x08, 0x00, 0x2b, 0x14, 0xa0, 0xfa],
    version: 3,
};

/// Its well-known port.
pub const PORT: u16 = 135;

/// The operation `ept_map`.
pub const MAP: u16 = 3;

/// Kinds of floors in a tower.
const UUID: u8 = 0x0d;
const CONNECTION_ORIENTED: u8 = 0x0b;
const TCP: u8 = 0x07;
const IP: u8 = 0x09;

/// Towers that we take.
const TOWERS: u32 = 4;

/// Asks where `interface` is offered over TCP.
pub fn request(interface: &Interface) -> Vec<u8> {
    let tower = tower(interface);
    let mut writer = Writer::default();
    writer.pointer();
    writer.raw(&[0; 16]);
    writer.pointer();
    writer.u32(count_of(&tower));
    writer.u32(count_of(&tower));
    writer.raw(&tower);
    writer.align(4);
    writer.raw(&[0; 20]);
    writer.u32(TOWERS);
    writer.finish()
}

fn tower(interface: &Interface) -> Vec<u8> {
    let mut tower = vec![5, 0];
    let mut floor = |left: &[u8], right: &[u8]| {
        for part in [left, right] {
            tower.extend((part.len() as u16).to_le_bytes());
            tower.extend(part);
        }
    };
    for Interface { id, version } in [interface, &NDR] {
        floor(&[&[UUID], &id[..], &version.to_le_bytes()].concat(), &[0, 0]);
    }
    floor(&[CONNECTION_ORIENTED], &[0, 0]);
    floor(&[TCP], &PORT.to_be_bytes());
    floor(&[IP], &[0; 4]);
    tower
}

/// The port of the answer; `None` where the interface is not offered over TCP.
pub fn port(answer: &[u8]) -> Result<Option<u16>, Malformed> {
    let what = "answer of the endpoint mapper";
    let mut reader = Reader::new(answer);
    reader.take(20, what)?;
    reader.u32(what)?;
    reader.u32(what)?;
    reader.u32(what)?;
    let towers = reader.count(4, what)?;
    let mut there = 0;
    for _ in 0..towers {
        there += usize::from(reader.pointer(what)?);
    }
    for _ in 0..there {
        reader.u32(what)?;
        let tower = reader.counted(what)?;
        if let Some(port) = port_of(tower)? {
            return Ok(Some(port));
        }
    }
    Ok(None)
}

fn port_of(tower: &[u8]) -> Result<Option<u16>, Malformed> {
    let what = "tower of the endpoint mapper";
    let mut reader = Reader::new(tower);
    let floors = reader.packed_u16(what)?;
    for _ in 0..floors {
        let left = reader.packed_u16(what)?;
        let left = reader.take(usize::from(left), what)?;
        let right = reader.packed_u16(what)?;
        let right = reader.take(usize::from(right), what)?;
        if let ([TCP], &[high, low]) = (left, right) {
            // No server listens on port 0; it is how an endpoint that is not there is written.
            return Ok(Some(u16::from_be_bytes([high, low])).filter(|port| *port != 0));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::damage::{cut, flipped, golden};

    #[test]
    fn a_domain_controllers_answer_names_the_port() {
        let answer = golden("endpoint-mapper-answer");
        assert_eq!(port(&answer), Ok(Some(49_153)));
        cut(&answer, |part| assert_ne!(port(part), Ok(None), "{} bytes", part.len()));
        flipped(&answer, |damaged| {
            let _ = port(damaged);
        });
    }

    #[test]
    fn an_interface_that_is_not_offered_has_no_port() {
        // ept_s_not_registered: no tower.
        let mut answer = vec![0; 36];
        answer.extend(0x16c9_a0d6_u32.to_le_bytes());
        assert_eq!(port(&answer), Ok(None));
        answer[32..36].copy_from_slice(&9u32.to_le_bytes());
        assert!(port(&answer).is_err(), "nine towers in four bytes");
    }
}
