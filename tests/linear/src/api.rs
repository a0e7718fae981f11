//! What the cache's answers mean for the register.

use orrery_api::cache::{Delete, ReadAnswer, Write, WriteAnswer, WriteStatus};
use orrery_api::queue::JsonText;
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::valid::Name;
use orrery_cache::State;

use super::{Answer, Call, Value};

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// With a definite answer.
    Answer(Answer),
    /// It surely was not done.
    Nothing,
    Unknown,
    /// In a way that no cache may answer: a sentence.
    Odd(String),
}

/// A number as it is written into the cache.
pub fn json(value: u64) -> JsonText {
    JsonText::new(value.to_string()).expect("a number is JSON")
}

/// The body that asks for it, where it is a write with a value.
pub fn write_body(address: &str, call: Call) -> Option<Write> {
    let (value, write_back, if_version) = match call {
        Call::Write { value: Some(value), if_version } => (value, false, if_version),
        Call::WriteBack { value } => (value, true, None),
        Call::Write { value: None, .. } | Call::Read => return None,
    };
    Some(Write { address: Name::known(address), value: json(value), write_back, if_version })
}

/// The body that asks for it, where it is a deletion.
pub fn delete_body(address: &str, call: Call) -> Option<Delete> {
    match call {
        Call::Write { value: None, if_version } => Some(Delete { address: Name::known(address), if_version }),
        Call::Write { .. } | Call::WriteBack { .. } | Call::Read => None,
    }
}

/// A linearizable read was answered.
pub fn read(answer: Result<ReadAnswer, ApiError>) -> Came {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return refused(&error),
    };
    let value: Value = match answer.value.as_ref().map(|value| value.text().parse()) {
        None => None,
        Some(Ok(value)) => Some(value),
        Some(Err(_)) => return Came::Odd(format!("nobody wrote {:?}", answer.value)),
    };
    match (value, answer.version) {
        (Some(_), None) => Came::Odd("a value without a version".into()),
        (_, version) => {
            Came::Answer(Answer::Saw { value, version, dirty: value.is_some() && answer.state == State::M })
        }
    }
}

/// A write or a deletion was answered.
pub fn wrote(answer: Result<WriteAnswer, ApiError>) -> Came {
    match answer {
        Ok(WriteAnswer { status, version, durable, .. }) => match (status, durable) {
            (WriteStatus::Written, false) => Came::Answer(Answer::Taken { version }),
            (WriteStatus::Written | WriteStatus::Deleted, true) => Came::Answer(Answer::Written { version }),
            (WriteStatus::Absent, true) => Came::Answer(Answer::Absent { version }),
            (status, false) => Came::Odd(format!("{status:?} without being durable")),
        },
        Err(error) => refused(&error),
    }
}

fn refused(error: &ApiError) -> Came {
    match (error.code, error.version) {
        (ErrorCode::WrongVersion, Some(version)) => Came::Answer(Answer::Wrong { version }),
        (ErrorCode::WrongVersion, None) => Came::Odd("a wrong version, and not which".into()),
        (ErrorCode::OutcomeUnknown, _) => Came::Unknown,
        (
            ErrorCode::Unavailable
            | ErrorCode::ShardUnavailable
            | ErrorCode::NotReady
            | ErrorCode::LimitReached,
            _,
        ) => Came::Nothing,
        (code, _) => Came::Odd(format!("{code:?}: {}", error.message)),
    }
}
