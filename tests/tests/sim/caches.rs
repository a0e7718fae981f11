//! The check of the cache bites.

use std::collections::BTreeMap;

use orrery_cache::{State, Version};
use orrery_sim::runtime::TaskGroup;
use orrery_tests::sim::checks::{Applied, Caches, Copy, address};

/// The word that a violation names; none where all is well.
type Case = (&'static [(TaskGroup, State, Version, u64)], Version, Option<&'static str>);

const CASES: [Case; 9] = [
    (&[(1, State::S, 4, 7), (2, State::S, 4, 7)], 4, None),
    (&[(1, State::E, 4, 7)], 4, None),
    (&[(1, State::M, 4, 8)], 4, None),
    // What an owner wrote is being written back.
    (&[(1, State::M, 4, 8)], 5, None),
    (&[(1, State::E, 4, 7), (2, State::M, 4, 8)], 4, Some("2 owners")),
    (&[(1, State::E, 4, 7), (2, State::S, 4, 7)], 4, Some("others read")),
    (&[(1, State::S, 4, 7), (2, State::S, 3, 7)], 4, Some("differ")),
    (&[(1, State::S, 4, 7), (2, State::S, 4, 8)], 4, Some("differ")),
    (&[(1, State::S, 4, 7), (2, State::S, 4, 7)], 5, Some("was changed")),
];

#[test]
fn copies_are_compared() {
    for (copies, last, expected) in CASES {
        let all = copies.iter().map(|(node, state, version, value)| Copy {
            node: *node,
            state: *state,
            version: *version,
            value: Some(value.to_string()),
        });
        let copies_of = BTreeMap::from([(address(0), all.collect())]);
        let verdict = Caches::default().copies(&copies_of, &Applied::from([(address(0), last)]));
        match expected {
            None => assert_eq!(verdict, Ok(()), "{copies:?}"),
            Some(word) => assert!(verdict.is_err_and(|why| why.contains(word)), "{copies:?}"),
        }
    }
}
