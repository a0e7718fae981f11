//! What placement comes to in WebAssembly, for whoever wants to hold it against a node's `GET /ring?key=`: the page's own
//! ring, of the members that its streams named, asked from the browser's console or by a test.

use leptos::prelude::window;
use orrery_shared::placement::{Outcome, partition_hash};
use wasm_bindgen::closure::Closure;

use crate::look::ring::placement;
use crate::store::Playback;

/// Gives the window a function `orreryWalk(topic, key)`: hash, shard and token, then each step of the walk (its token,
/// the node and the number of its virtual node, the first letter of what became of it), all with blanks between them.
/// Nothing without shards.
pub fn offer(playback: Playback) {
    let told = Closure::<dyn Fn(String, String) -> String>::new(move |topic: String, key: String| {
        playback.view.with_untracked(|view| {
            let hash = partition_hash(&topic, &key);
            let Some(walk) = placement(&view.ring).walk(&view.ring.ring, hash) else { return String::new() };
            let mut words = vec![walk.hash.to_string(), walk.shard.0.to_string(), walk.token.to_string()];
            for step in &walk.steps {
                let letter = match step.outcome {
                    Outcome::Leader => "l",
                    Outcome::Replica => "r",
                    Outcome::Skipped => "s",
                    Outcome::Duplicate => "d",
                    Outcome::Newer => "n",
                };
                words.extend([
                    step.token.to_string(),
                    step.node.to_string(),
                    step.n.to_string(),
                    letter.to_owned(),
                ]);
            }
            words.join(" ")
        })
    });
    // A window that takes no property is one that nobody asks.
    let _ = js_sys::Reflect::set(&window(), &"orreryWalk".into(), &told.into_js_value());
}
