//! One stream: connect, read, break, wait, connect again.

use std::cell::RefCell;
use std::rc::Rc;

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use gloo_net::websocket::Message;
use gloo_net::websocket::futures::WebSocket;
use leptos::task::spawn_local;
use orrery_base::ids::NodeName;
use orrery_event::stream::{Frame, STREAM_VERSION};
use wasm_bindgen_futures::JsFuture;

use super::Streams;
use super::address::backoff_ms;

/// A connection that brings nothing for this long (not even a beat) is given up, at most as long again later.
const STUCK_MS: u32 = 10_000;
/// How often a page that nobody looks at asks whether somebody does again.
const UNWANTED_MS: u32 = 500;

/// How often it is looked whether a source that is not there came back.
const ABSENT_MS: u32 = 100;

/// How a connection ended.
enum End {
    /// It brought frames.
    Broke,
    /// It brought none.
    Failed,
    /// Another task has this source.
    Double,
    /// The other side speaks another version.
    Foreign,
}

/// Runs a source's task. A source without a name is named by its hello.
pub(super) fn spawn(streams: Streams, source: Option<NodeName>, address: Rc<RefCell<String>>) {
    spawn_local(async move {
        let mut source = source;
        let mut tries = 0_u32;
        while !streams.inner.closed.get() {
            if !streams.inner.sink.wanted() {
                sleep_ms(UNWANTED_MS).await;
                continue;
            }
            if let Some(source) = source.as_ref().filter(|source| streams.inner.sink.left(source)) {
                streams.release(source);
                return;
            }
            if source.as_ref().is_some_and(|source| !streams.inner.sink.there(source)) {
                tries = 0;
                sleep_ms(ABSENT_MS).await;
                continue;
            }
            let at = address.borrow().clone();
            let end = connect(&streams, &mut source, &at).await;
            if let Some(source) = &source {
                streams.inner.sink.closed(source);
            }
            match end {
                End::Broke => tries = 0,
                End::Failed => tries = tries.saturating_add(1),
                End::Double => return,
                End::Foreign => tries = u32::MAX,
            }
            sleep_ms(backoff_ms(tries, js_sys::Math::random())).await;
        }
    });
}

async fn connect(streams: &Streams, source: &mut Option<NodeName>, address: &str) -> End {
    let sink = &streams.inner.sink;
    let cursor = source.as_ref().and_then(|source| sink.cursor(source));
    let url = streams.inner.place.stream_url(address, cursor);
    let Ok(mut socket) = WebSocket::open(&url) else { return End::Failed };
    let mut end = End::Failed;
    let mut watchdog = Box::pin(sleep_ms(STUCK_MS));
    let mut heard = false;
    loop {
        let message = match select(socket.next(), watchdog.as_mut()).await {
            Either::Left((Some(Ok(message)), _)) => message,
            Either::Right(_) if heard => {
                heard = false;
                watchdog.set(sleep_ms(STUCK_MS));
                continue;
            }
            Either::Left(_) | Either::Right(_) => return end,
        };
        heard = true;
        let Some(frame) = decode(&message) else { return End::Foreign };
        if let Frame::Hello(hello) = &frame {
            if hello.version != STREAM_VERSION {
                return End::Foreign;
            }
            // Its own name is taken before its members are opened, so that it is not opened twice.
            if source.is_none() && !streams.claim(&hello.node, address) {
                return End::Double;
            }
            let name = source.get_or_insert_with(|| hello.node.clone());
            if *name != hello.node {
                return End::Foreign;
            }
            streams.open_members(&hello.members);
            end = End::Broke;
        }
        let Some(source) = source.as_ref() else { return End::Foreign };
        sink.frame(source, frame);
        if streams.inner.closed.get() || !sink.wanted() || sink.wants_snapshot(source) || sink.left(source) {
            return end;
        }
    }
}

/// The page asks for postcard and carries no decoder for frames in JSON.
fn decode(message: &Message) -> Option<Frame> {
    match message {
        Message::Bytes(bytes) => postcard::from_bytes(bytes).ok(),
        Message::Text(_) => None,
    }
}

/// Waits. Never fails: a browser without timers has no page either.
async fn sleep_ms(ms: u32) {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        if let Some(window) = web_sys::window() {
            let ms = i32::try_from(ms).unwrap_or(i32::MAX);
            let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, ms);
        }
    });
    let _ = JsFuture::from(promise).await;
}
