//! Elements of the page: what `view!` calls.
//!
//! Leptos' own elements are generic in everything that they hold, and a browser downloads a copy of their code for
//! each. Here there is one kind of element, of value and of markup; what changes is followed by an effect of the same
//! reactive system. An effect lives as long as the owner in which it was made: whoever draws something anew lets go
//! of what was drawn before.

mod keyed;
mod markup;
mod pointer;
mod signal;
mod value;

use leptos::prelude::*;
use leptos::tachys::html::node_ref::NodeRefContainer;
use reactive::effect::RenderEffect;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, Event, HtmlElement, HtmlTemplateElement};

use pointer::{Call, Take};

pub use keyed::{Item, item, keyed, list};
pub use markup::{IntoMarkup, Markup, append};
pub use orrery_view::{component, view};
pub use signal::{Memo, ReadSignal, RwSignal};
pub use value::{Flag, IntoFlag, IntoValue, Value};

use leptos::reactive;

const DRAWINGS: &str = "http://www.w3.org/2000/svg";

/// Adds what is drawn to the document's body, for as long as the page lives.
pub fn mount(draw: impl FnOnce() -> Markup + 'static) {
    // Leptos starts its executor and gives an owner; there is nothing that it has to draw.
    leptos::mount::mount_to_body(move || {
        if let Some(body) = document().body() {
            append(&body, draw());
        }
    });
}

/// An element with the attributes that never change.
pub fn element(tag: &'static str, drawn: bool, fixed: &[(&'static str, &'static str)]) -> Element {
    let document = document();
    let made =
        if drawn { document.create_element_ns(Some(DRAWINGS), tag) } else { document.create_element(tag) };
    let element = made.expect("every tag is a name of an element");
    for (name, value) in fixed {
        set(&element, name, Some(value));
    }
    element
}

/// Markup in which nothing changes.
pub fn inert(text: &'static str, drawn: bool) -> Markup {
    let template: HtmlTemplateElement = element("template", false, &[]).unchecked_into();
    if drawn {
        template.set_inner_html(&["<svg>", text, "</svg>"].concat());
    } else {
        template.set_inner_html(text);
    }
    let mut first = template.content().first_child();
    if drawn {
        first = first.and_then(|wrapper| wrapper.first_child());
    }
    first.map_or(Markup::Nothing, Markup::Node)
}

pub fn attribute(element: &Element, name: &'static str, value: Value) {
    let element = element.clone();
    follow_value(value, move |value| set(&element, name, value));
}

/// A property of the inline style.
pub fn style(element: &Element, name: &'static str, value: Value) {
    let style = element.unchecked_ref::<HtmlElement>().style();
    follow_value(value, move |value| {
        let _ = style.set_property(name, value.unwrap_or_default());
    });
}

/// A class that is there or not.
pub fn class(element: &Element, name: &'static str, flag: Flag) {
    let classes = element.class_list();
    let put = move |on: bool| {
        let _ = if on { classes.add_1(name) } else { classes.remove_1(name) };
    };
    match flag {
        Flag::Fixed(on) => put(on),
        Flag::Live(mut flag) => {
            let mut last = None;
            follow(Box::new(move || {
                let on = flag.call();
                if last.replace(on) != Some(on) {
                    put(on);
                }
            }));
        }
    }
}

/// A property of the element itself.
pub fn property<T: Into<JsValue>>(element: &Element, name: &'static str, value: impl Fn() -> T + 'static) {
    let element = element.clone();
    follow(Box::new(move || {
        let _ = js_sys::Reflect::set(&element, &JsValue::from_str(name), &value().into());
    }));
}

/// Calls `handler` at every event of this name.
pub fn on<E: JsCast + 'static, F: FnMut(E) + 'static>(element: &Element, name: &'static str, mut handler: F) {
    listen(element, name, Box::new(move |event: Event| handler(event.unchecked_into())));
}

fn listen(element: &Element, name: &'static str, mut handler: Box<dyn Take<Event>>) {
    let handler: Box<dyn FnMut(Event)> = Box::new(move |event| handler.take(event));
    // The browser lets go of it together with the element.
    let handler = Closure::wrap(handler).into_js_value();
    let _ = element.add_event_listener_with_callback(name, handler.unchecked_ref());
}

/// Lets a reference point to the element.
pub fn refer<E>(element: &Element, reference: NodeRef<E>)
where
    NodeRef<E>: NodeRefContainer<E>,
    E: leptos::html::ElementType,
{
    reference.load(element);
}

/// Puts a value where it belongs.
type Put = Box<dyn Fn(Option<&str>)>;

/// Does something after the page is drawn, and again whenever what it read has changed. Leptos' own effects are compiled
/// for each closure.
pub fn effect(act: impl FnMut() + 'static) {
    let mut act: Box<dyn Call<()>> = Box::new(act);
    Effect::new(move || act.call());
}

/// Does something now, and again whenever what it read has changed.
fn follow(mut act: Box<dyn Call<()>>) {
    let effect: RenderEffect<()> = RenderEffect::new(move |_: Option<()>| act.call());
    StoredValue::new_local(effect);
}

fn follow_value(value: Value, put: impl Fn(Option<&str>) + 'static) {
    match value {
        Value::Absent => {}
        Value::Text(words) => put(Some(&words)),
        Value::Live(mut value) => {
            let put: Put = Box::new(put);
            let mut last = None;
            follow(Box::new(move || {
                let words = value.call();
                if last.as_ref() != Some(&words) {
                    put(words.as_deref());
                    last = Some(words);
                }
            }));
        }
    }
}

fn set(element: &Element, name: &str, value: Option<&str>) {
    // Only a name that is no attribute name can fail here.
    let _ = match value {
        Some(value) => element.set_attribute(name, value),
        None => element.remove_attribute(name),
    };
}
