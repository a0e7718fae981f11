//! The narrator under the stage: one sentence for what just happened and why, with its raw time.

use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::*;
use orrery_shared::event::narrate::{Line, Topic};

use super::rich::{plain, rich};
use super::{Shared, local_time};
use crate::store::Playback;
use crate::ui::Ui;

/// While the view runs, an important sentence stays at least so long before the steady work shows again.
const IMPORTANT_STAYS_US: u64 = 4_000_000;

/// Reading aloud: at most one sentence in this time, the newest.
const ALOUD_EVERY: Duration = Duration::from_millis(2_500);

/// The sentence to show: what happened last, but not the steady work right after something worth telling.
fn chosen(lines: &[Arc<Line>], playing: bool) -> Option<Arc<Line>> {
    let last = lines.last()?;
    if playing {
        let telling = lines.iter().rev().find(|line| line.topic >= Topic::Lock || line.bad);
        if let Some(telling) = telling
            && last.at_us.saturating_sub(telling.at_us) < IMPORTANT_STAYS_US
        {
            return Some(telling.clone());
        }
    }
    Some(last.clone())
}

/// The narrator.
#[component]
pub(crate) fn Caption(shared: Shared) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let playing = Memo::new(move |_| playback.clock.with(|clock| clock.playing));
    let line = Memo::new(move |_| playback.feed.with(|lines| chosen(lines, playing.get())));
    let slower = Memo::new(move |_| {
        playback
            .clock
            .with(|clock| clock.slowdown().map(|times| times.round() as u64))
            .filter(|times| *times > 1)
    });
    let times = move || {
        let t = ui.t();
        let mut parts = Vec::new();
        if let Some(line) = line.get() {
            let time = local_time(line.at_us);
            parts.push((t.ui.raw_times)(&time, &time));
            if line.count > 1 {
                parts.push(format!("{}×", line.count));
            }
        }
        parts.extend(slower.get().map(t.ui.shown_slower));
        parts.join(" · ")
    };
    let sentence = move || {
        let order = shared.order.get();
        match line.get() {
            Some(line) => rich(line.text(ui.lang.get().language()), &order).into_any(),
            None => ui.t().ui.nothing_yet.into_any(),
        }
    };
    let aloud = RwSignal::new(String::new());
    let due = StoredValue::new(false);
    Effect::new(move || {
        let important = line.get().is_some_and(|line| line.topic >= Topic::Lock || line.bad);
        if !important || due.get_value() {
            return;
        }
        due.set_value(true);
        set_timeout(
            move || {
                due.set_value(false);
                let newest = line.get_untracked();
                let language = ui.lang.get_untracked().language();
                aloud.set(newest.map(|line| plain(line.text(language))).unwrap_or_default());
            },
            ALOUD_EVERY,
        );
    });
    view! {
        <div class="caption" class:bad=move || line.get().is_some_and(|line| line.bad) data-testid="caption">
            <p>{sentence}</p>
            <small>{times}</small>
            <div class="unseen" aria-live="polite">{move || aloud.get()}</div>
        </div>
    }
}
