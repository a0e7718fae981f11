//! The schemas that the derives make, in the form in which the document has them.
//!
//! A derive does not know some of what serde does. So here: what may be absent is never null; flattened structs are one object;
//! an enum with a tag is one schema for each variant; names of numbers and texts are these numbers and texts.

use std::collections::{BTreeMap, BTreeSet};

use orrery_cache::VALUE_BYTES_MAX;
use orrery_lock::Mode;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::names::{aliases, taken};
use crate::lock::{STATUS_LIMIT_MAX, TTL_DEFAULT, WAIT_DEFAULT};
use crate::queue::{LIMIT_DEFAULT, MESSAGE_BYTES_MAX, MESSAGE_IDS_MAX, VISIBILITY_DEFAULT};
use crate::session::SESSION_TTL_DEFAULT;

/// What comments of fields name, and their readers want to know.
const CONSTANTS: [(&str, u64); 9] = [
    ("LIMIT_DEFAULT", LIMIT_DEFAULT.get()),
    ("MESSAGE_BYTES_MAX", MESSAGE_BYTES_MAX),
    ("MESSAGE_IDS_MAX", MESSAGE_IDS_MAX as u64),
    ("SESSION_TTL_DEFAULT", SESSION_TTL_DEFAULT.get()),
    ("STATUS_LIMIT_MAX", STATUS_LIMIT_MAX as u64),
    ("TTL_DEFAULT", TTL_DEFAULT.get()),
    ("VALUE_BYTES_MAX", VALUE_BYTES_MAX as u64),
    ("VISIBILITY_DEFAULT", VISIBILITY_DEFAULT.get()),
    ("WAIT_DEFAULT", WAIT_DEFAULT.get()),
];

/// No schemas of their own: numbers and texts under the names that Rust has for them, and any JSON.
const INLINE: [&str; 7] = ["JsonText", "String", "bool", "u16", "u32", "u64", "Value"];

/// How a lock is wanted: more words than an answer uses.
const MODE_TAKEN: &str = "ModeIn";

const PLACE: &str = "#/components/schemas/";

/// Schemas by name, and which of them are asked for from outside.
#[derive(Default)]
pub struct Schemas {
    known: BTreeMap<String, Value>,
    roots: BTreeSet<String>,
}

impl Schemas {
    /// The schema of a query string.
    pub fn request<Q: DeserializeOwned + ToSchema>(&mut self) -> Value {
        let name = self.gather::<Q>();
        self.name_aliases::<Q>(&name);
        let schema = self.tidy(&self.known[&name]);
        self.roots.extend(references(&schema));
        schema
    }

    /// The schema of a body of a request.
    pub fn body<B: DeserializeOwned + ToSchema>(&mut self) -> Value {
        let name = self.gather::<B>();
        self.name_aliases::<B>(&name);
        self.root(name)
    }

    /// The schema of an answer; of an enum with a tag that of the variant with this tag.
    pub fn answer<A: ToSchema>(&mut self, word: &str) -> Value {
        let name = self.gather::<A>();
        let tagged = |variant: &&Value| variant["properties"]["status"]["enum"] == json!([word]);
        let variant = self.known[&name]["oneOf"].as_array().and_then(|all| all.iter().find(tagged)).cloned();
        let Some(variant) = variant else { return self.root(name) };
        let of = format!("{}{}", name.trim_end_matches("Answer"), pascal(word));
        self.known.insert(of.clone(), variant);
        self.root(of)
    }

    fn root(&mut self, name: String) -> Value {
        let schema = json!({ "$ref": format!("{PLACE}{name}") });
        self.roots.insert(name);
        schema
    }

    fn gather<T: ToSchema>(&mut self) -> String {
        let mut found = Vec::new();
        T::schemas(&mut found);
        found.push((T::name().into_owned(), T::schema()));
        for (name, schema) in found {
            let schema = serde_json::to_value(schema).expect("a schema is JSON");
            self.insert(name, schema);
        }
        T::name().into_owned()
    }

    /// # Panics
    /// Where two types have one name.
    fn insert(&mut self, name: String, schema: Value) {
        match self.known.get(&name) {
            // With its aliases it is known already, or it is the same.
            Some(known) => {
                let same = known["description"] == schema["description"] && known["type"] == schema["type"];
                assert!(same, "two types are called {name}");
            }
            None => drop(self.known.insert(name, schema)),
        }
    }

    fn name_aliases<T: DeserializeOwned>(&mut self, name: &str) {
        let schema = self.known.get_mut(name).expect("it was gathered");
        let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
        for (field, names) in aliases::<T>() {
            fields.get_mut(&field).expect("a field of serde is one of the derive")["x-aliases"] =
                json!(names);
        }
        let mode = format!("{PLACE}Mode");
        if let Some(field) = fields.get_mut("mode").filter(|field| field["$ref"] == mode) {
            field["$ref"] = format!("{PLACE}{MODE_TAKEN}").into();
            let text = "How a lock is wanted. X, x, EXCLUSIVE, Exclusive, write and S, s, SHARED, Shared, read mean the same.";
            let taken = json!({ "type": "string", "description": text, "enum": taken::<Mode>() });
            self.known.insert(MODE_TAKEN.into(), taken);
        }
    }

    /// Those of another call, too.
    pub fn add(&mut self, more: Schemas) {
        for (name, schema) in more.known {
            self.insert(name, schema);
        }
        self.roots.extend(more.roots);
    }

    /// What is needed, tidied.
    pub fn finish(self) -> Value {
        let mut done: Map<String, Value> = Map::new();
        let mut open = self.roots.clone();
        while let Some(name) = open.pop_first() {
            if done.contains_key(&name) {
                continue;
            }
            let schema = self.tidy(&self.known[&name]);
            open.extend(references(&schema));
            done.insert(name, schema);
        }
        done.into()
    }

    fn tidy(&self, schema: &Value) -> Value {
        match schema {
            Value::Object(fields) => self.tidy_object(fields),
            Value::Array(items) => items.iter().map(|item| self.tidy(item)).collect(),
            plain => plain.clone(),
        }
    }

    fn tidy_object(&self, fields: &Map<String, Value>) -> Value {
        if let Some(parts) = fields.get("allOf").and_then(Value::as_array) {
            return self.flatten(fields, parts);
        }
        let named = fields.get("$ref").and_then(Value::as_str).and_then(|at| at.strip_prefix(PLACE));
        if let Some(name) = named.filter(|name| INLINE.contains(name)) {
            let mut inline = if name == "JsonText" { json!({}) } else { self.tidy(&self.known[name]) };
            let kept = fields.iter().filter(|(key, _)| *key != "$ref");
            kept.for_each(|(key, value)| inline[key] = value.clone());
            return self.tidy(&inline);
        }
        if let Some(choice) = fields.get("oneOf").and_then(Value::as_array).filter(|all| is_optional(all)) {
            return self.or_null(fields, choice);
        }
        let mut tidied = Map::new();
        for (key, value) in fields {
            let value = match (key.as_str(), value) {
                ("description", Value::String(text)) => plain(text).into(),
                ("properties", Value::Object(all)) => self.properties(fields, all),
                ("enum" | "required" | "x-aliases" | "example" | "examples" | "default", value) => {
                    value.clone()
                }
                (_, value) => self.tidy(value),
            };
            tidied.insert(key.clone(), value);
        }
        if tidied.contains_key("properties") {
            tidied.insert("additionalProperties".into(), false.into());
        }
        tidied.into()
    }

    fn properties(&self, of: &Map<String, Value>, all: &Map<String, Value>) -> Value {
        let required = of.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let tidied = all.iter().map(|(name, schema)| {
            let schema = self.tidy(schema);
            let there = required.contains(&json!(name));
            (name.clone(), if there { schema } else { never_null(schema) })
        });
        tidied.collect::<Map<_, _>>().into()
    }

    /// A value or null. Any value is null, too.
    fn or_null(&self, fields: &Map<String, Value>, choice: &[Value]) -> Value {
        let value = choice.iter().find(|one| one["type"] != "null").expect("it has two");
        let mut value = self.tidy(value);
        let rest: Map<String, Value> = fields
            .iter()
            .filter(|(key, _)| *key != "oneOf")
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let Value::Object(mut rest) = self.tidy(&rest.into()) else { return value };
        if let Some(text) = value.as_object_mut().and_then(|value| value.remove("description")) {
            rest.entry("description").or_insert(text);
        }
        match value["type"].as_str() {
            Some(kind) => value["type"] = json!([kind, "null"]),
            None if value.get("$ref").is_some() => value = json!({ "oneOf": [value, { "type": "null" }] }),
            None => {}
        }
        rest.into_iter().for_each(|(key, field)| value[key] = field);
        value
    }

    /// One object of several: their fields together.
    fn flatten(&self, fields: &Map<String, Value>, parts: &[Value]) -> Value {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for part in parts {
            let of =
                part["$ref"].as_str().and_then(|at| at.strip_prefix(PLACE)).map(|name| &self.known[name]);
            let part = self.tidy(of.unwrap_or(part));
            properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
            required.extend(part["required"].as_array().cloned().unwrap_or_default());
        }
        let mut whole = json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
        });
        if let Some(Value::String(text)) = fields.get("description") {
            whole["description"] = plain(text).into();
        }
        whole
    }
}

fn is_optional(choices: &[Value]) -> bool {
    choices.len() == 2 && choices.iter().filter(|one| one["type"] == "null").count() == 1
}

/// Of a field that may be absent.
fn never_null(mut schema: Value) -> Value {
    let null = json!("null");
    if let Some(kinds) = schema["type"].as_array() {
        let kinds: Vec<Value> = kinds.iter().filter(|kind| **kind != null).cloned().collect();
        schema["type"] = if kinds.len() == 1 { kinds[0].clone() } else { kinds.into() };
    }
    let Some(choices) = schema["oneOf"].as_array().filter(|all| is_optional(all)) else { return schema };
    let mut value = choices.iter().find(|one| one["type"] != null).cloned().expect("it has two");
    let rest = schema.as_object().into_iter().flatten().filter(|(key, _)| *key != "oneOf");
    rest.for_each(|(key, field)| value[key] = field.clone());
    value
}

fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| match value.as_str().and_then(|at| at.strip_prefix(PLACE)) {
                Some(name) if key == "$ref" => vec![name.to_owned()],
                _ => references(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// A comment as readers of the document want it: constants are their values, links are names, paragraphs are lines.
///
/// # Panics
/// Where a constant is not in the table.
fn plain(comment: &str) -> String {
    let mut text = String::new();
    let mut rest = comment;
    while let Some((before, (name, after))) =
        rest.split_once("[`").and_then(|(before, link)| Some((before, link.split_once("`]")?)))
    {
        text.push_str(before);
        let name = name.rsplit("::").next().unwrap_or(name);
        let constant = name.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_');
        let value = CONSTANTS.iter().find(|(known, _)| *known == name);
        match value {
            Some((_, value)) => text.push_str(&value.to_string()),
            None => {
                assert!(!constant, "{name} is not in the table of constants");
                text.push_str(&format!("`{name}`"));
            }
        }
        rest = after;
    }
    text.push_str(rest);
    let paragraphs = text.split("\n\n").map(|lines| lines.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

fn pascal(word: &str) -> String {
    let capital = |part: &str| {
        let (first, rest) = part.split_at(1);
        first.to_ascii_uppercase() + rest
    };
    word.split('_').map(capital).collect()
}
