//! Requests of clients: that they begin, and that they were refused or took long.

use orrery_api::operation::{Outcome, shown};
use orrery_base::error::ErrorCode;
use orrery_base::ids::NodeName;
use orrery_projection::view::{RequestView, View};

use super::{Said, Topic, seconds, words};

/// What took so long is told also where nothing was refused.
const LONG_US: u64 = 2_000_000;

pub(super) fn begun(node: &NodeName, client: &str, operation: &str, subject: &str) -> Said {
    let [who, siapa] = named(client);
    let operation = shown(operation);
    words::filled(
        Topic::Request,
        ["{0} asks {1}: {2} {3}", "{0} meminta kepada {1}: {2} {3}"],
        [&[who, node, &operation, subject], &[siapa, node, &operation, subject]],
    )
    .alike("request")
}

pub(super) fn ended(
    view: &View,
    node: &NodeName,
    request: u64,
    (outcome, status): (&str, u16),
    took_us: u64,
) -> Option<Said> {
    if status < 400 && took_us < LONG_US {
        return None;
    }
    let begun = view.requests.get(&(node.clone(), request))?;
    let RequestView { client, operation, subject, .. } = &**begun;
    let (took, operation, [outcome, akibat]) = (seconds(took_us), shown(operation), words_of(outcome));
    let [who, siapa] = named(client);
    let said = words::filled(
        Topic::Request,
        [
            "{0}'s request ({1} {2}) ended after {3} s: {4}",
            "Permintaan {0} ({1} {2}) selesai setelah {3} d: {4}",
        ],
        [&[who, &operation, subject, &took[0], &outcome], &[siapa, &operation, subject, &took[1], &akibat]],
    );
    Some(if status >= 400 { said.bad().alike("refused") } else { said })
}

/// Whoever reads a cache line names nobody.
fn named(client: &str) -> [&str; 2] {
    if client.is_empty() { ["Somebody", "Seseorang"] } else { [client, client] }
}

/// How a request ended, in both languages. The word itself where this release does not know it.
fn words_of(word: &str) -> [String; 2] {
    let told = Outcome::of_word(word).map(|outcome| [english(outcome), indonesian(outcome)]);
    told.unwrap_or_else(|| [shown(word), shown(word)])
}

fn english(outcome: Outcome) -> String {
    match outcome {
        Outcome::Timeout => "it did not get free in time".into(),
        Outcome::NotHolder => "the lock is not held by it".into(),
        Outcome::NotWaiting => "it waits for nothing there".into(),
        Outcome::NoSuchMessage => "there never was such a message".into(),
        Outcome::Late => "too late, that delivery does not count any more".into(),
        Outcome::Miss => "there is no value".into(),
        Outcome::CallerGone => "its caller went away".into(),
        Outcome::Refused(ErrorCode::OutcomeUnknown) => "nobody knows whether it took effect".into(),
        outcome => shown(outcome.word()),
    }
}

fn indonesian(outcome: Outcome) -> String {
    let told = match outcome {
        Outcome::Acquired => "diperoleh",
        Outcome::Waiting => "menunggu",
        Outcome::Timeout => "tidak bebas tepat waktu",
        Outcome::Deadlock => "deadlock",
        Outcome::Released => "dilepas",
        Outcome::Renewed => "diperpanjang",
        Outcome::Cancelled => "dibatalkan",
        Outcome::NotHolder => "kunci itu bukan miliknya",
        Outcome::NotWaiting => "ia tidak menunggu di sana",
        Outcome::Opened => "dibuka",
        Outcome::Closed => "ditutup",
        Outcome::Published => "diterbitkan",
        Outcome::Delivered => "dikirim",
        Outcome::Nothing => "tidak ada pesan",
        Outcome::Acknowledged => "diakui",
        Outcome::AlreadyAcknowledged => "sudah diakui sebelumnya",
        Outcome::Nacked => "dikembalikan",
        Outcome::DeadLettered => "menjadi pesan mati",
        Outcome::Extended => "diperpanjang",
        Outcome::Late => "terlambat, pengiriman itu tidak berlaku lagi",
        Outcome::NoSuchMessage => "pesan itu tidak pernah ada",
        Outcome::Gone => "pesan itu sudah tidak ada",
        Outcome::Partial => "hanya sebagian",
        Outcome::Created => "dibuat",
        Outcome::Exists => "sudah ada",
        Outcome::Deleted => "dihapus",
        Outcome::Redriven => "dikembalikan ke topiknya",
        Outcome::Purged => "dibuang",
        Outcome::LimitsSet => "batas diubah",
        Outcome::Hit => "ada di salinan",
        Outcome::Fill => "diambil dari node lain",
        Outcome::Miss | Outcome::Absent => "tidak ada nilainya",
        Outcome::Written => "ditulis",
        Outcome::WrittenBackLater => "ditulis, disimpan kemudian",
        Outcome::CallerGone => "pemintanya pergi",
        Outcome::Refused(code) => refused_in_indonesian(code),
    };
    told.into()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_any_release_are_told() {
        for (word, english, indonesian) in [
            ("not holder", "the lock is not held by it", "kunci itu bukan miliknya"),
            ("not_holder", "the lock is not held by it", "kunci itu bukan miliknya"),
            ("outcome_unknown", "nobody knows whether it took effect", "tidak diketahui apakah terlaksana"),
            ("from_tomorrow", "from tomorrow", "from tomorrow"),
        ] {
            assert_eq!(words_of(word), [english, indonesian]);
        }
    }
}
