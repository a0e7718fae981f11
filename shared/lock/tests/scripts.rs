//! Scenarios of the lock manager as text that a person can read: `shared/lock/tests/cases/*.txt`.
//!
//! Each command is one log entry, from index 1 on. First the reply, then the facts, indented. `UPDATE=1 cargo test -p
//! orrery-lock` writes what comes of the commands into the files, to be read before it is committed (`tests/script`).
//!
//! ```text
//! acquire RESOURCE CLIENT[/SESSION] X|S [ttl=MS] [nowait|poll[=MS]|queue[=MS]] [key=CLIENT/NUMBER]
//! release RESOURCE HOLDER [token=N]      renew RESOURCE HOLDER [token=N] [ttl=MS]
//! cancel RESOURCE HOLDER [wait=N]        withdraw RESOURCE HOLDER wait=N of=CLIENT/NUMBER
//! clock MS
//! open CLIENT [ttl=MS]                   keep SESSION          close SESSION
//! form NAME=ID...    admit NAME ADDRESS  dismiss NAME          version N
//! place BASE SHARD=ID,ID...
//! status [RESOURCE]  edges  deadline  members  map  snapshot   (no log entries)
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod script;

use script::Script;

#[test]
fn scenarios() {
    orrery_script::check(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases"), 8, Script::default);
}
