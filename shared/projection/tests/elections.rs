//! Elections as text that a person can read: `shared/projection/tests/cases/*.txt`, folded and narrated.
//!
//! Who wins an election is decided by openraft, whose decisions the simulator checks seed by seed. What is ours is
//! what people see of one: so each line is a fact as a node reports it, and the view that comes of it is the real
//! one, checked as a whole after each fact. Below a fact stands what the narrator says. `UPDATE=1 cargo test -p
//! orrery-projection` writes what comes of the facts into the files, to be read before it is committed
//! (`tests/script`).
//!
//! ```text
//! voters NODE...               each of them says who votes
//! NODE stands TERM             a candidate; its vote is its own
//! NODE leads TERM              NODE follows LEADER|nobody TERM [voted=NODE]
//! NODE asks NODE TERM [pre]    it asks for a vote
//! NODE hears NODE grants|refuses TERM [pre]
//! NODE appends TERM [to=NODE]  a message of a leader arrives at `to`
//! NODE timer MS                NODE reboots
//! NODE is live|silent          NODE lost|reached NODE
//! supervisor started|killed|paused|resumed NODE
//! clock MS                     show
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod election;

use election::Script;

#[test]
fn scenarios() {
    orrery_script::check(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases"), 6, Script::default);
}
