//! One node: what it says of itself, its links, its process. Below: the stage as a table.

pub mod table;

use leptos::prelude::*;
use orrery_base::ids::{LogIndex, NodeName};
use orrery_narrate::exit_cause_in_indonesian;
use orrery_projection::view::View;

use self::table::StageTable;
use crate::i18n::number::{duration, grouped};
use crate::i18n::{Lang, Strings};
use crate::look::{NodeLook, hue};
use crate::parts::local_time;
use crate::parts::process::{ProcessButtons, RemoveButton};
use crate::shared::Shared;
use crate::stage::node::status_word;
use crate::store::Playback;
use crate::ui::Ui;

#[component]
pub(crate) fn Inspect(shared: Shared) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let rows = Memo::new(move |_| {
        let t = ui.t();
        let node = ui.selected.get();
        node.map(|node| playback.calm.with(|view| rows(view, &node, t))).unwrap_or_default()
    });
    let chips = move || {
        let order = shared.order.get();
        let chip = |(place, name): (usize, &NodeName)| {
            let (chosen, clicked) = (name.clone(), name.clone());
            view! {
                <button
                    type="button"
                    class=format!("chip hued {}", hue(place))
                    aria-pressed=move || (ui.selected.get().as_ref() == Some(&chosen)).to_string()
                    data-testid=format!("inspect-{name}")
                    on:click=move |_| ui.selected.set(Some(clicked.clone()))
                >
                    {name.to_string()}
                </button>
            }
        };
        order.iter().enumerate().map(chip).collect_view()
    };
    view! {
        <div class="card inspect" data-testid="inspect">
            <div class="chips">{chips}</div>
            {move || {
                let Some(chosen) = ui.selected.get() else {
                    return view! { <p class="quiet">{ui.t().cluster.choose_node}</p> }.into_any();
                };
                if !shared.order.get().contains(&chosen) {
                    return view! { <p class="quiet" data-testid="has-left">{(ui.t().cluster.has_left)(&chosen)}</p> }.into_any();
                }
                view! {
                    <ProcessButtons node={ui.selected.into()} prefix="inspect-" />
                    <RemoveButton node={ui.selected.into()} />
                    <dl class="facts">
                        {move || rows.get().into_iter().map(|(word, value)| {
                            view! {
                                <dt>{word}</dt>
                                <dd>{value}</dd>
                            }
                        }).collect_view()}
                    </dl>
                }
                .into_any()
            }}
        </div>
        <StageTable shared />
    }
}

/// What is shown of a node: a word and a value each.
fn rows(view: &View, name: &NodeName, t: &'static Strings) -> Vec<(&'static str, String)> {
    let Some(node) = view.node(name) else { return Vec::new() };
    let look = NodeLook::of(view, name);
    let cluster = &t.cluster;
    let index =
        |index: Option<LogIndex>| index.map_or_else(|| "–".to_owned(), |index| grouped(index, t.lang));
    let someone =
        |name: &Option<NodeName>| name.as_ref().map_or(cluster.nobody.to_owned(), ToString::to_string);
    let mut rows = vec![(cluster.status, process_words(node, &look, t))];
    if let Some(part) = view.control(name) {
        let role = if look.deposed { cluster.deposed } else { (cluster.role)(part.role) };
        rows.push((cluster.role_title, format!("{role} · {} {}", cluster.term, part.term)));
        rows.push((cluster.voted_for, someone(&part.voted_for)));
        rows.push((cluster.follows, someone(&part.leader)));
        rows.push((cluster.last_entry, index(part.last_log)));
        rows.push((cluster.on_disk, index(part.synced)));
        rows.push((cluster.committed, index(part.commit)));
        rows.push((cluster.applied, index(part.applied)));
        rows.push((cluster.snapshot_through, index(part.purged)));
        if let Some(heard) = part.last_contact_us {
            rows.push((cluster.heard, local_time(heard)));
        }
    }
    rows.push((cluster.address, node.address.to_string()));
    rows.push((cluster.boot, node.boot.to_string()));
    rows.push((cluster.links, links(view, name, t)));
    if node.clock_offset_us.unsigned_abs() > 200_000 {
        let offset = duration(node.clock_offset_us.unsigned_abs(), t.lang);
        rows.push(("◷", (cluster.clock_altered)(&offset)));
    }
    rows
}

fn process_words(node: &orrery_projection::view::NodeView, look: &NodeLook, t: &'static Strings) -> String {
    let mut words = status_word(look.status, t).to_owned();
    if !node.exit_cause.is_empty() {
        let cause = match t.lang {
            Lang::En => node.exit_cause.to_string(),
            Lang::Id => exit_cause_in_indonesian(&node.exit_cause),
        };
        words.push_str(&format!(" ({cause})"));
    }
    if look.stale {
        words.push_str(&format!(" · {}", t.cluster.stale));
    }
    words
}

fn links(view: &View, name: &NodeName, t: &'static Strings) -> String {
    let others = view.order.iter().filter(|other| *other != name);
    let word = |other: &NodeName| {
        let link = view.link(name, other);
        let state = match (link.cut, link.up) {
            (true, _) => format!("⚡ {}", t.cluster.link_cut),
            (false, Some(true)) if link.beats.answered > 0 => duration(link.beats.round_trip_us, t.lang),
            (false, Some(true)) => t.cluster.link_up.to_owned(),
            (false, Some(false)) => t.cluster.link_down.to_owned(),
            (false, None) => "–".to_owned(),
        };
        format!("{other} {state}")
    };
    others.map(word).collect::<Vec<_>>().join(" · ")
}
