//! Lists whose items keep their elements while their key stays. One list type for the whole page: leptos' own `For`
//! would be compiled once per kind of item, and each costs a browser some ten kilobytes.

use leptos::prelude::*;

/// An item that is not drawn yet.
pub struct Item {
    key: String,
    draw: Box<dyn FnOnce() -> AnyView + Send>,
}

/// An item: where the key was there before, `draw` is not called.
pub fn item(key: String, draw: impl FnOnce() -> AnyView + Send + 'static) -> Item {
    Item { key, draw: Box::new(draw) }
}

/// The list. Items that come are drawn, items that go are removed, all others stay as they are.
pub fn keyed(items: impl Fn() -> Vec<Item> + Send + Sync + 'static) -> AnyView {
    let items: Box<dyn Fn() -> Vec<Item> + Send + Sync> = Box::new(items);
    view! { <For each=items key=|item: &Item| item.key.clone() children=|item: Item| (item.draw)() /> }
        .into_any()
}

/// Some of what is drawn anew whenever the list changes.
pub fn list<T: 'static>(items: impl IntoIterator<Item = T>, draw: impl Fn(T) -> AnyView) -> AnyView {
    items.into_iter().map(draw).collect::<Vec<AnyView>>().into_any()
}
