//! What happened, in words, newest first.

use leptos::prelude::*;
use orrery_shared::event::narrate::Topic;

use super::rich::rich;
use super::{Shared, local_time};
use crate::store::Playback;
use crate::ui::Ui;

/// Lines that are drawn.
const LINES: usize = 80;

fn glyph(topic: Topic) -> &'static str {
    match topic {
        Topic::Log => "▢",
        Topic::Request => "→",
        Topic::Lock => "⚿",
        Topic::Link => "⚡",
        Topic::Election => "♛",
        Topic::Process => "⏻",
        Topic::Deadlock => "⟳",
    }
}

/// The feed.
#[component]
pub(crate) fn Feed(shared: Shared) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let detail = RwSignal::new(false);
    let lines = Memo::new(move |_| {
        let every = detail.get();
        playback.feed.with(|lines| {
            let wanted = lines.iter().rev().filter(|line| every || line.topic >= Topic::Lock || line.bad);
            wanted.take(LINES).cloned().collect::<Vec<_>>()
        })
    });
    view! {
        <div class="card feed">
            <div class="head">
                <h2>{move || ui.t().ui.feed}</h2>
                <label class="check">
                    <input
                        type="checkbox"
                        data-testid="feed-detail"
                        prop:checked=move || detail.get()
                        on:change=move |event| detail.set(event_target_checked(&event))
                    />
                    {move || ui.t().ui.feed_detail}
                </label>
            </div>
            <ol data-testid="feed">
                <For
                    each=move || lines.get()
                    key=|line| (line.at_us, line.node.clone(), line.words[0].clone(), line.count)
                    let:line
                >
                    <li class:bad=line.bad class:late=line.late>
                        <span class="glyph-cell" aria-hidden="true">{glyph(line.topic)}</span>
                        <time>{local_time(line.at_us)}</time>
                        <p>
                            {
                                let line = line.clone();
                                move || rich(line.text(ui.lang.get().language()), &shared.order.get())
                            }
                            {(line.count > 1).then(|| view! { <span class="count">{format!(" {}×", line.count)}</span> })}
                        </p>
                    </li>
                </For>
            </ol>
            {move || lines.with(Vec::is_empty).then(|| view! { <p class="quiet">{ui.t().ui.feed_empty}</p> })}
        </div>
    }
}
