//! `view!` and `#[component]` of the dashboard.
//!
//! The syntax is Leptos'. What comes out is not: Leptos compiles a generic tree of types for every piece of markup,
//! which made up a third of what a browser downloads. Here every element is a few calls into `orrery_web::dom`, and
//! everything that never changes is one piece of text that the browser reads by itself.

mod component;
mod element;
mod inert;

use proc_macro::TokenStream;

/// Markup as in Leptos: elements, components, `{expressions}`, `"text"`. Gives a `dom::Markup`.
///
/// Attributes: `name=value`, `class:name=flag`, `style:name=value`, `prop:name=value`, `on:event=handler` and
/// `node_ref=reference`. A value may be a closure; then it is followed.
#[proc_macro]
pub fn view(input: TokenStream) -> TokenStream {
    match rstml::parse2(input.into()) {
        Ok(nodes) => element::markup(&nodes).into(),
        Err(error) => error.to_compile_error().into(),
    }
}

/// A function that `view!` can call by the names of its arguments: `<Name argument=value />`.
#[proc_macro_attribute]
pub fn component(_: TokenStream, item: TokenStream) -> TokenStream {
    component::expand(item.into()).unwrap_or_else(|error| error.to_compile_error()).into()
}
