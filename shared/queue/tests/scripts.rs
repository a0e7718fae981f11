//! Scenarios of one shard's queues as text that a person can read: `shared/queue/tests/cases/*.txt`.
//!
//! Each command is one log entry, from index 1 on, which is the number of a message. First the reply, then the facts,
//! indented. `UPDATE=1 cargo test -p orrery-queue` writes what comes of the commands into the files, to be read
//! before it is committed (`tests/script`).
//!
//! ```text
//! publish TOPIC [TEXT] [key=KEY] [delay=MS]
//! consume TOPIC GROUP CONSUMER [max=N] [visible=MS]
//! ack|nack|extend|prolong|giveback TOPIC GROUP NUMBER[:RECEIPT]... [delay=MS] [visible=MS]
//! group TOPIC GROUP [latest]      ungroup TOPIC GROUP
//! redrive TOPIC [GROUP]           purge TOPIC ready|dead|all [GROUP]
//! limits [attempts=N] [dead=N] [retention=MS] [bytes=N] [depth=N] [flight=N]
//! clock MS
//! topic TOPIC  deadline  snapshot (no log entries)
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod script;

use script::Script;

#[test]
fn scenarios() {
    orrery_script::check(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases"), 10, Script::default);
}
