//! What clients ask of the services, and how it ends: the one table of words. The paths of HTTP, the facts about requests, the
//! labels of metrics, the page and the narrator all have theirs from here.

use std::fmt;

use orrery_base::error::ErrorCode;

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Take a lock, or wait for it.
    Acquire,
    /// Give a lock back.
    Release,
    /// Lengthen a lock's lease.
    Renew,
    /// End a wait.
    Cancel,
    /// Hand a lock to somebody else.
    Transfer,
    /// Begin a session.
    OpenSession,
    /// Lengthen a session's lease.
    RenewSession,
    /// End a session.
    CloseSession,
    /// Put a message into a topic.
    Publish,
    /// Take messages out of a topic.
    Consume,
    /// Be done with messages.
    Ack,
    /// Give messages back.
    Nack,
    /// Keep messages for longer.
    Extend,
    /// Begin a consumer group.
    CreateGroup,
    /// End a consumer group.
    DeleteGroup,
    /// Bring dead letters back.
    Redrive,
    /// Take messages out unread.
    Purge,
    /// Change the limits of the queues.
    SetLimits,
    /// Read a cache line.
    Read,
    /// Write a cache line durably.
    Write,
    /// Write a cache line and commit it later.
    WriteBack,
    /// Delete a cache line's value.
    Delete,
}

impl Operation {
    /// All of them.
    pub const ALL: [Operation; 22] = [
        Self::Acquire,
        Self::Release,
        Self::Renew,
        Self::Cancel,
        Self::Transfer,
        Self::OpenSession,
        Self::RenewSession,
        Self::CloseSession,
        Self::Publish,
        Self::Consume,
        Self::Ack,
        Self::Nack,
        Self::Extend,
        Self::CreateGroup,
        Self::DeleteGroup,
        Self::Redrive,
        Self::Purge,
        Self::SetLimits,
        Self::Read,
        Self::Write,
        Self::WriteBack,
        Self::Delete,
    ];

    /// Which service does it.
    pub const fn service(self) -> Service {
        match self {
            Self::Acquire
            | Self::Release
            | Self::Renew
            | Self::Cancel
            | Self::Transfer
            | Self::OpenSession
            | Self::RenewSession
            | Self::CloseSession => Service::Locks,
            Self::Publish
            | Self::Consume
            | Self::Ack
            | Self::Nack
            | Self::Extend
            | Self::CreateGroup
            | Self::DeleteGroup
            | Self::Redrive
            | Self::Purge
            | Self::SetLimits => Service::Queue,
            Self::Read | Self::Write | Self::WriteBack | Self::Delete => Service::Cache,
        }
    }

    /// The word of it, and the path that takes it.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Acquire => ("acquire", "/lock/acquire"),
            Self::Release => ("release", "/lock/release"),
            Self::Renew => ("renew", "/lock/renew"),
            Self::Cancel => ("cancel", "/lock/cancel"),
            Self::Transfer => ("transfer", "/lock/transfer"),
            Self::OpenSession => ("open_session", "/session"),
            Self::RenewSession => ("renew_session", "/session/renew"),
            Self::CloseSession => ("close_session", "/session/close"),
            Self::Publish => ("publish", "/queue/publish"),
            Self::Consume => ("consume", "/queue/consume"),
            Self::Ack => ("ack", "/queue/ack"),
            Self::Nack => ("nack", "/queue/nack"),
            Self::Extend => ("extend", "/queue/extend"),
            Self::CreateGroup => ("create_group", "/queue/groups"),
            Self::DeleteGroup => ("delete_group", "/queue/groups/delete"),
            Self::Redrive => ("redrive", "/queue/redrive"),
            Self::Purge => ("purge", "/queue/purge"),
            Self::SetLimits => ("set_limits", "/queue/limits"),
            Self::Read => ("read", "/cache/read"),
            Self::Write => ("write", "/cache/write"),
            Self::WriteBack => ("write_back", "/cache/write"),
            Self::Delete => ("delete", "/cache/delete"),
        }
    }

    /// The word for programs: in facts and metrics.
    pub const fn word(self) -> &'static str {
        self.names().0
    }

    /// The path of its requests.
    pub const fn path(self) -> &'static str {
        self.names().1
    }

    /// The operation of a word, also as a release before these tables wrote it; none of a word that this release does not know.
    pub fn of_word(word: &str) -> Option<Operation> {
        let word = normal(word);
        if word == "queue_limits" {
            return Some(Operation::SetLimits);
        }
        Self::ALL.into_iter().find(|operation| operation.word() == word)
    }
}

/// Every request that changes something or counts as one, by the service that does it: `$with!` gets `locks: Acquire, …;` and so
/// on. The engine and the HTTP edge take their lists from here, so that a new request is added once.
#[macro_export]
macro_rules! for_each_request {
    ($with:ident) => {
        $with! {
            locks LockService: $crate::lock::Acquire, $crate::lock::Release, $crate::lock::Renew, $crate::lock::Cancel,
                $crate::lock::Transfer,
                $crate::session::OpenSession, $crate::session::RenewSession, $crate::session::CloseSession;
            queue QueueService: $crate::queue::Publish, $crate::queue::Consume, $crate::queue::Ack, $crate::queue::Nack,
                $crate::queue::Extend, $crate::queue::CreateGroup, $crate::queue::DeleteGroup, $crate::queue::Redrive,
                $crate::queue::Purge, $crate::queue_limits::SetLimits;
            cache CacheService: $crate::cache::Write, $crate::cache::Delete;
        }
    };
}

/// Who does what clients ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Locks and sessions.
    Locks,
    /// Topics, messages and consumer groups.
    Queue,
    /// Cache lines.
    Cache,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The client has the lock.
    Acquired,
    /// Its place in the queue is kept.
    Waiting,
    /// The lock did not get free in time.
    Timeout,
    /// Waiting would never have ended.
    Deadlock,
    /// The lock was given back.
    Released,
    /// The lease is longer.
    Renewed,
    /// The wait ended without a grant.
    Cancelled,
    /// Somebody else has the lock now.
    Transferred,
    /// The client does not hold the lock.
    NotHolder,
    /// The client does not wait for the lock.
    NotWaiting,
    /// The session began.
    Opened,
    /// The session ended.
    Closed,
    /// The message is on a majority's disks.
    Published,
    /// Messages were delivered.
    Delivered,
    /// There was no message.
    Nothing,
    /// The group never gets the message again.
    Acknowledged,
    /// It never did.
    AlreadyAcknowledged,
    /// The message is ready again.
    Nacked,
    /// The message is a dead letter.
    DeadLettered,
    /// The delivery lasts longer.
    Extended,
    /// The delivery does not count any more.
    Late,
    /// There never was such a message.
    NoSuchMessage,
    /// The message was there, and is not any more.
    Gone,
    /// Not the same became of all messages.
    Partial,
    /// The consumer group began.
    Created,
    /// The consumer group was there.
    Exists,
    /// The consumer group, or the value of the line, is not there any more.
    Deleted,
    /// Dead letters wait again.
    Redriven,
    /// Messages were taken out.
    Purged,
    /// The limits changed.
    LimitsSet,
    /// The node's own copy was read.
    Hit,
    /// The value was fetched for the read.
    Fill,
    /// The line that was read has no value.
    Miss,
    /// The value is on a majority's disks.
    Written,
    /// The value is on this node only.
    WrittenBackLater,
    /// The line that was to be deleted had no value.
    Absent,
    /// It was refused, or its outcome is not known.
    Refused(ErrorCode),
    /// The caller went away before the answer.
    CallerGone,
}

/// The status of a request whose caller went away: nobody gets it.
pub const CALLER_GONE: u16 = 499;

impl Outcome {
    /// Those that are no errors.
    pub const ANSWERS: [Outcome; 36] = [
        Self::Acquired,
        Self::Waiting,
        Self::Timeout,
        Self::Deadlock,
        Self::Released,
        Self::Renewed,
        Self::Cancelled,
        Self::Transferred,
        Self::NotHolder,
        Self::NotWaiting,
        Self::Opened,
        Self::Closed,
        Self::Published,
        Self::Delivered,
        Self::Nothing,
        Self::Acknowledged,
        Self::AlreadyAcknowledged,
        Self::Nacked,
        Self::DeadLettered,
        Self::Extended,
        Self::Late,
        Self::NoSuchMessage,
        Self::Gone,
        Self::Partial,
        Self::Created,
        Self::Exists,
        Self::Deleted,
        Self::Redriven,
        Self::Purged,
        Self::LimitsSet,
        Self::Hit,
        Self::Fill,
        Self::Miss,
        Self::Written,
        Self::WrittenBackLater,
        Self::Absent,
    ];

    /// The word for programs: in facts and metrics.
    pub fn word(self) -> &'static str {
        self.names().0
    }

    /// The HTTP status of the answer.
    pub fn status(self) -> u16 {
        self.names().1
    }

    /// What people are told, in English.
    pub fn english(self) -> String {
        match self {
            Self::Timeout => "it did not get free in time".into(),
            Self::NotHolder => "the lock is not held by it".into(),
            Self::NotWaiting => "it waits for nothing there".into(),
            Self::NoSuchMessage => "there never was such a message".into(),
            Self::Late => "too late, that delivery does not count any more".into(),
            Self::Miss => "there is no value".into(),
            Self::CallerGone => "its caller went away".into(),
            Self::Refused(ErrorCode::OutcomeUnknown) => "nobody knows whether it took effect".into(),
            outcome => shown(outcome.word()),
        }
    }

    /// The same in Indonesian.
    pub fn indonesian(self) -> &'static str {
        self.names().2
    }

    /// The word, the status, and what an Indonesian reader is told.
    fn names(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::Acquired => ("acquired", 200, "diperoleh"),
            Self::Waiting => ("waiting", 202, "menunggu"),
            Self::Timeout => ("timeout", 408, "tidak bebas tepat waktu"),
            Self::Deadlock => ("deadlock", 409, "deadlock"),
            Self::Released => ("released", 200, "dilepas"),
            Self::Renewed => ("renewed", 200, "diperpanjang"),
            Self::Cancelled => ("cancelled", 200, "dibatalkan"),
            Self::Transferred => ("transferred", 200, "diserahkan"),
            Self::NotHolder => ("not_holder", 409, "kunci itu bukan miliknya"),
            Self::NotWaiting => ("not_waiting", 404, "ia tidak menunggu di sana"),
            Self::Opened => ("opened", 200, "dibuka"),
            Self::Closed => ("closed", 200, "ditutup"),
            Self::Published => ("published", 200, "diterbitkan"),
            Self::Delivered => ("delivered", 200, "dikirim"),
            Self::Nothing => ("nothing", 200, "tidak ada pesan"),
            Self::Acknowledged => ("acknowledged", 200, "diakui"),
            Self::AlreadyAcknowledged => ("already_acknowledged", 200, "sudah diakui sebelumnya"),
            Self::Nacked => ("nacked", 200, "dikembalikan"),
            Self::DeadLettered => ("dead_lettered", 200, "menjadi pesan mati"),
            Self::Extended => ("extended", 200, "diperpanjang"),
            Self::Late => ("late", 409, "terlambat, pengiriman itu tidak berlaku lagi"),
            Self::NoSuchMessage => ("no_such_message", 404, "pesan itu tidak pernah ada"),
            Self::Gone => ("gone", 410, "pesan itu sudah tidak ada"),
            Self::Partial => ("partial", 200, "hanya sebagian"),
            Self::Created => ("created", 200, "dibuat"),
            Self::Exists => ("exists", 200, "sudah ada"),
            Self::Deleted => ("deleted", 200, "dihapus"),
            Self::Redriven => ("redriven", 200, "dikembalikan ke topiknya"),
            Self::Purged => ("purged", 200, "dibuang"),
            Self::LimitsSet => ("limits_set", 200, "batas diubah"),
            Self::Hit => ("hit", 200, "ada di salinan"),
            Self::Fill => ("fill", 200, "diambil dari node lain"),
            Self::Miss => ("miss", 404, "tidak ada nilainya"),
            Self::Written => ("written", 200, "ditulis"),
            Self::WrittenBackLater => ("written_back_later", 200, "ditulis, disimpan kemudian"),
            Self::Absent => ("absent", 200, "tidak ada nilainya"),
            Self::Refused(code) => (code.word(), code.status(), refused_in_indonesian(code)),
            Self::CallerGone => ("caller_gone", CALLER_GONE, "pemintanya pergi"),
        }
    }

    /// The outcome of a word, also as a release before these tables wrote it; none of a word that this release does not know.
    pub fn of_word(word: &str) -> Option<Outcome> {
        let word = normal(word);
        match word.as_str() {
            "unknown" => return Some(Outcome::Refused(ErrorCode::OutcomeUnknown)),
            "no_value" => return Some(Outcome::Miss),
            _ => {}
        }
        let answers = Self::ANSWERS.into_iter().chain([Self::CallerGone]);
        let known = answers.into_iter().find(|outcome| outcome.word() == word);
        known.or_else(|| ErrorCode::of_word(&word).map(Outcome::Refused))
    }
}

fn refused_in_indonesian(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::BadJson | ErrorCode::BadRequest | ErrorCode::UnsupportedMediaType => "permintaan keliru",
        ErrorCode::NotFound => "tidak ditemukan",
        ErrorCode::MethodNotAllowed | ErrorCode::ForbiddenOrigin => "tidak diizinkan",
        ErrorCode::TooLarge => "terlalu besar",
        ErrorCode::NotHolder => "kunci itu bukan miliknya",
        ErrorCode::Conflict => "bertentangan dengan keadaan sekarang",
        ErrorCode::SessionExpired => "sesinya sudah habis",
        ErrorCode::KeyReused => "kunci idempotensi sudah dipakai permintaan lain",
        ErrorCode::KeyTooOld => "kunci idempotensi terlalu lama",
        ErrorCode::WrongVersion => "versinya lain",
        ErrorCode::GroupDeleted => "grupnya dihapus",
        ErrorCode::LimitReached | ErrorCode::TooManyKeys => "batasnya tercapai",
        ErrorCode::Unavailable | ErrorCode::ShardUnavailable => "tidak tersedia sekarang",
        ErrorCode::OutcomeUnknown => "tidak diketahui apakah terlaksana",
        ErrorCode::NotReady => "node belum siap",
        ErrorCode::NotImplemented => "tidak dapat dilakukan di sini",
        ErrorCode::Internal => "kesalahan internal",
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word as people read it.
pub fn shown(word: &str) -> String {
    word.replace('_', " ")
}

/// Words were written with spaces once (`not holder`, `dead-lettered`).
fn normal(word: &str) -> String {
    word.replace([' ', '-'], "_")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_word_is_read_as_what_it_was_written_for() {
        for operation in Operation::ALL {
            assert_eq!(Operation::of_word(operation.word()), Some(operation));
        }
        let words: BTreeSet<_> = Operation::ALL.into_iter().map(Operation::word).collect();
        assert_eq!(words.len(), Operation::ALL.len());
        for outcome in Outcome::ANSWERS.into_iter().chain([Outcome::CallerGone]) {
            assert_eq!(Outcome::of_word(outcome.word()), Some(outcome));
        }
        for (code, word) in ErrorCode::WORDS {
            let outcome = Outcome::of_word(word).expect("a word of an error");
            // An answer has the same word as an error: who lacks a lock is told so in either form.
            let same = outcome == Outcome::Refused(code) || outcome == Outcome::NotHolder;
            assert!(same && outcome.status() == code.status(), "{word}");
        }
    }

    #[test]
    fn words_of_earlier_releases_are_understood() {
        assert_eq!(Operation::of_word("write back"), Some(Operation::WriteBack));
        assert_eq!(Outcome::of_word("not holder"), Some(Outcome::NotHolder));
        assert_eq!(Outcome::of_word("dead-lettered"), Some(Outcome::DeadLettered));
        assert_eq!(Outcome::of_word("unknown"), Some(Outcome::Refused(ErrorCode::OutcomeUnknown)));
        assert_eq!(Operation::of_word("queue limits"), Some(Operation::SetLimits));
        assert_eq!(Outcome::of_word("unheard of"), None);
    }
}
