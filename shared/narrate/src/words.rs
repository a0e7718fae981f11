//! Sentences with gaps: a browser downloads all of them, and a `format!` for each would be more code than words.
//!
//! The compiler checks the gaps: each has something that fills it. The languages need not have the same ones: English says numbers in
//! more ways.

use super::{Said, Topic};

/// English, Indonesian. `{0}` to `{9}` stand for what differs; a sentence is filled with `N` of them.
#[derive(Clone, Copy)]
pub(super) struct Words<const N: usize>([&'static str; 2]);

impl<const N: usize> Words<N> {
    /// Panics, which is an error of the compiler's in [`words!`], where a gap is none or is never filled.
    pub const fn new(english: &'static str, indonesian: &'static str) -> Words<N> {
        assert!((gaps_of(english) | gaps_of(indonesian)) >> N == 0, "every gap is filled");
        Words([english, indonesian])
    }

    /// The sentence in one language, with its gaps filled.
    pub fn fill(self, language: usize, gaps: &[&str; N]) -> String {
        fill(self.0[language], gaps)
    }
}

impl Words<0> {
    /// Words without gaps, in one language.
    pub fn plain(self, language: usize) -> &'static str {
        self.0[language]
    }
}

/// A sentence in both languages, whose gaps are checked when it is compiled.
macro_rules! words {
    [$english:expr, $indonesian:expr $(,)?] => { const { $crate::words::Words::new($english, $indonesian) } };
}

pub(super) use words;

/// The gaps of a sentence, one bit for each.
const fn gaps_of(template: &str) -> u16 {
    let (text, mut at, mut gaps) = (template.as_bytes(), 0, 0);
    while at < text.len() {
        if text[at] == b'{' {
            assert!(at + 2 < text.len() && text[at + 2] == b'}', "a gap is a digit in braces");
            assert!(text[at + 1].is_ascii_digit(), "a gap is a digit in braces");
            gaps |= 1 << (text[at + 1] - b'0');
        }
        at += 1;
    }
    gaps
}

/// The sentence with its gaps filled, the same in both languages.
pub(super) fn said<const N: usize>(topic: Topic, words: Words<N>, gaps: &[&str; N]) -> Said {
    filled(topic, words, [gaps, gaps])
}

/// The sentence with other gaps in each language.
pub(super) fn filled<const N: usize>(topic: Topic, words: Words<N>, gaps: [&[&str; N]; 2]) -> Said {
    let [english, indonesian] = [0, 1].map(|language| fill(words.0[language], gaps[language]));
    Said::new(topic, english, indonesian)
}

/// One template with its gaps filled.
pub(super) fn fill(template: &str, gaps: &[&str]) -> String {
    let mut text = String::new();
    for piece in template.split('{') {
        // `0} and the rest`; what stands before the first gap has no number.
        match piece.split_once('}') {
            Some((number, rest)) => {
                let gap = number.bytes().next().map_or(0, |digit| usize::from(digit.saturating_sub(b'0')));
                text.push_str(gaps.get(gap).copied().unwrap_or_default());
                text.push_str(rest);
            }
            None => text.push_str(piece),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_and_what_fills_them_is_left_alone() {
        assert_eq!(fill("{1} and {0}, {1}.", &["{0}", "b"]), "b and {0}, b.");
        assert_eq!(fill("none", &["a"]), "none");
    }

    #[test]
    fn gaps_are_counted() {
        for (template, gaps) in [("none", 0), ("{0} and {0}", 1), ("{2} {0}", 0b101)] {
            assert_eq!(gaps_of(template), gaps, "{template}");
        }
        let words: Words<2> = words!["{0} has {1}", "{1} milik {0}"];
        assert_eq!(words.0[0], "{0} has {1}");
    }

    #[test]
    #[should_panic(expected = "a gap is a digit in braces")]
    fn a_gap_that_is_none() {
        let _ = Words::<2>::new("{0} has {holder}", "{0}");
    }

    #[test]
    #[should_panic(expected = "every gap is filled")]
    fn a_gap_that_nothing_fills() {
        let _ = Words::<1>::new("{0} has it", "{1} milik {0}");
    }
}
