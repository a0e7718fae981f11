//! The bodies of server functions as streams, for a page that calls none.
//!
//! Leptos links its server functions into every page. The crate of this name on crates.io gives the browser objects
//! that feed such streams, and what is given to the browser stays in the module, called or not: 15 KB of it. So the
//! workspace puts this one in its place (`[patch.crates-io]`). It has what leptos names, and nothing comes through it.

use futures_util::stream::{Empty, empty};
use wasm_bindgen::JsValue;

/// A stream of the browser.
#[derive(Debug)]
pub struct ReadableStream(web_sys::ReadableStream);

impl ReadableStream {
    /// Of one that the browser has.
    pub fn from_raw(raw: web_sys::ReadableStream) -> Self {
        ReadableStream(raw)
    }

    /// Of items that Rust makes: an empty one.
    ///
    /// # Panics
    /// In a browser without streams.
    pub fn from_stream<S>(_: S) -> Self {
        ReadableStream(web_sys::ReadableStream::new().expect("every browser with WebAssembly has streams"))
    }

    /// What the browser has.
    pub fn into_raw(self) -> web_sys::ReadableStream {
        self.0
    }

    /// Its items: none.
    pub fn into_stream(self) -> Empty<Result<JsValue, JsValue>> {
        empty()
    }
}
