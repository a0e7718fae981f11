//! What happened, in words, newest first.
//!
//! Test ids: `feed`, `feed-detail`.

mod look;
pub(super) mod words;

use std::sync::Arc;

use leptos::prelude::*;
use orrery_narrate::Line;

use self::look::{glyph, shown};
use self::words::WORDS;
use crate::keyed::{key_of, keyed};
use crate::parts::local_time;
use crate::parts::rich::rich;
use crate::shared::Shared;
use crate::store::Playback;
use crate::ui::Ui;

#[component]
pub(crate) fn Feed(shared: Shared) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let detail = RwSignal::new(false);
    let lines = Memo::new(move |_| {
        let every = detail.get();
        playback.feed.with(|lines| shown(lines, every))
    });
    view! {
        <div class="card feed">
            <div class="head">
                <h2>{WORDS.told(|t| t.title)}</h2>
                <label class="check">
                    <input
                        type="checkbox"
                        data-testid="feed-detail"
                        prop:checked=move || detail.get()
                        on:change=move |event| detail.set(event_target_checked(&event))
                    />
                    {WORDS.told(|t| t.detail)}
                </label>
            </div>
            <ol data-testid="feed">
                <For
                    each=move || keyed(lines.get(), |line| {
                        format!("{} {} {} {} {}", line.at_us, line.node, line.count, line.others, line.words[0])
                    })
                    key=key_of
                    children=move |(_, line)| draw(line, shared)
                />
            </ol>
            {move || lines.with(Vec::is_empty).then(|| view! { <p class="quiet">{ui.words(&WORDS).empty}</p> })}
        </div>
    }
}

fn draw(line: Arc<Line>, shared: Shared) -> AnyView {
    let ui = Ui::expect();
    let count = if line.count > 1 { format!(" {}×", line.count) } else { String::new() };
    let others = line.others;
    let more = move || (others > 0).then(|| [" ", &(ui.t().ui.more_alike)(others)].concat());
    let (bad, late, topic, at_us) = (line.bad, line.late, line.topic, line.at_us);
    view! {
        <li class:bad=bad class:late=late>
            <span class="glyph-cell" aria-hidden="true">{glyph(topic)}</span>
            <time>{local_time(at_us)}</time>
            <p>
                {move || rich(line.text(ui.lang.get().language()), &shared.order.get())}
                <span class="count">{count}{more}</span>
            </p>
        </li>
    }
    .into_any()
}
