//! One lane per resource: who holds it, how long still, who is next.

use leptos::prelude::*;
use orrery_lock::Mode;
use orrery_lock::view::{HolderView, LockedResource, WaiterView};
use smol_str::SmolStr;

use super::desk::LockDesk;
use super::look::{known_resources, without_lane};
use super::words::WORDS;
use crate::actions::Actions;
use crate::i18n::number::{fixed_point, grouped, seconds};
use crate::keyed::{key_of, keyed};
use crate::request::lock::{LockAsk, LockOperation};
use crate::store::Playback;
use crate::ui::Ui;

#[component]
pub(crate) fn Lanes() -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let names = Memo::new(move |before: Option<&Vec<SmolStr>>| {
        playback.calm.with(|view| known_resources(view, before.map(Vec::as_slice).unwrap_or_default()))
    });
    let more = Memo::new(move |_| playback.calm.with(|view| names.with(|names| without_lane(view, names))));
    view! {
        <div class="card lanes" data-testid="lanes">
            <For each=move || names.get() key=SmolStr::clone children=|name| view! { <Lane name /> } />
            {move || {
                let more = more.get();
                (more > 0).then(|| view! { <p class="quiet">{(ui.t().forms.more)(more)}</p> })
            }}
        </div>
    }
}

#[component]
fn Lane(name: SmolStr) -> impl IntoView {
    let (playback, ui, desk) = (Playback::expect(), Ui::expect(), LockDesk::expect());
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
            let words = ui.words(&WORDS);
            let held: Vec<_> =
                holders.get().iter().map(|h| format!("{} {}", h.holder.client, h.mode.letter())).collect();
            let waits: Vec<_> =
                waiters.get().iter().map(|w| format!("{} {}", w.holder.client, w.mode.letter())).collect();
            let or_none = |list: Vec<String>| {
                if list.is_empty() { words.nobody.to_owned() } else { list.join(", ") }
            };
            (words.lane_label)(&name, &or_none(held), &or_none(waits))
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
            <button type="button" class="lane-name" title=name.to_string() on:click=move |_| desk.resource.set(chosen.to_string())>
                {name.to_string()}
            </button>
            <div class="lane-body">
                <div class="holders">
                    {move || holders.with(Vec::is_empty).then(|| view! { <span class="free">{ui.words(&WORDS).free}</span> })}
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
            title=move || rest.get().map(|rest| (ui.words(&WORDS).expires_in)(&rest))
            data-testid=format!("holder-{name}")
            data-mode=holder.mode.letter()
            data-token=holder.fencing_token.to_string()
        >
            <i class="gone" style:width=gone></i>
            <span class="who">{name.clone()}</span>
            <span class="how">
                {format!(" · {} · ", holder.mode.letter())}
                {move || exclusive.then(|| format!("{} ", ui.words(&WORDS).token))}
                {move || grouped(holder.fencing_token, ui.lang.get())}
            </span>
            <span class="rest">{move || rest.get()}</span>
        </div>
    }
}

#[component]
fn WaiterChip(place: usize, waiter: WaiterView, resource: SmolStr) -> impl IntoView {
    let (ui, actions) = (Ui::expect(), Actions::expect());
    let client = waiter.holder.client.clone();
    let cancel = {
        let (client, resource) = (client.clone(), resource.clone());
        let mode = waiter.mode;
        move |_| {
            let (client, resource) = (client.clone(), resource.clone());
            actions.start(LockAsk { operation: LockOperation::Cancel, client, resource, mode, ttl_ms: 0 });
        }
    };
    let hint = {
        let client = client.clone();
        move || (ui.words(&WORDS).cancel_wait)(&client, &resource)
    };
    let aria = hint.clone();
    view! {
        <span class="chip waiter" data-testid=format!("waiter-{}", waiter.holder)>
            {format!("{place} {} {}", waiter.holder, waiter.mode.letter())}
            {waiter.upgrade.then(|| view! { <em>{WORDS.told(|t| t.upgrade)}</em> })}
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
