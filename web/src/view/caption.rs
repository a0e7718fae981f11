//! The narrator under the stage: one sentence for what just happened and why, with its raw time.

use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::*;
use orrery_narrate::{Line, Topic, UNWILLING};

use super::trouble::PastNote;
use crate::parts::local_time;
use crate::parts::rich::{plain, rich};
use crate::shared::Shared;
use crate::store::Playback;
use crate::ui::Ui;

/// While the view runs, an important sentence stays at least so long before the steady work shows again.
const IMPORTANT_STAYS_US: u64 = 4_000_000;

/// Reading aloud: at most one sentence in this time, the newest.
const ALOUD_EVERY: Duration = Duration::from_millis(2_500);

/// So many times slower than the world is slow motion.
const SLOW: f64 = 4.0;

/// From this weight on a sentence is worth to be read in slow motion.
const MATTERS: u8 = 2;

/// Two digits say how slow it is; more of them only flicker.
fn rough(times: f64) -> u64 {
    let times = times.round() as u64;
    let unit = 10_u64.pow(times.max(1).ilog10().saturating_sub(1));
    times / unit * unit
}

/// How much a sentence matters: what is lost on a link is the consequence of what is told already.
fn weight(line: &Line) -> u8 {
    match line.topic {
        // Nothing comes of a question that was refused: what changes something is told instead.
        _ if line.alike == UNWILLING => 1,
        Topic::Log | Topic::Request => 0,
        Topic::Link => 1,
        Topic::Lock | Topic::Queue | Topic::Cache | Topic::Ring => 2,
        // Of the same weight, so that the election that follows a killing is what is told in the end.
        Topic::Election | Topic::Process => 3,
        Topic::Deadlock => 4,
    }
}

/// How the view goes, as far as the narrator cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    Paused,
    /// Slower than the world: there is time to read.
    Slowly,
    /// As fast as the world, or faster.
    Fast,
}

/// The sentence to show: what happened last; in slow motion, the last that matters; else the weightiest of the last
/// seconds.
fn chosen(lines: &[Arc<Line>], going: Going) -> Option<Arc<Line>> {
    let last = lines.last()?;
    let mut recent =
        lines.iter().rev().take_while(|line| last.at_us.saturating_sub(line.at_us) < IMPORTANT_STAYS_US);
    match going {
        Going::Paused => return Some(last.clone()),
        Going::Slowly => return Some(recent.find(|line| weight(line) >= MATTERS).unwrap_or(last).clone()),
        Going::Fast => {}
    }
    // Of equal weight the newest: it comes first here, and the first maximum has to win.
    let chosen = recent.fold(last, |best, line| if weight(line) > weight(best) { line } else { best });
    Some(chosen.clone())
}

#[component]
pub(crate) fn Caption(shared: Shared, past: Memo<Option<u64>>) -> impl IntoView {
    let (playback, ui) = (Playback::expect(), Ui::expect());
    let going = Memo::new(move |_| {
        playback.clock.with(|clock| match clock.slowdown() {
            _ if !clock.playing => Going::Paused,
            Some(times) if times > SLOW => Going::Slowly,
            _ => Going::Fast,
        })
    });
    let line = Memo::new(move |_| playback.feed.with(|lines| chosen(lines, going.get())));
    let slower = Memo::new(move |_| {
        playback.clock.with(|clock| clock.slowdown().map(rough)).filter(|times| *times > 1)
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
            if line.others > 0 {
                parts.push((t.ui.more_alike)(line.others));
            }
        }
        parts.extend(slower.get().map(t.ui.shown_slower));
        parts.join(" · ")
    };
    let sentence = move || {
        let order = shared.order.get();
        match line.get() {
            Some(line) => rich(line.text(ui.lang.get().language()), &order),
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
            <small><PastNote past /> {times}</small>
            <div class="unseen" aria-live="polite">{move || aloud.get()}</div>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at_us: u64, topic: Topic, alike: &'static str) -> Arc<Line> {
        let words = [at_us.to_string().into(), at_us.to_string().into()];
        let node = "node1".into();
        Arc::new(Line { at_us, node, topic, bad: false, count: 1, others: 0, late: false, alike, words })
    }

    #[test]
    fn how_slow_it_is_has_two_digits() {
        let table = [(0.2, 0), (1.4, 1), (9.0, 9), (99.4, 99), (128.0, 120), (454_545.4, 450_000)];
        for (times, shown) in table {
            assert_eq!(rough(times), shown, "{times}");
        }
    }

    #[test]
    fn the_narrator_follows_an_election_in_slow_motion_and_keeps_to_what_matters_else() {
        let lines = [
            line(1_000_000, Topic::Process, ""),
            line(1_200_000, Topic::Election, ""),
            line(1_201_000, Topic::Election, UNWILLING),
            line(1_202_000, Topic::Link, "lost"),
        ];
        let at = |going, count: usize| chosen(&lines[..count], going).map(|line| line.at_us);
        assert_eq!(at(Going::Paused, 4), Some(1_202_000));
        assert_eq!(at(Going::Slowly, 4), Some(1_200_000), "not the killing, and no refusal");
        assert_eq!(at(Going::Fast, 1), Some(1_000_000));
        assert_eq!(at(Going::Fast, 4), Some(1_200_000), "who leads now, not who was killed before");
        assert_eq!(at(Going::Slowly, 1), Some(1_000_000));
        assert_eq!(at(Going::Fast, 0), None);
    }
}
