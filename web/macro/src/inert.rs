//! Markup that never changes, as text.

use rstml::node::{Infallible, Node, NodeAttribute, NodeElement};
use syn::{Expr, Lit};

/// The text of a node and everything in it; none where something in it is not known before it runs.
pub fn text(node: &Node) -> Option<String> {
    match node {
        Node::Element(element) => element_text(element),
        Node::Text(words) => Some(escaped(&words.value_string())),
        _ => None,
    }
}

/// Name and value of an attribute that is a literal. A name alone is there without a value.
pub fn fixed(attribute: &NodeAttribute) -> Option<(String, String)> {
    let NodeAttribute::Attribute(attribute) = attribute else { return None };
    let name = attribute.key.to_string();
    if name.contains(':') || name == "node_ref" {
        return None;
    }
    let value = match attribute.value() {
        None => String::new(),
        Some(Expr::Lit(literal)) => match &literal.lit {
            Lit::Str(words) => words.value(),
            Lit::Int(number) => number.base10_digits().to_owned(),
            Lit::Float(number) => number.base10_digits().to_owned(),
            _ => return None,
        },
        Some(_) => return None,
    };
    Some((name, value))
}

fn element_text(element: &NodeElement<Infallible>) -> Option<String> {
    let tag = element.open_tag.name.to_string();
    if tag.starts_with(char::is_uppercase) || tag.contains(':') {
        return None;
    }
    let mut text = format!("<{tag}");
    for attribute in element.attributes() {
        let (name, value) = fixed(attribute)?;
        text.push_str(&format!(" {name}=\"{}\"", escaped(&value)));
    }
    text.push('>');
    for child in &element.children {
        text.push_str(&self::text(child)?);
    }
    if tag != "input" {
        text.push_str(&format!("</{tag}>"));
    }
    Some(text)
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
