//! Files as a browser receives them: compressed once, when they are built, and as well as their format can. Servers take
//! a level that is fast; a few seconds of a build make the module a twentieth smaller for every phone.

use std::io;

use brotli::enc::BrotliEncoderParams;
use zopfli::{Format, Options};

/// Four times as many as by default: ten seconds more of a build, and two kilobytes less of the module.
const BLOCKS_MAX: u16 = 60;
/// The window of brotli: 4 MiB, more than the module has.
const WINDOW_BITS: i32 = 22;

/// `content` in the format of gzip (RFC 1952).
pub fn gzip(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressed = Vec::new();
    let options = Options { maximum_block_splits: BLOCKS_MAX, ..Options::default() };
    zopfli::compress(options, Format::Gzip, content, &mut compressed)?;
    Ok(compressed)
}

/// `content` in the format of brotli (RFC 7932).
pub fn brotli(mut content: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressed = Vec::new();
    let size_hint = content.len();
    let options =
        BrotliEncoderParams { quality: 11, lgwin: WINDOW_BITS, size_hint, ..BrotliEncoderParams::default() };
    brotli::BrotliCompress(&mut content, &mut compressed, &options)?;
    Ok(compressed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise() -> Vec<u8> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..100_000).map(|_| next()).collect()
    }

    #[test]
    fn repetition_is_small_and_noise_is_not() {
        for compress in [gzip, brotli] {
            assert!(compress(&[7; 100_000]).expect("memory does not fail").len() < 1_000);
            assert!(compress(&noise()).expect("memory does not fail").len() > 90_000);
        }
        assert!(gzip(b"page").expect("memory does not fail").starts_with(&[0x1f, 0x8b]));
    }

    #[test]
    fn brotli_is_read_back() {
        let content = [noise(), vec![7; 1_000]].concat();
        let compressed = brotli(&content).expect("memory does not fail");
        let mut read = Vec::new();
        brotli::BrotliDecompress(&mut &compressed[..], &mut read).expect("it was compressed above");
        assert_eq!(read, content);
    }
}
