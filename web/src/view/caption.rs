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

/// How much a sentence matters: what is lost on a link is the consequence of what is told already.
fn weight(line: &Line) -> u8 {
    match line.topic {
        Topic::Log | Topic::Request => 0,
        Topic::Link => 1,
        Topic::Lock => 2,
        Topic::Election => 3,
        Topic::Process => 4,
        Topic::Deadlock => 5,
    }
}

/// The sentence to show: what happened last; while the view runs, the weightiest of the last seconds.
fn chosen(lines: &[Arc<Line>], playing: bool) -> Option<Arc<Line>> {
    let last = lines.last()?;
    if !playing {
        return Some(last.clone());
    }
    let recent =
        lines.iter().rev().take_while(|line| last.at_us.saturating_sub(line.at_us) < IMPORTANT_STAYS_US);
    // Of equal weight the newest: it comes first here, and the first maximum has to win.
    let chosen = recent.fold(last, |best, line| if weight(line) > weight(best) { line } else { best });
    Some(chosen.clone())
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
