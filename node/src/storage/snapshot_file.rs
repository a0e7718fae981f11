//! The bytes of a snapshot file, format version 1:
//!
//! ```text
//! "ORRSNAP1" | per chunk: length u32 | bytes | ... | 0xffff_ffff | checksum u64
//! ```
//!
//! Numbers are little-endian. The checksum is FNV-1a over everything before it: the file is synced before
//! it gets its name, so it guards against damage at rest, not against an adversary.

use std::io::Read;

use bytes::Bytes;

use super::StorageError;

const MAGIC: &[u8; 8] = b"ORRSNAP1";
const END: u32 = u32::MAX;
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// Makes a file, chunk by chunk.
#[derive(Clone, Debug)]
pub struct Encoder {
    sum: u64,
}

impl Encoder {
    /// What the file begins with.
    pub fn begin() -> (Encoder, Bytes) {
        (Encoder { sum: fnv(FNV_OFFSET, MAGIC) }, Bytes::from_static(MAGIC))
    }

    /// What stands before the next chunk.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] where it is too long.
    pub fn chunk(&mut self, chunk: &[u8]) -> Result<[u8; 4], StorageError> {
        let length = u32::try_from(chunk.len()).ok().filter(|length| *length != END).ok_or_else(|| {
            StorageError::Damaged(format!("a snapshot chunk of {} bytes is too long", chunk.len()))
        })?;
        let head = length.to_le_bytes();
        self.sum = fnv(fnv(self.sum, &head), chunk);
        Ok(head)
    }

    /// What stands after the last one.
    pub fn end(self) -> [u8; 12] {
        let mut end = [0; 12];
        let (mark, sum) = end.split_at_mut(4);
        mark.copy_from_slice(&END.to_le_bytes());
        sum.copy_from_slice(&fnv(self.sum, mark).to_le_bytes());
        end
    }
}

/// The chunks of a file.
pub fn decode(file: Bytes) -> Result<Vec<Bytes>, StorageError> {
    let damaged = |what: &str| StorageError::Damaged(format!("a snapshot file {what}"));
    let body_length = file.len().checked_sub(8).ok_or_else(|| damaged("is too short"))?;
    let (body, sum) = file.split_at(body_length);
    if fnv(FNV_OFFSET, body).to_le_bytes() != *sum {
        return Err(damaged("does not have its checksum"));
    }
    if !body.starts_with(MAGIC) {
        return Err(damaged("is not of a known version"));
    }
    let mut chunks = Vec::new();
    let mut at = MAGIC.len();
    loop {
        let length = body.get(at..).and_then(|rest| rest.first_chunk::<4>());
        let length = u32::from_le_bytes(*length.ok_or_else(|| damaged("has no end"))?);
        at += 4;
        if length == END {
            break;
        }
        let end = at + length as usize;
        if end > body.len() {
            return Err(damaged("ends within a chunk"));
        }
        chunks.push(file.slice(at..end));
        at = end;
    }
    if at == body.len() { Ok(chunks) } else { Err(damaged("goes on after its end")) }
}

/// Reads a file chunk by chunk: one of them is in memory. Other things may follow it in the same source.
#[derive(Debug)]
pub struct ChunkReader<'a, R> {
    from: &'a mut R,
    sum: u64,
}

/// Longest chunk that is read: nothing that was written has more.
const READ_BYTES_MAX: u32 = 1024 * 1024;

impl<'a, R: Read> ChunkReader<'a, R> {
    /// Whether these are the first bytes of a file.
    pub fn begins(first: &[u8; 8]) -> bool {
        first == MAGIC
    }

    /// Goes on behind the first eight bytes.
    pub fn after_magic(from: &'a mut R) -> Self {
        ChunkReader { from, sum: fnv(FNV_OFFSET, MAGIC) }
    }

    /// The next chunk; none after the last one, whose checksum fitted.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] or [`StorageError::Io`].
    pub fn chunk(&mut self) -> Result<Option<Bytes>, StorageError> {
        let mut head = [0; 4];
        self.fill(&mut head)?;
        self.sum = fnv(self.sum, &head);
        let length = u32::from_le_bytes(head);
        if length == END {
            let mut sum = [0; 8];
            self.fill(&mut sum)?;
            let fits = u64::from_le_bytes(sum) == self.sum;
            let damaged = || StorageError::Damaged("a part of the file does not have its checksum".into());
            return fits.then_some(None).ok_or_else(damaged);
        }
        if length > READ_BYTES_MAX {
            return Err(StorageError::Damaged(format!("a part of {length} bytes is too long")));
        }
        let mut chunk = vec![0; length as usize];
        self.fill(&mut chunk)?;
        self.sum = fnv(self.sum, &chunk);
        Ok(Some(chunk.into()))
    }

    /// The checksum of everything that was read.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), StorageError> {
        self.from.read_exact(bytes).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => StorageError::Damaged("the file ends early".into()),
            _ => StorageError::io("cannot read the file", error),
        })
    }
}

fn fnv(sum: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(sum, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn file(chunks: &[Bytes]) -> Vec<u8> {
        let (mut encoder, first) = Encoder::begin();
        let mut file = first.to_vec();
        for chunk in chunks {
            file.extend(encoder.chunk(chunk).unwrap());
            file.extend_from_slice(chunk);
        }
        file.extend(encoder.end());
        file
    }

    #[test]
    fn golden_bytes_of_version_1() {
        let bytes = file(&[Bytes::from_static(b"ab"), Bytes::from_static(b"")]);
        let (body, sum) = bytes.split_at(bytes.len() - 8);
        assert_eq!(body, b"ORRSNAP1\x02\0\0\0ab\0\0\0\0\xff\xff\xff\xff");
        assert_eq!(u64::from_le_bytes(sum.try_into().unwrap()), 0x086c_0d20_cba1_ba5c);
        assert_eq!(decode(Bytes::from(bytes)).unwrap(), [Bytes::from_static(b"ab"), Bytes::from_static(b"")]);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = file(&[Bytes::from_static(b"snapshot"), Bytes::from_static(b"!")]);
        for cut in 0..bytes.len() {
            assert!(decode(Bytes::copy_from_slice(&bytes[..cut])).is_err(), "cut at {cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(Bytes::from(flipped)).is_err(), "bit {bit}");
        }
    }
}
