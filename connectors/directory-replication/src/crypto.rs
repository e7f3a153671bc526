//! The old algorithms that the protocol prescribes (MS-NLMP 3.4, MS-DRSR 4.1.10.6, MS-SAMR 2.2.11.1). Keys are wiped. None of
//! them protects anything by itself today; the conversation is as safe as the network it crosses and the account's password.

use des::cipher::{BlockDecrypt, KeyInit};
use hmac::{Hmac, Mac};
use md4::Md4;
use md5::{Digest, Md5};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The stream cipher RC4. Sealing continues one stream over a whole connection.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Rc4 {
    state: [u8; 256],
    i: u8,
    j: u8,
}

impl Rc4 {
    pub(crate) fn new(key: &[u8; 16]) -> Self {
        let mut state = [0; 256];
        for (value, entry) in (0..=u8::MAX).zip(state.iter_mut()) {
            *entry = value;
        }
        let mut j = 0u8;
        for (i, key) in (0..256).zip(key.iter().cycle()) {
            j = j.wrapping_add(state[i]).wrapping_add(*key);
            state.swap(i, usize::from(j));
        }
        Rc4 { state, i: 0, j: 0 }
    }

    pub(crate) fn apply(&mut self, data: &mut [u8]) {
        for byte in data {
            self.i = self.i.wrapping_add(1);
            self.j = self.j.wrapping_add(self.state[usize::from(self.i)]);
            self.state.swap(usize::from(self.i), usize::from(self.j));
            let sum = self.state[usize::from(self.i)].wrapping_add(self.state[usize::from(self.j)]);
            *byte ^= self.state[usize::from(sum)];
        }
    }
}

pub(crate) fn md4(data: &[u8]) -> [u8; 16] {
    Md4::digest(data).into()
}

pub(crate) fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut digest = Md5::new();
    for part in parts {
        digest.update(part);
    }
    digest.finalize().into()
}

pub(crate) fn hmac_md5(key: &[u8; 16], parts: &[&[u8]]) -> [u8; 16] {
    // HMAC fills a short key up with zeros to a whole block.
    let mut block = [0; 64];
    block[..16].copy_from_slice(key);
    let mut mac = <Hmac<Md5> as KeyInit>::new(&block.into());
    block.zeroize();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// CRC-32 as in ISO 3309, bit by bit: it runs over 16 bytes.
pub(crate) fn crc32(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

/// One block under a key of seven bytes, spread over eight (MS-SAMR 2.2.11.1.2); the parity bits are not looked at.
pub(crate) fn des_decrypt(key: [u8; 7], block: &mut [u8; 8]) {
    let bits = key.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    let mut spread = [0; 8];
    for (index, byte) in spread.iter_mut().enumerate() {
        *byte = ((bits >> (49 - 7 * index) & 0x7f) as u8) << 1;
    }
    des::Des::new(&spread.into()).decrypt_block(block.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6229, the key of 128 bits 0102...10: the first bytes of the stream.
    #[test]
    fn rc4_gives_the_known_stream() {
        let key: [u8; 16] = std::array::from_fn(|index| index as u8 + 1);
        let mut stream = [0; 16];
        Rc4::new(&key).apply(&mut stream);
        assert_eq!(u128::from_be_bytes(stream), 0x9ac7_cc9a_609d_1ef7_b293_2899_cde4_1b97);
    }

    #[test]
    fn known_digests() {
        assert_eq!(u128::from_be_bytes(md4(b"abc")), 0xa448_017a_af21_d852_5fc1_0ae8_7aa6_729d);
        assert_eq!(u128::from_be_bytes(md5(&[b"a", b"bc"])), 0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72);
        // RFC 2202, test case 1.
        assert_eq!(
            u128::from_be_bytes(hmac_md5(&[0x0b; 16], &[b"Hi There"])),
            0x9294_727a_3638_bb1c_13f4_8ef8_158b_fc9d
        );
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
