//! Requests of clients: that they begin, and that they were refused or took long.

use orrery_api::operation::{CALLER_GONE, Outcome, shown};
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
        words!["{0} asks {1}: {2} {3}", "{0} meminta kepada {1}: {2} {3}"],
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
    let (took, operation, [outcome, akibat]) =
        (seconds(took_us), shown(operation), words_of(outcome, status));
    let [who, siapa] = named(client);
    let said = words::filled(
        Topic::Request,
        words![
            "{0}'s request ({1} {2}) ended after {3} s: {4}",
            "Permintaan {0} ({1} {2}) selesai setelah {3} d: {4}"
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
fn words_of(word: &str, status: u16) -> [String; 2] {
    // The word `gone` was once that of a caller who went away.
    let outcome = if status == CALLER_GONE { Some(Outcome::CallerGone) } else { Outcome::of_word(word) };
    let told = outcome.map(|outcome| [outcome.english(), outcome.indonesian().to_owned()]);
    told.unwrap_or_else(|| [shown(word), shown(word)])
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
            assert_eq!(words_of(word, 409), [english, indonesian]);
        }
        assert_eq!(words_of("gone", CALLER_GONE), ["its caller went away", "pemintanya pergi"]);
    }
}
