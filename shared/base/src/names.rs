//! The one rule for every name that a client gives: of a resource, a client, a topic, a group, a consumer, a partition key,
//! an address, a node.
//!
//! Names are shown to people, in sentences, tables and logs. A character that cannot be seen, or that turns the text around
//! it, makes two names look the same.

use thiserror::Error;

use crate::error::ApiError;
use crate::ids::NAME_BYTES_MAX;

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotAName {
    /// Nothing is in it.
    #[error("must not be empty")]
    Empty,
    /// It is too long.
    #[error("has {bytes} bytes; at most {bytes_max} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// It has a character that is not shown as itself.
    #[error("must not contain control characters, and has U+{:04X}", u32::from(*.0))]
    Control(char),
    /// It has a character that changes the direction of the text.
    #[error("must not contain characters that change the direction of the text, and has U+{:04X}", u32::from(*.0))]
    Bidirectional(char),
    /// It begins or ends with a space.
    #[error("must not begin or end with a space")]
    Space,
}

impl NotAName {
    /// The whole sentence; `field` is the field of the request.
    pub fn sentence(&self, field: &str) -> String {
        format!("\"{field}\" {self}.")
    }

    /// The answer to a request with that field: 400 `bad_request`.
    pub fn error(&self, field: &str) -> ApiError {
        ApiError::bad_request(self.sentence(field))
    }
}

/// Checks a name.
///
/// # Errors
/// What is wrong with it.
pub fn check(name: &str) -> Result<(), NotAName> {
    check_within(name, NAME_BYTES_MAX)
}

/// Checks a name that may be as long as `bytes_max`.
///
/// # Errors
/// What is wrong with it.
pub fn check_within(name: &str, bytes_max: usize) -> Result<(), NotAName> {
    if name.is_empty() {
        return Err(NotAName::Empty);
    }
    if name.len() > bytes_max {
        return Err(NotAName::TooLong { bytes: name.len(), bytes_max });
    }
    for character in name.chars() {
        if is_control(character) {
            return Err(NotAName::Control(character));
        }
        if is_bidirectional(character) {
            return Err(NotAName::Bidirectional(character));
        }
    }
    if name.starts_with(char::is_whitespace) || name.ends_with(char::is_whitespace) {
        return Err(NotAName::Space);
    }
    Ok(())
}

/// Unicode's control characters, its separators of lines and paragraphs, and the mark of the byte order, which nobody sees.
fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// The characters with the property `Bidi_Control`.
fn is_bidirectional(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_people_can_read_and_write() {
        for good in
            ["a", "orders", "a b", "k-1.x_y/z", "ü 日本", "Ayu 👩‍🏫", "שלום", &"x".repeat(NAME_BYTES_MAX)]
        {
            assert_eq!(check(good), Ok(()), "{good:?}");
        }
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        let table = [
            ("", NotAName::Empty),
            (&long, NotAName::TooLong { bytes: 257, bytes_max: NAME_BYTES_MAX }),
            ("a\nb", NotAName::Control('\n')),
            ("a\0", NotAName::Control('\0')),
            ("\u{7f}", NotAName::Control('\u{7f}')),
            ("a\u{85}b", NotAName::Control('\u{85}')),
            ("a\u{2028}b", NotAName::Control('\u{2028}')),
            ("\u{feff}a", NotAName::Control('\u{feff}')),
            ("a\u{202e}b", NotAName::Bidirectional('\u{202e}')),
            ("a\u{2066}b\u{2069}", NotAName::Bidirectional('\u{2066}')),
            ("\u{200f}a", NotAName::Bidirectional('\u{200f}')),
            ("\u{61c}", NotAName::Bidirectional('\u{61c}')),
            (" a", NotAName::Space),
            ("a ", NotAName::Space),
            ("a\u{a0}", NotAName::Space),
            ("\u{3000}a", NotAName::Space),
            (" ", NotAName::Space),
        ];
        for (bad, why) in table {
            assert_eq!(check(bad), Err(why), "{bad:?}");
            let sentence = why.sentence("topic");
            assert!(sentence.starts_with("\"topic\" ") && sentence.ends_with('.'), "{sentence}");
        }
        assert!(NotAName::Control('\n').sentence("x").contains("U+000A"));
        assert_eq!(check_within(&long, 300), Ok(()));
    }
}
