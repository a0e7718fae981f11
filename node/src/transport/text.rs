//! What a peer says, before it is shown or logged: short, and nothing that moves a cursor or turns the direction of a line.

/// Most bytes of a peer's sentence.
pub(super) const TEXT_BYTES_MAX: usize = 200;

/// The printable beginning of a text.
pub(super) fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len().min(TEXT_BYTES_MAX));
    for letter in text.chars() {
        let letter = if is_printable(letter) { letter } else { '\u{fffd}' };
        if clean.len() + letter.len_utf8() > TEXT_BYTES_MAX {
            break;
        }
        clean.push(letter);
    }
    clean
}

fn is_printable(letter: char) -> bool {
    // Besides control characters: marks of direction, separators of lines, what has no width, private use.
    !letter.is_control()
        && !matches!(
            u32::from(letter),
            0x061c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xe000..=0xf8ff | 0xfeff
                | 0xfff0..=0xfffb | 0xe0000..=0xe0fff | 0xf0000..=0x0010_ffff
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_text_is_short_and_printable() {
        assert_eq!(printable("node2 is of cluster 7: Grüße"), "node2 is of cluster 7: Grüße");
        assert_eq!(
            printable("a\x1b[2J\r\nb\u{202e}c\u{200b}"),
            "a\u{fffd}[2J\u{fffd}\u{fffd}b\u{fffd}c\u{fffd}"
        );
        let long = printable(&"é".repeat(1_000));
        assert_eq!(long.len(), TEXT_BYTES_MAX);
        assert!(long.chars().all(|letter| letter == 'é'));
        assert!(printable(&"\0".repeat(1_000)).len() <= TEXT_BYTES_MAX);
    }
}
