//! How the lock service's answers are told.

use orrery_api::lock::LockAnswer;

use super::words::WORDS;
use crate::actions::outcome::Service;
use crate::actions::{Answer, Asked};
use crate::i18n::Lang;
use crate::parts::results::Telling;

pub static TELLING: Telling =
    Telling { service: Service::Locks, name, sentence, good: |status| status < 300 };

fn name(answer: &Answer) -> &'static str {
    let Answer::Lock(answer) = answer else { return "" };
    match answer.as_ref() {
        LockAnswer::Acquired { .. } => "acquired",
        LockAnswer::Waiting { .. } => "waiting",
        LockAnswer::Timeout { .. } => "timeout",
        LockAnswer::Deadlock { .. } => "deadlock",
        LockAnswer::Released { .. } => "released",
        LockAnswer::Renewed { .. } => "renewed",
        LockAnswer::Cancelled { .. } => "cancelled",
        LockAnswer::NotHolder { .. } => "not_holder",
        LockAnswer::NotWaiting { .. } => "not_waiting",
    }
}

fn sentence(_: &Asked, answer: &Answer, lang: Lang) -> String {
    match answer {
        Answer::Lock(answer) => (WORDS.of(lang).answer)(answer),
        _ => String::new(),
    }
}
