//! What the servers answered, in words, under the forms. A panel says how its service's answers are told.

use std::sync::Arc;

use leptos::prelude::*;

use super::rich::rich;
use crate::actions::exchange::Service;
use crate::actions::{Actions, Answer, Asked, Exchange, Progress};
use crate::i18n::Lang;
use crate::i18n::number::duration;
use crate::ui::told;

/// Outcomes that are shown where the page is tall, and where it is not.
const SHOWN_TALL: usize = 3;
const SHOWN: usize = 2;

/// How the answers of a service are told.
pub struct Telling {
    pub service: Service,
    /// One word for an answer, for programs.
    pub name: fn(&Answer) -> &'static str,
    /// The answer to what was asked, as a sentence.
    pub sentence: fn(&Asked, &Answer, Lang) -> String,
    /// Whether an answer with this HTTP status is what was wished for.
    pub good: fn(u16) -> bool,
}

/// What the servers answered for one service, newest first.
#[component]
pub(crate) fn Results(telling: &'static Telling) -> impl IntoView {
    let actions = Actions::expect();
    let shown = Memo::new_with_compare(
        move |_| {
            let mut all = actions.outcomes.get();
            all.retain(|outcome| outcome.asked.service() == telling.service);
            all
        },
        |old, new| {
            // Outcomes are replaced as a whole, so that identity is equality.
            let same = |(a, b): (&Arc<Exchange>, &Arc<Exchange>)| Arc::ptr_eq(a, b);
            let both = old.zip(new);
            !both.is_some_and(|(old, new)| old.len() == new.len() && old.iter().zip(new).all(same))
        },
    );
    view! {
        <div class="results" aria-live="polite">
            {move || {
                let count = if actions.ui.tall.get() { SHOWN_TALL } else { SHOWN };
                let newest: Vec<_> = shown.get().into_iter().rev().take(count).collect();
                newest.into_iter().map(move |outcome| result(outcome, telling, actions)).collect_view()
            }}
        </div>
    }
}

/// One word for the outcome, for programs.
fn outcome_name(progress: &Progress, telling: &Telling) -> &'static str {
    match progress {
        Progress::Asking => "asking",
        Progress::NoAnswer => "unknown",
        Progress::NoNode => "no-node",
        Progress::Refused { .. } => "error",
        Progress::Answered { answer, .. } => (telling.name)(answer),
    }
}

fn sentence(outcome: &Exchange, telling: &Telling, lang: Lang) -> String {
    let t = lang.strings();
    let node = outcome.node.as_deref().unwrap_or("–");
    match &outcome.progress {
        Progress::Asking => {
            format!("{} **{}**", (t.forms.asking)(outcome.asked.client(), node), outcome.asked.subject())
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
        Progress::Answered { answer, .. } => (telling.sentence)(&outcome.asked, answer, lang),
    }
}

fn result(outcome: Arc<Exchange>, telling: &'static Telling, actions: Actions) -> AnyView {
    let ui = actions.ui;
    let (good, busy) = match &outcome.progress {
        Progress::Asking => (true, true),
        Progress::Answered { status, .. } => ((telling.good)(*status), *status == 202),
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
            data-outcome=outcome_name(&outcome.progress, telling)
            data-client=outcome.asked.client().to_string()
            data-resource=outcome.asked.subject().to_string()
        >
            <p>{move || rich(&sentence(&shown, telling, ui.lang.get()), &order)}</p>
            {status.map(|status| {
                view! {
                    <small>
                        {move || {
                            let t = ui.t();
                            (t.forms.answered_by)(node.as_deref().unwrap_or("–"), status, &duration(took, t.lang))
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
