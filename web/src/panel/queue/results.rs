//! How the queues' answers are told.

use orrery_api::queue::Settlement;

use super::words::WORDS;
use crate::actions::exchange::Service;
use crate::actions::{Answer, Asked};
use crate::i18n::Lang;
use crate::parts::results::Telling;
use crate::request::queue::QueueAnswer;

pub static TELLING: Telling =
    Telling { service: Service::Queue, name, sentence, good: |status| status < 300 };

fn name(answer: &Answer) -> &'static str {
    let Answer::Queue(answer) = answer else { return "" };
    match answer {
        QueueAnswer::Published { .. } => "published",
        QueueAnswer::Delivered(messages) if messages.is_empty() => "nothing",
        QueueAnswer::Delivered(_) => "delivered",
        QueueAnswer::Settled { status, .. } => settled_name(*status),
        QueueAnswer::Redriven(_) => "redriven",
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

fn sentence(asked: &Asked, answer: &Answer, lang: Lang) -> String {
    match (asked, answer) {
        (Asked::Queue(ask), Answer::Queue(answer)) => (WORDS.of(lang).answer)(ask, answer),
        _ => String::new(),
    }
}
