//! Sentences with `**…**` for what stands out, and names of nodes in their hue.

use std::sync::Arc;

use leptos::prelude::*;
use orrery_base::ids::NodeName;

use crate::look::hue;

/// A piece of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    text: String,
    strong: bool,
    /// Place on the circle of the node that is named.
    node: Option<usize>,
}

/// A name inside another word is none. Unicode's own tables of letters are larger than this page's words; what is not
/// ASCII counts as a letter, apart from the blocks of dashes, quotes, arrows and signs.
fn of_a_word(c: char) -> bool {
    match c {
        '-' | '_' => true,
        '\u{2000}'..='\u{2bff}' => false,
        _ => c.is_ascii_alphanumeric() || c >= '\u{c0}',
    }
}

/// What stands between the marks. By hand: the standard library's search for a text in a text is for long ones, and a
/// browser would download it.
fn parts(mut rest: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    while let Some(at) = rest.as_bytes().windows(2).position(|pair| pair == b"**") {
        parts.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    parts.push(rest);
    parts
}

fn pieces(sentence: &str, order: &[NodeName]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (part, text) in parts(sentence).into_iter().enumerate() {
        let strong = part % 2 == 1;
        for word in text.split_inclusive(|c| !of_a_word(c)) {
            let name = word.trim_end_matches(|c| !of_a_word(c));
            let node = order.iter().position(|node| node == name);
            let (named, rest) = if node.is_some() { word.split_at(name.len()) } else { ("", word) };
            if node.is_some() {
                pieces.push(Piece { text: named.to_owned(), strong, node });
            }
            if rest.is_empty() {
                continue;
            }
            match pieces.last_mut() {
                Some(last) if last.node.is_none() && last.strong == strong => last.text.push_str(rest),
                _ => pieces.push(Piece { text: rest.to_owned(), strong, node: None }),
            }
        }
    }
    pieces
}

/// A sentence as inline elements.
pub fn rich(sentence: &str, order: &Arc<Vec<NodeName>>) -> AnyView {
    pieces(sentence, order)
        .into_iter()
        .map(|piece| match (piece.node, piece.strong) {
            (Some(place), _) => view! { <b class=format!("hued {}", hue(place))>{piece.text}</b> }.into_any(),
            (None, true) => view! { <b>{piece.text}</b> }.into_any(),
            (None, false) => piece.text.into_any(),
        })
        .collect_view()
        .into_any()
}

/// The sentence without its marks, for ears.
pub fn plain(sentence: &str) -> String {
    parts(sentence).concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_found_in_a_sentence() {
        let order = ["node1".into(), "node10".into()];
        let found = pieces("node10 follows **node1**, 3 of 5.", &order);
        let text: String = found.iter().map(|piece| piece.text.as_str()).collect();
        assert_eq!(text, "node10 follows node1, 3 of 5.");
        let named: Vec<_> = found.iter().filter_map(|piece| piece.node).collect();
        assert_eq!(named, [1, 0]);
        let named =
            |text: &str| pieces(text, &order).iter().filter_map(|piece| piece.node).collect::<Vec<_>>();
        assert_eq!(named("“node1”→node10…"), [0, 1]);
        assert!(named("élnode1 node1é node1-node10").is_empty());
        assert_eq!(parts("a **b** c*d**"), ["a ", "b", " c*d", ""]);
        assert_eq!((plain("**é** a*b"), plain("")), ("é a*b".to_owned(), String::new()));
    }
}
