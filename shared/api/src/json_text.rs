//! JSON that is kept as its text: a message, a cached value.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Any JSON value, kept as the text that the client sent: numbers keep all of their digits, objects their order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = serde_json::Value))]
#[serde(transparent)]
pub struct JsonText(Box<RawValue>);

impl JsonText {
    /// Checks that the text is one JSON value.
    ///
    /// # Errors
    /// What is not JSON about it.
    pub fn new(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(JsonText)
    }

    /// The text, without white space around it.
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for JsonText {}
