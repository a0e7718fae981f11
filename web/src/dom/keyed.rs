//! Lists whose items keep their elements while their key stays.

use leptos::prelude::*;
use web_sys::Node;

use super::markup::{insert, marker};
use super::pointer::Call;
use super::{IntoMarkup, Markup, follow};

/// An item that is not drawn yet: one element.
pub struct Item {
    key: String,
    draw: Box<dyn FnOnce() -> Markup>,
}

/// An item: where the key was there before, `draw` is not called. It gives one element.
pub fn item(key: String, draw: impl FnOnce() -> Markup + 'static) -> Item {
    Item { key, draw: Box::new(draw) }
}

pub struct Keyed {
    items: Box<dyn Call<Vec<Item>>>,
}

/// An item that is in the document. Everything that follows something in it goes with its owner.
struct Drawn {
    key: String,
    node: Node,
    owner: Owner,
}

/// The list. Items that come are drawn, items that go are removed, all others stay as they are.
pub fn keyed(items: impl Fn() -> Vec<Item> + 'static) -> Markup {
    Markup::Keyed(Keyed { items: Box::new(items) })
}

/// Some of what is drawn anew whenever the list changes.
pub fn list<T, M: IntoMarkup>(items: impl IntoIterator<Item = T>, draw: impl FnMut(T) -> M) -> Markup {
    items.into_iter().map(draw).collect()
}

impl Keyed {
    pub(super) fn place(mut self, parent: &Node, before: Option<&Node>) {
        let end = marker(parent, before);
        // Not the effect's own owner: that one lets go of everything at each run.
        let outer = Owner::current().unwrap_or_default();
        let mut drawn: Vec<Drawn> = Vec::new();
        follow(Box::new(move || {
            let items = self.items.call();
            if let Some(parent) = end.parent_node() {
                let before = std::mem::take(&mut drawn);
                drawn = untrack(|| arrange(&parent, &end, before, items, &outer));
            }
        }));
    }
}

fn arrange(parent: &Node, end: &Node, mut before: Vec<Drawn>, items: Vec<Item>, outer: &Owner) -> Vec<Drawn> {
    let mut now: Vec<Drawn> = Vec::with_capacity(items.len());
    for Item { key, draw } in items {
        match before.iter().position(|known| known.key == key) {
            Some(place) => now.push(before.remove(place)),
            None => {
                let owner = outer.child();
                if let Markup::Node(node) = owner.with(draw) {
                    now.push(Drawn { key, node, owner });
                }
            }
        }
    }
    for gone in before {
        let _ = parent.remove_child(&gone.node);
        gone.owner.cleanup();
    }
    // From the end, so that what is in its place already is not moved: a moved element loses the focus.
    let mut next = end.clone();
    for item in now.iter().rev() {
        let in_place = item.node.next_sibling().as_ref() == Some(&next);
        if !in_place {
            insert(parent, &item.node, Some(&next));
        }
        next = item.node.clone();
    }
    now
}
