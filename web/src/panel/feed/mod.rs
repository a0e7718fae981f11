//! What happened, in words, newest first.

use std::sync::Arc;

use leptos::prelude::*;
use orrery_narrate::{Line, Topic};

use crate::keyed::{key_of, keyed};
use crate::parts::local_time;
use crate::parts::rich::rich;
use crate::shared::Shared;
use crate::store::Playback;
use crate::ui::{Ui, told};

/// Lines that are drawn.
const LINES: usize = 80;

fn glyph(topic: Topic) -> &'static str {
    match topic {
        Topic::Log => "▢",
        Topic::Request => "→",
        Topic::Lock => "▣",
        Topic::Link => "⚡",
        Topic::Ring => "◍",
        Topic::Queue => "✉",
        Topic::Cache => "▤",
        Topic::Election => "♛",
        Topic::Process => "◉",
        Topic::Deadlock => "⟳",
    }
}

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
                <h2>{told(|t| t.ui.feed)}</h2>
                <label class="check">
                    <input
                        type="checkbox"
                        data-testid="feed-detail"
                        prop:checked=move || detail.get()
                        on:change=move |event| detail.set(event_target_checked(&event))
                    />
                    {told(|t| t.ui.feed_detail)}
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
            {move || lines.with(Vec::is_empty).then(|| view! { <p class="quiet">{ui.t().ui.feed_empty}</p> })}
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Arrows, geometric shapes and dingbats are in the fonts of every system; newer symbols are boxes on many.
    #[test]
    fn fonts_have_every_glyph() {
        use Topic as T;
        let all = [
            T::Log,
            T::Request,
            T::Lock,
            T::Link,
            T::Ring,
            T::Queue,
            T::Cache,
            T::Election,
            T::Process,
            T::Deadlock,
        ];
        for topic in all {
            let known = |c: char| matches!(u32::from(c), 0x2190..=0x21ff | 0x25a0..=0x25ff | 0x2600..=0x26b8 | 0x2701..=0x27ff);
            assert!(glyph(topic).chars().all(known), "{}", glyph(topic));
        }
    }
}
