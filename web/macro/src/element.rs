//! Elements and components.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote};
use rstml::node::{Infallible, KeyedAttribute, Node, NodeAttribute, NodeBlock, NodeElement, NodeName};

use syn::{Expr, Stmt};

use crate::inert;

/// Elements that are drawings: they belong to another namespace.
const DRAWN: [&str; 13] = [
    "svg", "g", "circle", "path", "rect", "line", "text", "polygon", "defs", "pattern", "marker", "polyline",
    "clipPath",
];

/// What one `view!` gives.
pub fn markup(nodes: &[Node]) -> TokenStream {
    let mut drawn: Vec<TokenStream> = nodes.iter().filter_map(node).collect();
    match drawn.len() {
        1 => drawn.remove(0),
        _ => quote!(crate::dom::Markup::Many(::std::vec![#(#drawn),*])),
    }
}

fn node(node: &Node) -> Option<TokenStream> {
    Some(match node {
        Node::Element(element) if is_component(element) => component(element),
        Node::Element(element) => self::element(element),
        Node::Text(words) => {
            let words = words.value_string();
            quote!(crate::dom::IntoMarkup::into_markup(#words))
        }
        Node::Block(block) => {
            let value = value_of(block);
            quote!(crate::dom::IntoMarkup::into_markup(#value))
        }
        Node::Fragment(fragment) => markup(&fragment.children),
        Node::RawText(words) => {
            let words = words.to_string_best();
            quote!(crate::dom::IntoMarkup::into_markup(#words))
        }
        _ => return None,
    })
}

/// What stands in braces, without them where it is a single expression.
fn value_of(block: &NodeBlock) -> TokenStream {
    match block {
        NodeBlock::ValidBlock(block) => match block.stmts.as_slice() {
            [Stmt::Expr(single, None)] => single.to_token_stream(),
            _ => block.to_token_stream(),
        },
        NodeBlock::Invalid(block) => block.to_token_stream(),
    }
}

fn is_component(element: &NodeElement<Infallible>) -> bool {
    let name = element.open_tag.name.to_string();
    name.rsplit("::").next().is_some_and(|last| last.trim().starts_with(char::is_uppercase))
}

fn component(element: &NodeElement<Infallible>) -> TokenStream {
    let NodeName::Path(path) = &element.open_tag.name else {
        return quote!(::std::compile_error!("a component is a path"));
    };
    let given = element.attributes().iter().filter_map(argument);
    quote!(#path { #(#given),* }.drawn())
}

fn argument(attribute: &NodeAttribute) -> Option<TokenStream> {
    let NodeAttribute::Attribute(attribute) = attribute else { return None };
    let name = format_ident!("{}", attribute.key.to_string());
    Some(match attribute.value() {
        Some(_) => {
            let value = value(attribute);
            quote!(#name: #value)
        }
        None => quote!(#name),
    })
}

fn element(element: &NodeElement<Infallible>) -> TokenStream {
    let tag = element.open_tag.name.to_string();
    let drawn = DRAWN.contains(&tag.as_str());
    if !element.children.is_empty()
        && let Some(text) = inert::text(&Node::Element(element.clone()))
    {
        return quote!(crate::dom::inert(#text, #drawn));
    }
    let fixed = element.attributes().iter().filter_map(inert::fixed);
    let fixed: Vec<TokenStream> = fixed.map(|(name, value)| quote!((#name, #value))).collect();
    let attributes = element.attributes().iter().filter(|attribute| inert::fixed(attribute).is_none());
    let attributes: Vec<TokenStream> = attributes.map(attribute).collect();
    let children: Vec<TokenStream> = element.children.iter().filter_map(node).collect();
    quote! {{
        let element = crate::dom::element(#tag, #drawn, &[#(#fixed),*]);
        #(#attributes)*
        #(crate::dom::append(&element, #children);)*
        crate::dom::Markup::Node(element.into())
    }}
}

fn attribute(attribute: &NodeAttribute) -> TokenStream {
    let NodeAttribute::Attribute(attribute) = attribute else {
        return quote!(::std::compile_error!("an attribute has a name"););
    };
    let name = attribute.key.to_string();
    let value = value(attribute);
    match name.split_once(':') {
        None if name == "node_ref" => quote!(crate::dom::refer(&element, #value);),
        None => quote!(crate::dom::attribute(&element, #name, crate::dom::IntoValue::into_value(#value));),
        Some(("class", class)) => {
            quote!(crate::dom::class(&element, #class, crate::dom::IntoFlag::into_flag(#value));)
        }
        Some(("style", style)) => {
            quote!(crate::dom::style(&element, #style, crate::dom::IntoValue::into_value(#value));)
        }
        Some(("prop", property)) => quote!(crate::dom::property(&element, #property, #value);),
        Some(("on", event)) => {
            let of = event_type(event);
            quote!(crate::dom::on::<::leptos::ev::#of, _>(&element, #event, #value);)
        }
        Some(_) => {
            let message = format!("`{name}` is no kind of attribute");
            quote!(::std::compile_error!(#message);)
        }
    }
}

fn value(attribute: &KeyedAttribute) -> TokenStream {
    match attribute.value() {
        Some(Expr::Block(braced)) => value_of(&NodeBlock::ValidBlock(braced.block.clone())),
        Some(value) => value.to_token_stream(),
        None => quote!(true),
    }
}

fn event_type(event: &str) -> proc_macro2::Ident {
    let of = match event {
        "click" => "MouseEvent",
        "keydown" | "keyup" => "KeyboardEvent",
        "wheel" => "WheelEvent",
        "submit" => "SubmitEvent",
        "blur" | "focus" => "FocusEvent",
        pointer if pointer.starts_with("pointer") => "PointerEvent",
        _ => "Event",
    };
    format_ident!("{of}")
}
