//! JSON, which the browser reads and writes anyway: a reader of the page's own brings a table of ten kilobytes for
//! fractions alone. Where there is no browser (the tests), it is `serde_json`.

use smol_str::SmolStr;

#[cfg(not(target_arch = "wasm32"))]
use native::Inner;
#[cfg(target_arch = "wasm32")]
use wasm::Inner;

/// A value; null where there is none.
#[derive(Clone, Debug)]
pub struct Json(Inner);

impl Json {
    /// Reads a text; none where it is no JSON.
    pub fn parse(text: &str) -> Option<Json> {
        Inner::parse(text).map(Json)
    }

    /// What an object has under this name.
    pub fn get(&self, field: &str) -> Json {
        Json(self.0.get(field))
    }

    /// The words of a string.
    pub fn text(&self) -> Option<SmolStr> {
        self.0.text()
    }

    /// The same of an object's field.
    pub fn text_of(&self, field: &str) -> Option<SmolStr> {
        self.get(field).text()
    }

    /// A whole number; above 2^53 the browser knows only one nearby.
    pub fn number_of(&self, field: &str) -> Option<u64> {
        self.0.get(field).number()
    }

    pub fn flag_of(&self, field: &str) -> Option<bool> {
        self.0.get(field).flag()
    }

    /// What is in an array.
    pub fn items_of(&self, field: &str) -> Option<Vec<Json>> {
        Some(self.0.get(field).items()?.into_iter().map(Json).collect())
    }

    /// The value as JSON text.
    pub fn written(&self) -> String {
        self.0.written()
    }
}

/// Words as a JSON string.
pub fn quoted(words: &str) -> String {
    Inner::quoted(words)
}

/// What somebody typed: JSON as it is, anything else as a string.
pub fn typed(text: &str) -> String {
    if Json::parse(text).is_some() { text.to_owned() } else { quoted(text) }
}

/// An object. The values are JSON text already.
pub fn object(fields: &[(&str, String)]) -> String {
    let mut text = "{".to_owned();
    for (number, (name, value)) in fields.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        text.push('"');
        text.push_str(name);
        text.push_str("\":");
        text.push_str(value);
    }
    text.push('}');
    text
}

#[cfg(target_arch = "wasm32")]
mod wasm {
    use js_sys::{Array, JSON, Reflect};
    use smol_str::SmolStr;
    use wasm_bindgen::{JsCast, JsValue};

    #[derive(Clone, Debug)]
    pub(super) struct Inner(JsValue);

    impl Inner {
        pub fn parse(text: &str) -> Option<Inner> {
            JSON::parse(text).ok().map(Inner)
        }

        pub fn get(&self, field: &str) -> Inner {
            // What is no object has no fields.
            Inner(Reflect::get(&self.0, &JsValue::from_str(field)).unwrap_or(JsValue::NULL))
        }

        pub fn text(&self) -> Option<SmolStr> {
            self.0.as_string().map(SmolStr::from)
        }

        pub fn number(&self) -> Option<u64> {
            let number = self.0.as_f64().filter(|number| *number >= 0.0 && number.fract() == 0.0);
            number.map(|number| number as u64)
        }

        pub fn flag(&self) -> Option<bool> {
            self.0.as_bool()
        }

        pub fn items(&self) -> Option<Vec<Inner>> {
            let array = self.0.dyn_ref::<Array>()?;
            Some((0..array.length()).map(|place| Inner(array.get(place))).collect())
        }

        pub fn written(&self) -> String {
            JSON::stringify(&self.0).map(String::from).unwrap_or_default()
        }

        pub fn quoted(words: &str) -> String {
            Inner(JsValue::from_str(words)).written()
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use serde_json::Value;
    use smol_str::SmolStr;

    #[derive(Clone, Debug)]
    pub(super) struct Inner(Value);

    impl Inner {
        pub fn parse(text: &str) -> Option<Inner> {
            serde_json::from_str(text).ok().map(Inner)
        }

        pub fn get(&self, field: &str) -> Inner {
            Inner(self.0.get(field).cloned().unwrap_or_default())
        }

        pub fn text(&self) -> Option<SmolStr> {
            self.0.as_str().map(SmolStr::from)
        }

        pub fn number(&self) -> Option<u64> {
            self.0.as_u64()
        }

        pub fn flag(&self) -> Option<bool> {
            self.0.as_bool()
        }

        pub fn items(&self) -> Option<Vec<Inner>> {
            Some(self.0.as_array()?.iter().cloned().map(Inner).collect())
        }

        pub fn written(&self) -> String {
            self.0.to_string()
        }

        pub fn quoted(words: &str) -> String {
            Value::from(words).to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_json_or_words() {
        for (text, json) in
            [("900", "900"), ("{\"n\":1}", "{\"n\":1}"), ("two \"words\"", "\"two \\\"words\\\"\"")]
        {
            assert_eq!(typed(text), json);
        }
    }

    #[test]
    fn an_object_has_its_fields() {
        let text = object(&[("a", quoted("x\ny")), ("b", "7".to_owned()), ("c", "[true,null]".to_owned())]);
        let read = Json::parse(&text).unwrap();
        assert_eq!((read.text_of("a").as_deref(), read.number_of("b")), (Some("x\ny"), Some(7)));
        assert_eq!(read.items_of("c").map(|items| items.len()), Some(2));
        assert_eq!(
            (read.text_of("b"), read.number_of("d"), read.get("e").written()),
            (None, None, "null".into())
        );
        assert_eq!(object(&[]), "{}");
        assert!(Json::parse("<html>").is_none());
    }
}
