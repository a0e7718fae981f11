//! How the cache's answers are told.

use orrery_api::cache::{ReadStatus, WriteStatus};

use super::words::WORDS;
use crate::actions::exchange::Service;
use crate::actions::{Answer, Asked};
use crate::i18n::Lang;
use crate::parts::results::Telling;
use crate::request::cache::CacheAnswer;

/// That a line has no value is an answer as good as any.
pub static TELLING: Telling = Telling { service: Service::Cache, name, sentence, good: |_| true };

fn name(answer: &Answer) -> &'static str {
    let Answer::Cache(answer) = answer else { return "" };
    match answer {
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
    }
}

fn sentence(asked: &Asked, answer: &Answer, lang: Lang) -> String {
    match (asked, answer) {
        (Asked::Cache(ask, _), Answer::Cache(answer)) => (WORDS.of(lang).answer)(ask, answer),
        _ => String::new(),
    }
}
