//! Opening one secret of an answer: the layer of the session (MS-DRSR 4.1.10.6.12), and below it the one that the directory
//! itself keeps hashes under, by the account's relative identifier (MS-SAMR 2.2.11.1).

use crate::auth::SessionKey;
use crate::crypto::{Rc4, crc32, des_decrypt, md5};
use zeroize::{Zeroize, Zeroizing};

const SALT: usize = 16;
const CHECKSUM: usize = 4;
const HASH: usize = 16;

/// A secret that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("an encrypted hash has {expected} bytes, this value has {0}", expected = SALT + CHECKSUM + HASH)]
    Length(usize),
    #[error("the checksum of the decrypted hash does not fit")]
    Checksum,
}

/// The hash in the value of `unicodePwd` of the account with this relative identifier.
pub fn open_hash(key: &SessionKey, rid: u32, value: &[u8]) -> Result<Zeroizing<[u8; HASH]>, SecretError> {
    let whole: &[u8; SALT + CHECKSUM + HASH] = value.try_into().map_err(|_| SecretError::Length(value.len()))?;
    let (salt, encrypted) = whole.split_at(SALT);
    let mut content = Zeroizing::new([0; CHECKSUM + HASH]);
    content.copy_from_slice(encrypted);
    let stream_key = Zeroizing::new(md5(&[&key[..], salt]));
    Rc4::new(&stream_key).apply(&mut content[..]);
    let (checksum, hash) = content.split_at(CHECKSUM);
    if crc32(hash).to_le_bytes() != checksum {
        return Err(SecretError::Checksum);
    }
    let mut opened = Zeroizing::new([0; HASH]);
    opened.copy_from_slice(hash);
    remove_rid_layer(&mut opened, rid);
    Ok(opened)
}

fn remove_rid_layer(hash: &mut [u8; HASH], rid: u32) {
    let [a, b, c, d] = rid.to_le_bytes();
    let keys = [[a, b, c, d, a, b, c], [d, a, b, c, d, a, b]];
    for (key, half) in keys.into_iter().zip(hash.chunks_exact_mut(HASH / 2)) {
        let mut block = [0; HASH / 2];
        block.copy_from_slice(half);
        des_decrypt(key, &mut block);
        half.copy_from_slice(&block);
        block.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::damage::{conversation_key, golden};
    use crate::drsuapi::{Attribute, changes};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The recorded answer is of a user whose password is known; the hash is MD4 over its UTF-16LE text.
    #[test]
    fn the_hash_of_a_known_password() {
        let answer = changes(&golden("one-object")).unwrap();
        let user = &answer.objects[0];
        let value = &user.attribute(Attribute::UnicodePwd).unwrap().values[0];
        let rid = user.sid.as_ref().unwrap().rid().unwrap();
        let key = conversation_key();
        let password: Vec<u8> = "Golden-Pass-1".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(hex(&open_hash(&key, rid, value).unwrap()[..]), hex(&crate::crypto::md4(&password)));

        assert_ne!(open_hash(&key, rid + 1, value).unwrap()[..], open_hash(&key, rid, value).unwrap()[..]);
        assert_eq!(open_hash(&Zeroizing::new([1; 16]), rid, value), Err(SecretError::Checksum));
        for bit in 0..value.len() * 8 {
            let mut damaged = value.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open_hash(&key, rid, &damaged), Err(SecretError::Checksum), "bit {bit}");
        }
        for length in 0..value.len() {
            assert_eq!(open_hash(&key, rid, &value[..length]), Err(SecretError::Length(length)));
        }
    }
}
