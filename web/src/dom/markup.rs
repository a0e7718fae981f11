//! Markup that is not in the document yet, and how it comes there and follows what it shows.

use std::borrow::Cow;

use leptos::prelude::*;
use web_sys::{Element, Node, Text};

use super::follow;
use super::keyed::Keyed;
use super::pointer::Call;

/// What `view!` gives. It holds elements, so it can be put into the document once.
pub enum Markup {
    Nothing,
    Text(Cow<'static, str>),
    /// An element with everything in it.
    Node(Node),
    /// Several, in order.
    Many(Vec<Markup>),
    /// It is drawn anew whenever what it read has changed.
    Live(Box<dyn Call<Markup>>),
    /// A list whose items keep their elements.
    Keyed(Keyed),
}

/// What can stand in markup.
pub trait IntoMarkup {
    fn into_markup(self) -> Markup;
}

impl IntoMarkup for Markup {
    fn into_markup(self) -> Markup {
        self
    }
}

impl IntoMarkup for &'static str {
    fn into_markup(self) -> Markup {
        Markup::Text(self.into())
    }
}

impl IntoMarkup for String {
    fn into_markup(self) -> Markup {
        Markup::Text(self.into())
    }
}

impl IntoMarkup for u64 {
    fn into_markup(self) -> Markup {
        Markup::Text(self.to_string().into())
    }
}

impl<T: IntoMarkup> IntoMarkup for Option<T> {
    fn into_markup(self) -> Markup {
        self.map_or(Markup::Nothing, T::into_markup)
    }
}

impl<T: IntoMarkup, F: FnMut() -> T + 'static> IntoMarkup for F {
    fn into_markup(mut self) -> Markup {
        Markup::Live(Box::new(move || self().into_markup()))
    }
}

impl IntoMarkup for Signal<&'static str> {
    fn into_markup(self) -> Markup {
        (move || self.get()).into_markup()
    }
}

impl<T: IntoMarkup, const N: usize> IntoMarkup for [T; N] {
    fn into_markup(self) -> Markup {
        self.into_iter().collect()
    }
}

impl<T: IntoMarkup> FromIterator<T> for Markup {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Markup {
        Markup::Many(items.into_iter().map(T::into_markup).collect())
    }
}

/// Puts markup behind everything that is in the element.
pub fn append(parent: &Element, markup: Markup) {
    place(parent, markup, None);
}

/// Puts markup into `parent`, before a child of it or behind all.
pub(super) fn place(parent: &Node, markup: Markup, before: Option<&Node>) {
    match markup {
        Markup::Nothing => {}
        Markup::Text(words) => insert(parent, &document().create_text_node(&words), before),
        Markup::Node(node) => insert(parent, &node, before),
        Markup::Many(all) => all.into_iter().for_each(|markup| place(parent, markup, before)),
        Markup::Live(draw) => place_live(parent, draw, before),
        Markup::Keyed(keyed) => keyed.place(parent, before),
    }
}

pub(super) fn insert(parent: &Node, node: &Node, before: Option<&Node>) {
    // Fails only where `before` is no child of the parent: then somebody else removed it.
    let _ = parent.insert_before(node, before);
}

/// An empty text: a place in the document that nobody sees.
pub(super) fn marker(parent: &Node, before: Option<&Node>) -> Text {
    let marker = document().create_text_node("");
    insert(parent, &marker, before);
    marker
}

/// What changes stands between two texts. The first is itself the text where there is nothing but words.
fn place_live(parent: &Node, mut draw: Box<dyn Call<Markup>>, before: Option<&Node>) {
    let (words, end) = (marker(parent, before), marker(parent, before));
    let mut shown: Cow<'static, str> = "".into();
    let mut filled = false;
    follow(Box::new(move || {
        let markup = draw.call();
        if filled {
            clear_between(&words, &end);
            filled = false;
        }
        let (text, rest) = match markup {
            Markup::Text(text) => (text, None),
            Markup::Nothing => ("".into(), None),
            other => ("".into(), Some(other)),
        };
        if text != shown {
            words.set_data(&text);
            shown = text;
        }
        if let (Some(markup), Some(parent)) = (rest, end.parent_node()) {
            place(&parent, markup, Some(&end));
            filled = true;
        }
    }));
}

fn clear_between(first: &Node, end: &Node) {
    while let Some(node) = first.next_sibling().filter(|node| node != end) {
        if let Some(parent) = node.parent_node() {
            let _ = parent.remove_child(&node);
        }
    }
}
