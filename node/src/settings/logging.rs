//! What is written to the standard error output: `RUST_LOG`.

use tracing_subscriber::EnvFilter;

/// What is written when nobody says otherwise.
///
/// Three parts of openraft call it an error when another of its tasks has ended, which one of them does at every stop of a node.
/// They tell nothing else: why a core ended is said by the core and by the engine.
pub const DEFAULT: &str =
    "info,openraft=error,openraft::raft=off,openraft::core::heartbeat=off,openraft::core::sm::handle=off";

/// Levels, as `RUST_LOG` spells them.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The modules that write: whatever else `RUST_LOG` names stays silent, and is most likely misspelt.
const MODULES: [&str; 15] = [
    "orrery",
    "orrery_engine",
    "openraft",
    "axum",
    "h2",
    "hyper",
    "hyper_util",
    "mio",
    "rustls",
    "tokio",
    "tokio_tungstenite",
    "tokio_util",
    "tower",
    "tower_http",
    "tungstenite",
];

/// The filter for this text, and a sentence about what in it is not understood.
#[must_use]
pub fn filter(text: Option<&str>) -> (EnvFilter, Option<String>) {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return (EnvFilter::new(DEFAULT), None);
    };
    let wrong: Vec<&str> = directives(text).into_iter().filter(|part| !is_known(part)).collect();
    if wrong.is_empty()
        && let Ok(filter) = EnvFilter::try_new(directives(text).join(","))
    {
        return (filter, None);
    }
    let named = if wrong.is_empty() { text.to_owned() } else { wrong.join(", ") };
    let said = format!(
        "RUST_LOG: {named:?} is neither a level (off, error, warn, info, debug, trace) nor MODULE=LEVEL of a module of this \
         program: {DEFAULT} is used instead"
    );
    (EnvFilter::new(DEFAULT), Some(said))
}

/// The parts between commas, where these are not inside of brackets.
fn directives(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let parts = text.split(move |c| {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn is_known(directive: &str) -> bool {
    let level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    if level(directive) {
        return true;
    }
    let (target, given) = match directive.rsplit_once('=') {
        Some((target, given)) if !given.ends_with([']', '}']) => (target, Some(given)),
        _ => (directive, None),
    };
    let module = target.split(['[', ':']).next().unwrap_or(target);
    (module.is_empty() || MODULES.contains(&module)) && given.is_none_or(level)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tracing::{Level, enabled};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn what_is_understood_is_used() {
        for text in [
            "info",
            "WARN",
            "debug,openraft=error",
            "orrery::http=trace, hyper=off",
            "openraft",
            "orrery[request{client=Ayu}]=debug,info",
        ] {
            assert_eq!(filter(Some(text)).1, None, "{text}");
        }
        for nothing in [None, Some(""), Some("  ")] {
            let (filter, said) = filter(nothing);
            assert_eq!((filter.to_string().contains("openraft=error"), said), (true, None));
        }
    }

    #[test]
    fn an_end_of_openrafts_tasks_is_no_error_but_a_failed_disk_is() {
        let subscriber = tracing_subscriber::registry().with(filter(None).0);
        tracing::subscriber::with_default(subscriber, || {
            assert!(!enabled!(target: "openraft::raft::raft_inner", Level::ERROR));
            assert!(!enabled!(target: "openraft::raft::stream_append", Level::ERROR));
            assert!(!enabled!(target: "openraft::core::heartbeat::worker", Level::ERROR));
            assert!(!enabled!(target: "openraft::core::sm::handle", Level::ERROR));
            assert!(enabled!(target: "openraft::core::sm::worker", Level::ERROR));
            assert!(enabled!(target: "openraft::core::raft_core", Level::ERROR));
            assert!(enabled!(target: "openraft::storage::callback", Level::ERROR));
            assert!(!enabled!(target: "openraft::core::raft_core", Level::WARN));
            assert!(enabled!(target: "orrery_engine::publish", Level::INFO));
        });
    }

    #[test]
    fn what_is_misspelt_is_said_and_the_default_is_used() {
        for (text, word) in [
            ("inof", "inof"),
            ("verbose", "verbose"),
            ("info,orery=debug", "orery=debug"),
            ("orrery=loud", "orrery=loud"),
            ("5", "5"),
        ] {
            let (filter, said) = filter(Some(text));
            assert!(said.as_ref().unwrap().contains(word), "{text}: {said:?}");
            assert!(filter.to_string().contains("openraft=error"), "{text}: {filter}");
        }
    }
}
