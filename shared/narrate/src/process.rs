//! Processes and links.

use orrery_base::ids::NodeName;
use orrery_event::fact::{Fact, ImpairedLink, LEFT_CLUSTER, Role};
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
        Fact::LinkFault { peer, cut: true } => words::said(
            Topic::Link,
            words!["The link from {0} to {1} was cut", "Jalur dari {0} ke {1} diputus"],
            &[at, peer],
        )
        .bad(),
        Fact::LinkFault { peer, cut: false } => words::said(
            Topic::Link,
            words!["The link from {0} to {1} is whole again", "Jalur dari {0} ke {1} pulih"],
            &[at, peer],
        ),
        Fact::LinkImpaired { link: ImpairedLink { peer, delay_ms, loss_percent } } => {
            let (delay, loss) = (delay_ms.to_smolstr(), u32::from(*loss_percent).to_smolstr());
            let sound = *delay_ms == 0 && *loss_percent == 0;
            let words = match (delay_ms, loss_percent) {
                (0, 0) => words![
                    "Messages from {0} to {1} are no longer slowed or lost on purpose",
                    "Pesan dari {0} ke {1} tidak lagi sengaja diperlambat atau dihilangkan"
                ],
                (_, 0) => {
                    words![
                        "Messages from {0} to {1} take {2} ms longer",
                        "Pesan dari {0} ke {1} lebih lama {2} ms"
                    ]
                }
                (0, _) => words![
                    "{3} of 100 messages from {0} to {1} get lost",
                    "{3} dari 100 pesan dari {0} ke {1} hilang"
                ],
                _ => words![
                    "Messages from {0} to {1} take {2} ms longer, and {3} of 100 get lost",
                    "Pesan dari {0} ke {1} lebih lama {2} ms, dan {3} dari 100 hilang"
                ],
            };
            let said = words::said(Topic::Link, words, &[at, peer, &delay, &loss]);
            if sound { said } else { said.bad() }
        }
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
