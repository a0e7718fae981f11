//! The MESI table, every pair.

use crate::table::{Action, State, Stimulus, Transition, markdown, next};

/// One row per stimulus; the columns are M, E, S, I: the state after it, and what the node does.
const TABLE: [(Stimulus, [(State, Action); 4]); 9] = {
    use Action::*;
    use State::*;
    [
        (Stimulus::LocalRead, [(M, Hit), (E, Hit), (S, Hit), (S, AskShared)]),
        (Stimulus::LocalWrite, [(M, Hit), (M, Hit), (M, AskOwned), (M, AskOwned)]),
        (Stimulus::Evict, [(I, WriteBack), (I, TellHome), (I, TellHome), (I, Impossible)]),
        (Stimulus::GetS, [(S, AnswerDirty), (S, AnswerClean), (S, Nothing), (I, Nothing)]),
        (Stimulus::GetM, [(I, AnswerDirty), (I, AnswerClean), (I, Acknowledge), (I, Nothing)]),
        (Stimulus::Inv, [(M, Impossible), (E, Impossible), (I, Acknowledge), (I, Acknowledge)]),
        (Stimulus::Fetch, [(S, AnswerDirty), (S, AnswerClean), (S, AnswerClean), (I, AnswerNotHeld)]),
        (Stimulus::FetchInv, [(I, AnswerDirty), (I, AnswerClean), (I, AnswerClean), (I, AnswerNotHeld)]),
        (Stimulus::LeaseOut, [(I, SetAside), (I, SetAside), (I, Nothing), (I, Nothing)]),
    ]
};

#[test]
fn every_pair_is_what_it_should_be() {
    for (row, stimulus) in TABLE.iter().zip(Stimulus::ALL) {
        assert_eq!(row.0, stimulus);
        for (state, (to, action)) in State::ALL.into_iter().zip(row.1) {
            assert_eq!(next(state, stimulus), Transition { to, action }, "{state} {stimulus:?}");
        }
    }
}

#[test]
fn nothing_dirty_is_dropped_and_nothing_invalid_is_served() {
    for stimulus in Stimulus::ALL {
        let Transition { to, action } = next(State::M, stimulus);
        let kept = matches!(action, Action::WriteBack | Action::AnswerDirty | Action::SetAside);
        assert!(to == State::M || kept, "{stimulus:?}");
        assert_ne!(next(State::I, stimulus).action, Action::Hit, "{stimulus:?}");
    }
}

#[test]
fn the_documentation_shows_this_table() {
    let page = include_str!("../../../../docs/cache.md");
    assert!(page.contains(&markdown()), "docs/cache.md should contain:\n{}", markdown());
}
