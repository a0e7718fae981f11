//! The ring as a table: the same as the stage draws, in words. A row that has the focus shows its replicas there.

use std::sync::Arc;

use leptos::prelude::*;
use orrery_base::ids::NodeName;
use orrery_placement::SkipReason;

use super::change::LastChange;
use super::words::WORDS;
use crate::look::hue;
use crate::look::ring::{Fare, ShardLook};
use crate::shared::Shared;
use crate::ui::{Ui, told};

#[component]
pub(crate) fn RingTable(shared: Shared) -> impl IntoView {
    let ui = Ui::expect();
    let words = move |why: SkipReason| {
        let words = ui.words(&WORDS);
        match why {
            SkipReason::LeaderBound => words.skip_leader,
            SkipReason::ReplicaBound => words.skip_replica,
            SkipReason::Reserved => words.skip_reserved,
            SkipReason::Down => ui.t().cluster.down,
        }
    };
    move || {
        let (ring, order) = (shared.ring.get(), shared.order.get());
        if ring.shards.is_empty() {
            return view! { <p class="quiet">{WORDS.told(|t| t.no_shards)}</p> }.into_any();
        }
        let order = &order;
        view! {
            <div class="card ring-card">
                <LastChange shared />
                <table class="plain ring-table" data-testid="ring-table">
                    <caption>{WORDS.told(|t| t.ring)}</caption>
                    <thead>
                        <tr>
                            <th>{WORDS.told(|t| t.shard)}</th>
                            <th>{WORDS.told(|t| t.token)}</th>
                            <th>{told(|t| t.cluster.leader)}</th>
                            <th>{WORDS.told(|t| t.replicas)}</th>
                        </tr>
                    </thead>
                    <tbody>{ring.shards.iter().map(|look| row(look, order, words)).collect_view()}</tbody>
                </table>
            </div>
        }
        .into_any()
    }
}

fn named(place: usize, order: &Arc<Vec<NodeName>>) -> AnyView {
    let name = order.get(place).map(|name| name.to_string()).unwrap_or_default();
    view! { <span class=["hued ", hue(place)].concat()>{name}</span> }.into_any()
}

fn row(look: &ShardLook, order: &Arc<Vec<NodeName>>, words: impl Fn(SkipReason) -> &'static str) -> AnyView {
    let ui = Ui::expect();
    let shard = look.shard;
    let leader = match (look.fare, look.leader) {
        (Fare::NoMajority, _) => {
            view! { <span class="bad">"✕ " {told(|t| t.ring.no_majority)}</span> }.into_any()
        }
        (_, Some(leader)) => named(leader, order),
        _ => view! { <span>{told(|t| t.ring.no_leader)}</span> }.into_any(),
    };
    let token = look.token.to_string();
    let skips = look
        .skips
        .iter()
        .map(|(place, why)| {
            let name = order.get(*place).map(|name| name.to_string()).unwrap_or_default();
            view! { <small class="skip-why">{format!("↷ {name}: {}", words(*why))}</small> }
        })
        .collect_view();
    view! {
        <tr
            tabindex="0"
            class:chosen=move || ui.shard.get() == Some(shard)
            data-testid=format!("ring-{}", shard.0)
            on:focus=move |_| ui.shard.set(Some(shard))
            on:blur=move |_| ui.shard.set(None)
            on:pointerenter=move |_| ui.shard.set(Some(shard))
            on:pointerleave=move |_| ui.shard.set(None)
        >
            <td>{shard.to_string()}</td>
            <td class="token" title=token.clone()>{token[..4].to_owned()}</td>
            <td>{leader}</td>
            <td class="replicas">
                {look.replicas.iter().map(|place| {
                    let preferred = look.preferred == Some(*place);
                    view! {
                        <span class="replica-name" title=preferred.then(|| ui.words(&WORDS).preferred)>
                            {preferred.then_some("★")}
                            {named(*place, order)}
                        </span>
                    }
                }).collect_view()}
                {skips}
            </td>
        </tr>
    }
    .into_any()
}
