//! Requests to nodes and to the supervisor: typed bodies, a time-out each, an idempotency key on every mutation.

pub mod answer;
pub mod cache;
pub mod lock;
pub mod queue;

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use gloo_net::http::Request;
use leptos::prelude::*;
use orrery_api::fault::{FaultSet, LinkFault};
use orrery_api::node::TransferLeader;
use orrery_api::queue::JsonText;
use orrery_api::request::Request as ServiceRequest;
use orrery_base::error::ApiError;
use orrery_base::fault::Fault;
use orrery_base::ids::NodeName;
use orrery_base::valid::Name;
use orrery_projection::view::View;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::look::Status;
use crate::net::address::Place;

/// How long the supervisor may take to kill, start, pause or resume.
const PROCESS_TIMEOUT_MS: u64 = 10_000;

/// How long the nodes may take to break or heal links.
const FAULT_TIMEOUT_MS: u64 = 6_000;

/// A process operation of the supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessAction {
    /// SIGKILL.
    Kill,
    Start,
    /// SIGSTOP.
    Pause,
    /// SIGCONT.
    Resume,
}

impl ProcessAction {
    pub const ALL: [ProcessAction; 4] =
        [ProcessAction::Kill, ProcessAction::Start, ProcessAction::Pause, ProcessAction::Resume];

    /// Last part of its path, and of ids.
    pub fn name(self) -> &'static str {
        match self {
            ProcessAction::Kill => "kill",
            ProcessAction::Start => "start",
            ProcessAction::Pause => "pause",
            ProcessAction::Resume => "resume",
        }
    }

    /// Whether it makes sense for a process in this status.
    pub fn fits(self, status: Status) -> bool {
        match self {
            ProcessAction::Kill => status != Status::Down,
            ProcessAction::Start => status == Status::Down,
            ProcessAction::Pause => !matches!(status, Status::Down | Status::Paused),
            ProcessAction::Resume => status == Status::Paused,
        }
    }
}

/// How a request failed.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The server answered with an error.
    Refused { status: u16, error: ApiError },
    /// No answer: not reachable, or not in time. Whether it was carried out is unknown.
    NoAnswer,
    /// The answer was not understood.
    Garbled { status: u16 },
}

/// What a text says in JSON; none where it says something else.
pub fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// A body as JSON text.
pub fn written<T: Serialize>(body: &T) -> String {
    serde_json::to_string(body).expect("a body has no map whose keys are no strings")
}

/// A request as it goes out: where to, and with what body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    pub path: &'static str,
    pub body: String,
}

/// A request of a service, written as the nodes read it.
pub fn prepared<R: ServiceRequest + Serialize>(request: &R) -> Prepared {
    Prepared { path: R::OPERATION.path(), body: written(request) }
}

/// What is refused here, because no node would take it.
pub fn refused_here(error: ApiError) -> Failure {
    Failure::Refused { status: error.code.status(), error }
}

/// What somebody typed: JSON as it is, anything else as a string.
pub fn typed(text: &str) -> JsonText {
    let json = JsonText::new(text.to_owned());
    json.or_else(|_| JsonText::new(written(&text))).expect("a string is JSON")
}

/// An answer with its HTTP status.
pub type Answered<T> = Result<(u16, T), Failure>;

/// A key that no other request has: a page's own random part and a number.
pub fn new_key() -> String {
    key_after("page-")
}

fn key_after(begin: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    static PAGE: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    let page = PAGE.get_or_init(|| (js_sys::Math::random() * 2f64.powi(48)) as u64);
    format!("{begin}{page:012x}/{}", NUMBER.fetch_add(1, Ordering::Relaxed) + 1)
}

/// The same for what carries no other name of who asks: the client's, where a header can say it, is in front.
pub fn new_key_of(client: &str) -> String {
    let plain = !client.is_empty() && client.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain { key_after(&[client, "@"].concat()) } else { new_key() }
}

/// Who asks, in a name that a key carried.
pub fn client_of(name: &str) -> &str {
    name.split_once('@').map_or(name, |(client, _)| client)
}

/// `http://host:port` of a node.
pub fn base(view: &View, node: &NodeName) -> Option<String> {
    let address = view.node(node).map(|node| node.address.as_str()).filter(|address| !address.is_empty())?;
    let all = view.nodes.values().map(|node| node.address.as_str());
    let place = Place::here()?;
    let scheme = if place.secure { "https://" } else { "http://" };
    Some([scheme, &place.address_of(address, all.collect::<Vec<_>>().into_iter())].concat())
}

/// Sends a request of a service to the node at `base`, under a key, and waits for its answer, at most `timeout_ms`. `read` finds
/// the answer in the body.
pub async fn ask<T>(
    base: &str,
    request: Result<Prepared, ApiError>,
    key: &str,
    timeout_ms: u64,
    read: impl FnOnce(&str) -> Option<T>,
) -> Answered<T> {
    let Prepared { path, body } = request.map_err(refused_here)?;
    let (status, text) = post(&[base, path].concat(), &body, Some(key), timeout_ms).await?;
    understood(status, &text, read(&text))
}

/// The answer that was found in a body, or the error there.
pub fn understood<T>(status: u16, text: &str, answer: Option<T>) -> Answered<T> {
    match answer {
        Some(answer) => Ok((status, answer)),
        None => Err(refused(status, text)),
    }
}

/// Asks for something that changes nothing.
pub fn get(url: &str, timeout_ms: u64) -> Body {
    answer(Request::get(url).build(), timeout_ms)
}

/// Cuts or heals these directions of links (from, to), all at once, through whoever served the page.
pub async fn cut_links(links: &[(NodeName, NodeName)], cut: bool) -> Result<(), Failure> {
    let fault = if cut { Fault::CUT } else { Fault::NONE };
    let link = |(from, to): &(NodeName, NodeName)| LinkFault { from: from.clone(), to: to.clone(), fault };
    let faults = FaultSet { faults: links.iter().map(link).collect() };
    done(post("/faults", &written(&faults), None, FAULT_TIMEOUT_MS).await?)
}

/// Asks the cluster, through the node at `base`, to let `node` lead.
pub async fn transfer_leader(base: &str, node: &NodeName) -> Result<(), Failure> {
    let node = Name::new(node.clone()).map_err(refused_here)?;
    let body = written(&TransferLeader { node });
    done(post(&format!("{base}/cluster/leader"), &body, Some(&new_key()), PROCESS_TIMEOUT_MS).await?)
}

fn done((status, text): (u16, String)) -> Result<(), Failure> {
    if status < 300 { Ok(()) } else { Err(refused(status, &text)) }
}

/// Asks the supervisor to do something to a node's process.
pub async fn process(node: &NodeName, action: ProcessAction) -> Result<(), Failure> {
    let url = format!("/demo/nodes/{node}/{}", action.name());
    done(post(&url, "{}", None, PROCESS_TIMEOUT_MS).await?)
}

/// Asks the supervisor for one more node.
pub async fn add_node() -> Result<(), Failure> {
    done(post("/demo/nodes", "{}", None, PROCESS_TIMEOUT_MS).await?)
}

/// Asks the supervisor to let a node go.
pub async fn remove_node(node: &NodeName) -> Result<(), Failure> {
    let request = Request::delete(&format!("/demo/nodes/{node}")).header("Content-Type", "application/json");
    done(answer(request.build(), PROCESS_TIMEOUT_MS).await?)
}

fn refused(status: u16, text: &str) -> Failure {
    match answer::error(text) {
        Some(error) => Failure::Refused { status, error },
        None => Failure::Garbled { status },
    }
}

/// A status and a body that are waited for. Behind a pointer: whoever waits would carry a copy of the code otherwise.
pub type Body = Pin<Box<dyn Future<Output = Result<(u16, String), Failure>>>>;

/// Sends JSON, under a key where it is to take effect once.
pub fn post(url: &str, body: &str, key: Option<&str>, timeout_ms: u64) -> Body {
    let mut request = Request::post(url);
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    answer(request.header("Content-Type", "application/json").body(body), timeout_ms)
}

fn answer(request: Result<Request, gloo_net::Error>, timeout_ms: u64) -> Body {
    Box::pin(async move {
        let answer = async {
            let response = request?.send().await?;
            Ok::<_, gloo_net::Error>((response.status(), response.text().await?))
        };
        // What is not answered in time is left alone: it may still be carried out, and the caller says so.
        match select(pin!(answer), pin!(sleep_ms(timeout_ms))).await {
            Either::Left((answer, _)) => answer.map_err(|_| Failure::NoAnswer),
            Either::Right(_) => Err(Failure::NoAnswer),
        }
    })
}

/// Lets so much real time pass.
pub async fn sleep_ms(ms: u64) {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        // Without a timer the promise never resolves, and what waits for it goes no further: the safe side.
        let _ = set_timeout_with_handle(
            move || {
                let _ = resolve.call0(&wasm_bindgen::JsValue::UNDEFINED);
            },
            Duration::from_millis(ms),
        );
    });
    let _ = wasm_bindgen_futures::JsFuture::from(promise).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_json_or_words() {
        for (text, json) in
            [("900", "900"), ("{\"n\":1}", "{\"n\":1}"), ("two \"words\"", "\"two \\\"words\\\"\"")]
        {
            assert_eq!(typed(text).text(), json);
        }
    }
}
