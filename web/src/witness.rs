//! What placement comes to in WebAssembly, for whoever wants to hold it against a node's `GET /ring?key=`: the page's own
//! ring, of the members that its streams named, asked from the browser's console or by a test.

use leptos::prelude::{WithUntracked as _, window};
use orrery_placement::partition_hash;
use wasm_bindgen::closure::Closure;

use crate::look::ring::placement;
use crate::store::Playback;

/// Gives the window a function `orreryWalk(topic, key)`: the words of the key's walk; nothing without shards.
pub fn offer(playback: Playback) {
    let told = Closure::<dyn Fn(String, String) -> String>::new(move |topic: String, key: String| {
        playback.view.with_untracked(|view| {
            let hash = partition_hash(&topic, &key);
            let walk = placement(&view.ring).walk(&view.ring.ring, hash);
            walk.map(|walk| walk.words()).unwrap_or_default()
        })
    });
    // A window that takes no property is one that nobody asks.
    let _ = js_sys::Reflect::set(&window(), &"orreryWalk".into(), &told.into_js_value());
}
