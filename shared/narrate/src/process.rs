//! Processes and connections.

use orrery_base::ids::NodeName;
use orrery_event::fact::{Fact, LEFT_CLUSTER, Role};
use orrery_projection::view::{Process, View};
use smol_str::ToSmolStr;

use super::{Said, Topic, words};

/// How a process may end, as the supervisor says it, in Indonesian.
const ENDS: [[&str; 2]; 5] = [
    ["exited with code", "keluar dengan kode"],
    ["ended by signal", "diakhiri sinyal"],
    ["killed", "dimatikan"],
    ["stopped", "dihentikan"],
    [LEFT_CLUSTER, "keluar dari klaster"],
];

/// The supervisor says in English why a process ended.
pub fn exit_cause_in_indonesian(cause: &str) -> String {
    let told = ENDS.iter().find_map(|[english, own]| Some([*own, cause.strip_prefix(english)?].concat()));
    told.unwrap_or_else(|| cause.to_owned())
}

pub(super) fn say(view: &View, at: &NodeName, fact: &Fact) -> Option<Said> {
    let said = match fact {
        Fact::NodeExited { node, cause } => {
            // One that was deposed and does not know it is no leader.
            let led = view.control(node).is_some_and(|part| part.role == Role::Leader)
                && !view.leadership().deposed.contains(node);
            let (english, indonesian) = if led { (", the leader,", ", sang pemimpin,") } else { ("", "") };
            if cause == LEFT_CLUSTER {
                words::said(
                    Topic::Process,
                    words![
                        "{0} left the cluster and ended: all that it had is elsewhere",
                        "{0} keluar dari klaster dan berhenti: semua miliknya ada di tempat lain"
                    ],
                    &[node],
                )
            } else if cause == "killed" {
                words::filled(
                    Topic::Process,
                    words![
                        "{0}{1} was killed: no farewell, nothing flushed",
                        "{0}{1} dimatikan: tanpa pamit, tanpa menyimpan"
                    ],
                    [&[node, english], &[node, indonesian]],
                )
                .bad()
            } else {
                words::filled(
                    Topic::Process,
                    words!["{0}{1} ended: {2}", "{0}{1} berhenti: {2}"],
                    [&[node, english, cause], &[node, indonesian, &exit_cause_in_indonesian(cause)]],
                )
                .bad()
            }
        }
        Fact::NodeStarted { node, pid } => words::said(
            Topic::Process,
            words![
                "{0} starts as process {1} and reads what it had on its disk",
                "{0} mulai sebagai proses {1} dan membaca isi disknya"
            ],
            &[node, &pid.to_smolstr()],
        ),
        Fact::NodePaused { node } => words::said(
            Topic::Process,
            words![
                "{0} is stopped: to the others it looks dead",
                "{0} dijeda: bagi yang lain ia tampak mati"
            ],
            &[node],
        )
        .bad(),
        Fact::NodeResumed { node } => words::said(
            Topic::Process,
            words![
                "{0} goes on, and does not know how much time has passed",
                "{0} berjalan lagi, tanpa tahu berapa lama waktu berlalu"
            ],
            &[node],
        ),
        Fact::LinkDown { peer } => {
            // That a dead node is not connected is no news.
            let dead = view.node(peer).is_some_and(|node| node.process == Process::Down);
            if dead {
                return None;
            }
            words::said(
                Topic::Link,
                words!["{0} lost its connection to {1}", "{0} kehilangan koneksi ke {1}"],
                &[at, peer],
            )
            .bad()
            .alike("link down")
        }
        Fact::LinkUp { peer } => {
            let was_down = view.link(at, peer).up == Some(false);
            if !was_down {
                return None;
            }
            words::said(
                Topic::Link,
                words!["{0} is connected to {1} again", "{0} tersambung lagi ke {1}"],
                &[at, peer],
            )
            .alike("link up")
        }
        _ => return None,
    };
    Some(said)
}
