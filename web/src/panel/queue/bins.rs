//! One row of bins per topic: ready, in flight, delayed, acknowledged, dead. Below, deliveries in flight, each with
//! what is left of its visibility on its shard's lease clock, and the dead letters.

use leptos::prelude::*;
use orrery_base::sorted::sort_by;
use smol_str::SmolStr;

use super::desk::Desk;
use super::look::{FlightLook, LetterLook, TopicLook, topics_of, visibility_left};
use super::words::{WORDS, Words};
use crate::i18n::number::{fixed_point, grouped, seconds};
use crate::keyed::{key_of, keyed};
use crate::store::Playback;
use crate::ui::Ui;

/// Most topics that are drawn.
const TOPICS_MAX: usize = 20;

#[component]
pub(crate) fn Bins() -> impl IntoView {
    let playback = Playback::expect();
    let names = Memo::new(move |_| playback.calm.with(|view| topics_of(view)));
    view! {
        <div class="card topics" data-testid="topics">
            {move || names.with(Vec::is_empty).then(|| view! { <p class="quiet">{WORDS.told(|t| t.empty)}</p> })}
            <For
                each=move || names.get().into_iter().take(TOPICS_MAX)
                key=SmolStr::clone
                children=|name| view! { <Topic name /> }
            />
        </div>
    }
}

#[component]
fn Topic(name: SmolStr) -> impl IntoView {
    let (playback, desk) = (Playback::expect(), Desk::expect());
    let chosen = RwSignal::new(String::new());
    let look = {
        let name = name.clone();
        Memo::new(move |_| {
            let chosen = chosen.get();
            let group = (!chosen.is_empty()).then_some(chosen.as_str());
            playback.calm.with(|view| TopicLook::of(view, &name, group))
        })
    };
    let groups = Memo::new(move |_| look.with(|look| look.groups.clone()));
    let several = move || groups.with(|groups| groups.len() > 1);
    let figure = move |pick: fn(&TopicLook) -> u64| move || look.with(pick).to_string();
    let (shown, named, redriven) = (name.to_string(), name.to_string(), name.clone());
    view! {
        <div
            class="topic"
            role="group"
            aria-label=name.to_string()
            data-testid=format!("topic-{name}")
            data-ready=figure(|look| look.ready)
            data-in-flight=figure(|look| look.in_flight)
            data-acknowledged=figure(|look| look.acknowledged)
            data-dead=figure(|look| look.dead)
        >
            <div class="topic-head">
                <button type="button" class="lane-name" title=shown.clone() on:click=move |_| desk.topic.set(named.clone())>
                    {shown.clone()}
                </button>
                {move || several().then(|| view! { <GroupChoice groups chosen /> })}
            </div>
            <div class="bins">
                {bin(look, "ready", |look| look.ready, |t| t.ready)}
                {bin(look, "in-flight", |look| look.in_flight, |t| t.in_flight)}
                {bin(look, "delayed", |look| look.delayed, |t| t.delayed)}
                {bin(look, "acknowledged", |look| look.acknowledged, |t| t.acknowledged)}
                {bin(look, "dead", |look| look.dead, |t| t.dead)}
            </div>
            <Flights look />
            <Letters look topic={redriven} chosen />
        </div>
    }
}

#[component]
fn GroupChoice(groups: Memo<Vec<SmolStr>>, chosen: RwSignal<String>) -> impl IntoView {
    view! {
        <label class="group-choice">
            {WORDS.told(|t| t.group)}
            <select data-testid="group-choice" on:change=move |event| chosen.set(event_target_value(&event))>
                <option value="">{WORDS.told(|t| t.all_groups)}</option>
                {move || groups.get().into_iter().map(|group| view! {
                    <option value=group.to_string()>{group.to_string()}</option>
                }).collect_view()}
            </select>
        </label>
    }
}

fn bin(
    look: Memo<TopicLook>,
    name: &'static str,
    pick: fn(&TopicLook) -> u64,
    word: fn(&'static Words) -> &'static str,
) -> AnyView {
    let ui = Ui::expect();
    let count = Memo::new(move |_| look.with(pick));
    view! {
        <div class=["bin ", name].concat() class:empty=move || count.get() == 0 data-testid=["bin-", name].concat()>
            <b>{move || grouped(count.get(), ui.lang.get())}</b>
            <span>{WORDS.told(word)}</span>
        </div>
    }.into_any()
}

#[component]
fn Flights(look: Memo<TopicLook>) -> impl IntoView {
    let ui = Ui::expect();
    let flights = Memo::new(move |_| look.with(|look| look.flights.clone()));
    let more = Memo::new(move |_| look.with(|look| look.in_flight.saturating_sub(look.flights.len() as u64)));
    let blocked = Memo::new(move |_| look.with(|look| look.blocked));
    view! {
        <div class="flights">
            <For
                each=move || keyed(flights.get(), |flight| {
                    format!("{} {} {} {}", flight.id, flight.group, flight.attempt, flight.visible_at_ms)
                })
                key=key_of
                children=|(_, flight)| draw(flight)
            />
            {move || {
                let more = more.get();
                (more > 0).then(|| view! { <span class="quiet">{(ui.t().forms.more)(more)}</span> })
            }}
            {move || {
                let blocked = blocked.get();
                (blocked > 0).then(|| view! { <span class="quiet">{(ui.words(&WORDS).behind_key)(blocked)}</span> })
            }}
        </div>
    }
}

/// Who has which message, how often it was delivered, and an arc that drains until it is visible again.
fn draw(flight: FlightLook) -> AnyView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let (id, again) = (flight.id.clone(), flight.attempt > 1);
    let who = flight.consumer.to_string();
    let attempt = flight.attempt;
    let label = {
        let (who, id) = (who.clone(), id.clone());
        move |rest: &str| (ui.words(&WORDS).flight_label)(&who, &id, attempt, rest)
    };
    let left = Memo::new(move |_| {
        let now_us = playback.now_us.get();
        let (part, ms) = playback.calm.with(|view| visibility_left(view, &flight, now_us));
        // A hundredth of the arc is less than a pixel, a tenth of a second what the words can show.
        ((part * 100.0).round() as u32, ms / 100)
    });
    let rest = move || seconds(left.get().1 * 100_000, ui.lang.get());
    let dashes = move || [&fixed_point(f64::from(left.get().0), 0), " 101"].concat();
    view! {
        <span
            class="chip flight"
            class:ending=move || left.get().0 < 20
            title=move || label(&rest())
            data-testid=format!("flight-{id}")
            data-attempt=attempt.to_string()
        >
            <svg class="drain" viewBox="-9 -9 18 18" aria-hidden="true">
                <circle class="whole" r="6.5" />
                <circle class="left" r="6.5" pathLength="100" stroke-dasharray=dashes transform="rotate(-90)" />
            </svg>
            {who}
            <span class="id">{id.to_string()}</span>
            {again.then(|| view! { <em>{format!("{attempt}×")}</em> })}
        </span>
    }.into_any()
}

#[component]
fn Letters(look: Memo<TopicLook>, topic: SmolStr, chosen: RwSignal<String>) -> impl IntoView {
    let (ui, desk) = (Ui::expect(), Desk::expect());
    let letters = Memo::new(move |_| look.with(|look| look.letters.clone()));
    let redrive = move |_: leptos::ev::MouseEvent| {
        let group = chosen.get_untracked();
        let mut groups: Vec<SmolStr> =
            letters.with_untracked(|all| all.iter().map(|l| l.group.clone()).collect());
        groups.dedup();
        groups.retain(|name| group.is_empty() || *name == group);
        sort_by(&mut groups, Ord::cmp);
        groups.dedup();
        for group in groups {
            desk.redrive(topic.clone(), group);
        }
    };
    move || {
        let letters = letters.get();
        if letters.is_empty() {
            return ().into_any();
        }
        let redrive = redrive.clone();
        let chip = |letter: LetterLook| {
            let hint = move || (ui.words(&WORDS).letter_label)(letter.attempts);
            view! { <span class="chip letter" title=hint>"✕ " <span class="id">{letter.id.to_string()}</span></span> }
        };
        view! {
            <div class="letters">
                {letters.into_iter().map(chip).collect_view()}
                <button type="button" class="link" data-testid="redrive" on:click=redrive>
                    {WORDS.told(|t| t.redrive)}
                </button>
            </div>
        }
        .into_any()
    }
}
