//! How the lock service's answers are told.

use orrery_api::request::Answer as _;

use super::words::WORDS;
use crate::actions::exchange::Service;
use crate::actions::{Answer, Asked};
use crate::i18n::Lang;
use crate::parts::results::Telling;

pub static TELLING: Telling =
    Telling { service: Service::Locks, name, sentence, good: |status| status < 300 };

fn name(answer: &Answer) -> &'static str {
    let Answer::Lock(answer) = answer else { return "" };
    answer.outcome().word()
}

fn sentence(_: &Asked, answer: &Answer, lang: Lang) -> String {
    match answer {
        Answer::Lock(answer) => (WORDS.of(lang).answer)(answer),
        _ => String::new(),
    }
}
