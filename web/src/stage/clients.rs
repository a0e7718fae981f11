//! The clients at the edge of the stage, and their requests while a node works on them.

use std::sync::Arc;

use js_sys::JsString;
use leptos::prelude::*;
use orrery_api::operation::{Operation, Service};
use orrery_projection::view::RequestView;
use smol_str::SmolStr;

use super::geometry::{CLIENT_RADIUS, Geometry, Label, NODE_RING, Point};
use super::glyph::{EnvelopeGlyph, KeyGlyph, LineGlyph};
use crate::i18n::number::{coordinate, translate};
use crate::keyed::{key_of, keyed};
use crate::request::client_of;
use crate::store::Playback;
use crate::ui::{CLIENTS_MAX, Ui};

/// Most requests that are drawn at once: more cover each other.
const REQUESTS_MAX: usize = CLIENTS_MAX;

/// Width of a character of the words beside a request, about.
const CHARACTER: f64 = 6.6;

/// Most characters of a client's name and of what it asks for.
const NAME_CHARS: usize = 12;
const SUBJECT_CHARS: usize = 14;

/// The clients that stand on the stage, in order: those of the page, then others that hold, wait or ask.
/// A context, so that whatever moves finds their places.
#[derive(Clone, Copy)]
pub struct StageClients(pub Memo<Arc<Vec<SmolStr>>>);

impl StageClients {
    /// Follows the view, and provides itself as a context.
    pub fn provide() -> StageClients {
        let (playback, ui) = (Playback::expect(), Ui::expect());
        let clients = Memo::new(move |_| {
            let mut names = ui.clients.get().to_vec();
            playback.view.with(|view| {
                let table = view.locks.table.resources.iter();
                let locking = table.flat_map(|lock| {
                    let holders = lock.holders.iter().map(|other| &other.holder.client);
                    holders.chain(lock.waiters.iter().map(|other| &other.holder.client))
                });
                for name in locking.chain(view.requests.values().map(|request| &request.client)) {
                    if names.len() >= CLIENTS_MAX {
                        break;
                    }
                    let name = client_of(name);
                    if !name.is_empty() && !names.iter().any(|other| other == name) {
                        names.push(name.into());
                    }
                }
            });
            Arc::new(names)
        });
        let clients = StageClients(clients);
        provide_context(clients);
        clients
    }
}

#[component]
pub(crate) fn Clients(geometry: Memo<Geometry>, clients: StageClients) -> impl IntoView {
    let playback = Playback::expect();
    let requests: Memo<Requests> =
        Memo::new(move |_| playback.view.with(|view| view.requests.values().cloned().collect::<Vec<_>>()));
    let everybody = Memo::new(move |_| {
        let names = clients.0.get();
        let (count, geometry) = (names.len(), geometry.get());
        names
            .iter()
            .enumerate()
            .map(|(i, name)| (name.clone(), geometry.client(i, count)))
            .collect::<Vec<_>>()
    });
    view! {
        <g class="clients">
            <For
                each=move || {
                    let (width, names) = (geometry.get().width as i64, clients.0.get());
                    let known = |request: &Arc<RequestView>| names.iter().any(|name| name == client_of(&request.client));
                    let shown = requests.get().into_iter().take(REQUESTS_MAX).filter(known);
                    // The same request again is drawn at the same place.
                    keyed(shown, |request| {
                        format!("{} {} {} {width}", request.node, request.client, request.subject)
                    })
                }
                key=key_of
                children=move |(_, request)| untrack(|| draw_request(&request, geometry.get(), clients))
            />
            <For
                each=move || keyed(everybody.get(), |(name, at)| format!("{name} {} {}", at.x as i64, at.y as i64))
                key=key_of
                children=move |(_, (name, at))| draw_client(name, at, requests)
            />
        </g>
    }
}

type Requests = Vec<Arc<RequestView>>;

fn draw_client(name: SmolStr, at: Point, requests: Memo<Requests>) -> AnyView {
    let ui = Ui::expect();
    let (asks, acts) = (name.clone(), name.clone());
    let asking = move || requests.with(|all| all.iter().any(|request| client_of(&request.client) == asks));
    // By the browser, which knows every alphabet's capitals: their table is a page's worth of code.
    let initial = JsString::from(name.chars().take(1).collect::<String>()).to_upper_case();
    view! {
        <g
            class="client"
            class:asking=asking
            class:me=move || ui.client.get() == acts
            transform=translate(at.x, at.y)
            data-testid=format!("client-{name}")
        >
            <circle r=coordinate(CLIENT_RADIUS) />
            <text class="initial" y="5">{String::from(initial)}</text>
            <text class="client-name" y="31">{shortened(&name, NAME_CHARS)}</text>
        </g>
    }
    .into_any()
}

/// At most so many letters, the last one a mark that there are more.
fn shortened(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        name.to_owned()
    } else {
        name.chars().take(most - 1).chain(['…']).collect()
    }
}

fn draw_request(request: &RequestView, geometry: Geometry, clients: StageClients) -> Option<AnyView> {
    let playback = Playback::expect();
    let names = clients.0.get();
    let client = client_of(&request.client);
    let place = names.iter().position(|name| name == client)?;
    let node =
        playback.view.with_untracked(|view| view.order.iter().position(|name| *name == request.node))?;
    let (from, to) = (geometry.client(place, names.len()), geometry.node(node));
    let whole = from.distance(to).max(1.0);
    let (start, end) = (from.toward(to, CLIENT_RADIUS / whole), from.toward(to, 1.0 - NODE_RING / whole));
    // The node has it already: the key stands at the node, the client's way to it is a standing line.
    let label = format!("{client}: {}", shortened(&request.subject, SUBJECT_CHARS));
    let Label { at: key, before, lower } =
        geometry.label(from, node, label.chars().count() as f64 * CHARACTER);
    let drawn = view! {
        <g class="request" data-testid="request">
            <line x1=coordinate(start.x) y1=coordinate(start.y) x2=coordinate(end.x) y2=coordinate(end.y) />
            <g transform=translate(key.x, key.y)>
                {match Operation::of_word(&request.operation).map(Operation::service) {
                    Some(Service::Queue) => view! { <EnvelopeGlyph /> }.into_any(),
                    Some(Service::Cache) => view! { <LineGlyph /> }.into_any(),
                    Some(Service::Locks) | None => view! { <KeyGlyph /> }.into_any(),
                }}
                <text
                    x=if before { "-18" } else { "18" }
                    y=coordinate(4.0 + lower)
                    text-anchor=if before { "end" } else { "start" }
                >
                    {label}
                </text>
            </g>
        </g>
    };
    Some(drawn.into_any())
}
