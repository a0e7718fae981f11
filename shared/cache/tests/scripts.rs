//! Scenarios of one home's directory as text that a person can read: `shared/cache/tests/cases/*.txt`.
//!
//! The directory and the shard's values are the real ones; nodes say what the script lets them say. A majority and
//! the log answer at once, unless the script takes them away. Below a command stands what the home does: `answer`,
//! `ask` (a recall), `tell`, `commit`; and, indented, the facts. Questions are numbered by the home, stamps are
//! `TERM.N`, a lease lasts 1,000 ms, and a home waits 125 ms longer. `UPDATE=1 cargo test -p orrery-cache` writes
//! what comes of the commands into the files, to be read before it is committed (`tests/script`).
//!
//! ```text
//! lead TERM                    this node leads from now on; the directory before is forgotten
//! NODE reads|owns ADDRESS
//! NODE writes ADDRESS VALUE|- [if=VERSION]
//! NODE saves ADDRESS VALUE grant=STAMP write=N
//! NODE offers ADDRESS VALUE grant=STAMP write=N based=VERSION
//! NODE evicts ADDRESS grant=STAMP
//! NODE renews [lease=TERM] [none|ADDRESS own|share grant=STAMP version=N writes=N]
//! NODE answers QUESTION ack|clean|nothing|rebooted|silence|newer
//! NODE answers QUESTION dirty VALUE grant=STAMP write=N
//! majority there|lost          log works|refuses|unknown
//! clock MS                     deadline      line ADDRESS      value ADDRESS
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod script;

use script::Script;

#[test]
fn scenarios() {
    orrery_script::check(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases"), 7, Script::default);
}
