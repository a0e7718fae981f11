//! What the servers answered, in words: under the forms of the locks and of the queues.

use std::sync::Arc;

use leptos::prelude::*;
use orrery_api::cache::{ReadStatus, WriteStatus};
use orrery_api::lock::LockAnswer;
use orrery_api::queue::Settlement;

use super::rich::rich;
use crate::actions::outcome::Service;
use crate::actions::{Actions, Answer, Asked, Outcome, Progress};
use crate::i18n::Strings;
use crate::i18n::number::duration;
use crate::request::cache::CacheAnswer;
use crate::request::queue::QueueAnswer;
use crate::ui::told;

/// Outcomes that are shown where the page is tall, and where it is not.
const SHOWN_TALL: usize = 3;
const SHOWN: usize = 2;

/// What the servers answered for one service, newest first.
#[component]
pub(crate) fn Results(service: Service) -> impl IntoView {
    let actions = Actions::expect();
    let shown = Memo::new_with_compare(
        move |_| {
            let mut all = actions.outcomes.get();
            all.retain(|outcome| outcome.asked.service() == service);
            all
        },
        |old, new| {
            // Outcomes are replaced as a whole, so that identity is equality.
            let same = |(a, b): (&Arc<Outcome>, &Arc<Outcome>)| Arc::ptr_eq(a, b);
            let both = old.zip(new);
            !both.is_some_and(|(old, new)| old.len() == new.len() && old.iter().zip(new).all(same))
        },
    );
    view! {
        <div class="results" aria-live="polite">
            {move || {
                let count = if actions.ui.tall.get() { SHOWN_TALL } else { SHOWN };
                let newest: Vec<_> = shown.get().into_iter().rev().take(count).collect();
                newest.into_iter().map(move |outcome| result(outcome, actions)).collect_view()
            }}
        </div>
    }
}

/// One word for the outcome, for programs.
fn outcome_name(progress: &Progress) -> &'static str {
    match progress {
        Progress::Asking => "asking",
        Progress::NoAnswer => "unknown",
        Progress::NoNode => "no-node",
        Progress::Refused { .. } => "error",
        Progress::Answered { answer: Answer::Queue(answer), .. } => match answer {
            QueueAnswer::Published { .. } => "published",
            QueueAnswer::Delivered(messages) if messages.is_empty() => "nothing",
            QueueAnswer::Delivered(_) => "delivered",
            QueueAnswer::Settled { status, .. } => settled_name(*status),
            QueueAnswer::Redriven(_) => "redriven",
        },
        Progress::Answered { answer: Answer::Cache(answer), .. } => match answer {
            CacheAnswer::Read(read) => match read.status {
                ReadStatus::Hit => "hit",
                ReadStatus::Fill => "fill",
                ReadStatus::Miss => "miss",
            },
            CacheAnswer::Written(write) => match write.status {
                WriteStatus::Deleted => "deleted",
                WriteStatus::Absent => "absent",
                WriteStatus::Written if write.durable => "written",
                WriteStatus::Written => "not-durable",
            },
        },
        Progress::Answered { answer: Answer::Lock(answer), .. } => match answer.as_ref() {
            LockAnswer::Acquired { .. } => "acquired",
            LockAnswer::Waiting { .. } => "waiting",
            LockAnswer::Timeout { .. } => "timeout",
            LockAnswer::Deadlock { .. } => "deadlock",
            LockAnswer::Released { .. } => "released",
            LockAnswer::Renewed { .. } => "renewed",
            LockAnswer::Cancelled { .. } => "cancelled",
            LockAnswer::NotHolder { .. } => "not_holder",
            LockAnswer::NotWaiting { .. } => "not_waiting",
        },
    }
}

fn settled_name(status: Settlement) -> &'static str {
    match status {
        Settlement::Acknowledged => "acknowledged",
        Settlement::AlreadyAcknowledged => "already_acknowledged",
        Settlement::Nacked => "nacked",
        Settlement::DeadLettered => "dead_lettered",
        Settlement::Late => "late",
        Settlement::Gone => "gone",
        Settlement::Unknown => "unknown",
        Settlement::Extended
        | Settlement::ShardUnavailable
        | Settlement::OutcomeUnknown
        | Settlement::Partial => "error",
    }
}

fn sentence(outcome: &Outcome, t: &'static Strings) -> String {
    let node = outcome.node.as_deref().unwrap_or("–");
    match &outcome.progress {
        Progress::Asking => {
            format!("{} **{}**", (t.locks.asking)(outcome.asked.client(), node), outcome.asked.subject())
        }
        Progress::NoNode => t.trouble.no_node.to_owned(),
        Progress::NoAnswer => format!("{node}: {}", t.trouble.unreachable),
        Progress::Refused { error, .. } => {
            let mut words = format!("**{}** {}", (t.error)(error.code), error.message);
            if outcome.unknown() {
                words.push(' ');
                words.push_str(&(t.trouble.unknown_outcome)(&outcome.key));
            }
            words
        }
        Progress::Answered { answer: Answer::Lock(answer), .. } => (t.answer)(answer),
        Progress::Answered { answer, .. } => match (answer, &outcome.asked) {
            (Answer::Queue(answer), Asked::Queue(ask)) => (t.queue_answer)(ask, answer),
            (Answer::Cache(answer), Asked::Cache(ask, _)) => (t.cache.answer)(ask, answer),
            _ => String::new(),
        },
    }
}

fn result(outcome: Arc<Outcome>, actions: Actions) -> AnyView {
    let ui = actions.ui;
    let (good, busy) = match &outcome.progress {
        Progress::Asking => (true, true),
        // That a line has no value is an answer.
        Progress::Answered { answer: Answer::Cache(_), .. } => (true, false),
        Progress::Answered { status, .. } => (*status < 300, *status == 202),
        _ => (false, false),
    };
    let status = match &outcome.progress {
        Progress::Answered { status, .. } | Progress::Refused { status, .. } => Some(*status),
        _ => None,
    };
    let unknown = outcome.unknown();
    let shown = outcome.clone();
    let order = actions.playback.view.with_untracked(|view| view.order.clone());
    let node = outcome.node.clone();
    let took = outcome.took_us;
    view! {
        <div
            class="result"
            class:bad=!good
            class:busy=busy
            data-testid="result"
            data-outcome=outcome_name(&outcome.progress)
            data-client=outcome.asked.client().to_string()
            data-resource=outcome.asked.subject().to_string()
        >
            <p>{move || rich(&sentence(&shown, ui.t()), &order)}</p>
            {status.map(|status| {
                view! {
                    <small>
                        {move || {
                            let t = ui.t();
                            (t.locks.answered_by)(node.as_deref().unwrap_or("–"), status, &duration(took, t.lang))
                        }}
                    </small>
                }
            })}
            {unknown
                .then(|| {
                    let outcome = outcome.clone();
                    view! {
                        <button
                            type="button"
                            class="link"
                            data-testid="retry"
                            on:click=move |_| actions.retry(&outcome)
                        >
                            {told(|t| t.trouble.retry_same_key)}
                        </button>
                    }
                })}
        </div>
    }.into_any()
}
