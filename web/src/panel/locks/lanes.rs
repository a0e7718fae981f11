//! One lane per resource: who holds it, how long still, who is next.

use leptos::prelude::*;
use orrery_base::ids::ResourceName;
use orrery_lock::Mode;
use orrery_lock::view::{HolderView, LockedResource, WaiterView};
use orrery_projection::view::View;

use crate::actions::{Actions, Ask, Operation};
use crate::i18n::number::{fixed_point, grouped, seconds};
use crate::keyed::{key_of, keyed};
use crate::store::Playback;
use crate::ui::{Ui, told};

/// Resources that have a lane from the start.
const FIRST: [&str; 3] = ["printer", "report", "exam-room"];

/// Most lanes that are drawn.
const LANES_MAX: usize = 40;

/// Names of lanes: the usual ones, those that had one before, those that somebody holds or wants.
pub fn known_resources(view: &View, before: &[ResourceName]) -> Vec<ResourceName> {
    let mut names: Vec<ResourceName> = FIRST.map(ResourceName::from).to_vec();
    let locked = view.locks.table.resources.iter().map(|lock| &lock.resource);
    for name in before.iter().chain(locked) {
        if names.len() >= LANES_MAX {
            break;
        }
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// Locks that are held and have no lane here: beyond the lanes, and beyond what a stream shows.
fn without_lane(view: &View, lanes: &[ResourceName]) -> u64 {
    let held = |lock: &LockedResource| lock.holders.len() as u64;
    let (resources, beyond) = (&view.locks.table.resources, view.locks.beyond);
    let all = beyond.map_or_else(|| resources.iter().map(held).sum(), |beyond| beyond.counts.locks);
    let shown = resources.iter().filter(|lock| lanes.contains(&lock.resource)).map(held).sum();
    all.saturating_sub(shown)
}

#[component]
pub(crate) fn Lanes() -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let names = Memo::new(move |before: Option<&Vec<ResourceName>>| {
        playback.calm.with(|view| known_resources(view, before.map(Vec::as_slice).unwrap_or_default()))
    });
    let more = Memo::new(move |_| playback.calm.with(|view| names.with(|names| without_lane(view, names))));
    view! {
        <div class="card lanes" data-testid="lanes">
            <For each=move || names.get() key=ResourceName::clone children=|name| view! { <Lane name /> } />
            {move || {
                let more = more.get();
                (more > 0).then(|| view! { <p class="quiet">{(ui.t().queue.more)(more)}</p> })
            }}
        </div>
    }
}

#[component]
fn Lane(name: ResourceName) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let lock = {
        let name = name.clone();
        Memo::new(move |_| {
            playback.calm.with(|view| {
                view.locks.table.resources.iter().find(|lock| lock.resource == name).cloned().unwrap_or_else(
                    || LockedResource { resource: name.clone(), holders: Vec::new(), waiters: Vec::new() },
                )
            })
        })
    };
    let holders = Memo::new(move |_| lock.with(|lock| lock.holders.clone()));
    let waiters = Memo::new(move |_| lock.with(|lock| lock.waiters.clone()));
    let label = {
        let name = name.clone();
        move || {
            let t = ui.t();
            let held: Vec<_> =
                holders.get().iter().map(|h| format!("{} {}", h.holder.client, h.mode.letter())).collect();
            let waits: Vec<_> =
                waiters.get().iter().map(|w| format!("{} {}", w.holder.client, w.mode.letter())).collect();
            let or_none = |list: Vec<String>| {
                if list.is_empty() { t.cluster.nobody.to_owned() } else { list.join(", ") }
            };
            (t.locks.lane_label)(&name, &or_none(held), &or_none(waits))
        }
    };
    let chosen = name.clone();
    let test_id = format!("lane-{name}");
    let resource = name.clone();
    view! {
        <div
            class="lane"
            role="group"
            aria-label=label
            data-testid=test_id
            data-holders=move || holders.with(|all| all.iter().map(|h| h.holder.to_string()).collect::<Vec<_>>().join(" "))
            data-waiters=move || waiters.with(|all| all.iter().map(|w| w.holder.to_string()).collect::<Vec<_>>().join(" "))
        >
            <button type="button" class="lane-name" title=name.to_string() on:click=move |_| ui.resource.set(chosen.to_string())>
                {name.to_string()}
            </button>
            <div class="lane-body">
                <div class="holders">
                    {move || holders.with(Vec::is_empty).then(|| view! { <span class="free">{ui.t().locks.free}</span> })}
                    <For
                        each=move || keyed(holders.get(), |HolderView { holder, mode, fencing_token, since_ms, .. }| {
                            format!("{holder} {} {fencing_token} {since_ms}", mode.letter())
                        })
                        key=key_of
                        children=|(_, holder)| view! { <HolderBar holder /> }
                    />
                </div>
                <div class="waiters" class:none=move || waiters.with(Vec::is_empty)>
                    {move || waiters.get().into_iter().enumerate().map(|(place, waiter)| {
                        let resource = resource.clone();
                        view! { <WaiterChip place={place + 1} waiter resource /> }
                    }).collect_view()}
                </div>
            </div>
        </div>
    }
}

/// A holder: full width alone, a sliver beside other shared ones. The dark part is what is gone of the lease.
#[component]
fn HolderBar(holder: HolderView) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let timed = holder.clone();
    let left = Memo::new(move |_| {
        let now_us = playback.now_us.get();
        let left = playback.calm.with(|view| view.locks.lease_left(&timed, now_us));
        // A thousandth of the bar is less than a pixel.
        left.map(|left| (left * 1_000.0).round() as u32)
    });
    let timed = holder.clone();
    let rest = move || {
        let now_us = playback.now_us.get();
        let t = ui.t();
        let rest = playback.calm.with(|view| {
            let end = view.locks.expires_at_ms(&timed)?;
            Some(end.saturating_sub(view.locks.clock_ms(now_us)))
        });
        rest.map(|ms| seconds(ms * 1_000, t.lang))
    };
    let rest = Memo::new(move |_| rest());
    let gone = move || fixed_point(100.0 - f64::from(left.get().unwrap_or(1_000)) / 10.0, 1) + "%";
    let exclusive = holder.mode == Mode::Exclusive;
    let name = holder.holder.to_string();
    view! {
        <div
            class="hold"
            class:shared=!exclusive
            class:ending=move || left.get().is_some_and(|left| left < 200)
            title=move || rest.get().map(|rest| (ui.t().locks.expires_in)(&rest))
            data-testid=format!("holder-{name}")
            data-mode=holder.mode.letter()
            data-token=holder.fencing_token.to_string()
        >
            <i class="gone" style:width=gone></i>
            <span class="who">{name.clone()}</span>
            <span class="how">
                {format!(" · {} · ", holder.mode.letter())}
                {move || exclusive.then(|| format!("{} ", ui.t().locks.token))}
                {move || grouped(holder.fencing_token, ui.lang.get())}
            </span>
            <span class="rest">{move || rest.get()}</span>
        </div>
    }
}

#[component]
fn WaiterChip(place: usize, waiter: WaiterView, resource: ResourceName) -> impl IntoView {
    let (ui, actions) = (Ui::expect(), Actions::expect());
    let client = waiter.holder.client.clone();
    let cancel = {
        let (client, resource) = (client.clone(), resource.clone());
        let mode = waiter.mode;
        move |_| {
            let (client, resource) = (client.clone(), resource.clone());
            actions.start(Ask { operation: Operation::Cancel, client, resource, mode, ttl_ms: 0 });
        }
    };
    let hint = {
        let client = client.clone();
        move || (ui.t().locks.cancel_wait)(&client, &resource)
    };
    let aria = hint.clone();
    view! {
        <span class="chip waiter" data-testid=format!("waiter-{}", waiter.holder)>
            {format!("{place} {} {}", waiter.holder, waiter.mode.letter())}
            {waiter.upgrade.then(|| view! { <em>{told(|t| t.locks.upgrade)}</em> })}
            <button
                type="button"
                class="close"
                title=hint
                aria-label=aria
                data-testid=format!("cancel-{client}")
                on:click=cancel
            >
                "×"
            </button>
        </span>
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use orrery_lock::Holder;
    use orrery_lock::view::{LockCounts, LocksBeyond};
    use orrery_projection::view::LocksView;

    use super::*;

    #[test]
    fn locks_without_a_lane_are_counted() {
        let holder = HolderView {
            holder: Holder { client: "Ayu".into(), session: None },
            mode: Mode::Exclusive,
            fencing_token: 7,
            since_ms: 5,
            expires_at_ms: None,
        };
        let lock = |n: usize| LockedResource {
            resource: format!("r{n:02}").as_str().into(),
            holders: vec![holder.clone()],
            waiters: Vec::new(),
        };
        let mut locks = LocksView::default();
        locks.table.resources = (0..50).map(lock).collect();
        let mut view = View { locks: Arc::new(locks.clone()), ..View::default() };
        let lanes = known_resources(&view, &[]);
        assert_eq!(lanes.len(), LANES_MAX);
        let expected = 50 - (LANES_MAX - FIRST.len()) as u64;
        assert_eq!(without_lane(&view, &lanes), expected);
        // A stream shows the newest ones, and how many there are.
        let counts = LockCounts { locks: 5_050, ..LockCounts::default() };
        locks.beyond = Some(LocksBeyond { counts, ..LocksBeyond::default() });
        view.locks = Arc::new(locks);
        assert_eq!(without_lane(&view, &lanes), 5_000 + expected);
    }
}
