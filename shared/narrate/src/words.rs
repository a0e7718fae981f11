//! Sentences with gaps: a browser downloads all of them, and a `format!` for each would be more code than words.

use super::{Said, Topic};

/// English, Indonesian. `{0}` to `{9}` stand for what differs.
pub(super) type Words = [&'static str; 2];

/// The sentence with its gaps filled, the same in both languages.
pub(super) fn said(topic: Topic, words: Words, gaps: &[&str]) -> Said {
    filled(topic, words, [gaps, gaps])
}

/// The sentence with other gaps in each language.
pub(super) fn filled(topic: Topic, words: Words, gaps: [&[&str]; 2]) -> Said {
    let [english, indonesian] = [0, 1].map(|language| fill(words[language], gaps[language]));
    Said::new(topic, english, indonesian)
}

fn fill(template: &str, gaps: &[&str]) -> String {
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
}
