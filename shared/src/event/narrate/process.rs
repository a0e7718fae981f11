//! Processes and links.

use super::{Said, Topic};
use crate::event::fact::{Fact, LEFT_CLUSTER, Role};
use crate::event::view::{Process, View};
use crate::ids::NodeName;

pub(super) fn say(view: &View, at: &NodeName, fact: &Fact) -> Option<Said> {
    let said = match fact {
        Fact::NodeExited { node, cause } => {
            let led = view.control(node).is_some_and(|part| part.role == Role::Leader);
            let (english, indonesian) = if led { (", the leader,", ", sang pemimpin,") } else { ("", "") };
            if cause == LEFT_CLUSTER {
                Said::new(
                    Topic::Process,
                    format!("{node} left the cluster and ended: all that it had is elsewhere"),
                    format!("{node} keluar dari klaster dan berhenti: semua miliknya ada di tempat lain"),
                )
            } else if cause == "killed" {
                Said::new(
                    Topic::Process,
                    format!("{node}{english} was killed: no farewell, nothing flushed"),
                    format!("{node}{indonesian} dimatikan: tanpa pamit, tanpa menyimpan"),
                )
                .bad()
            } else {
                Said::new(
                    Topic::Process,
                    format!("{node}{english} ended: {cause}"),
                    format!("{node}{indonesian} berhenti: {cause}"),
                )
                .bad()
            }
        }
        Fact::NodeStarted { node, pid } => Said::new(
            Topic::Process,
            format!("{node} starts as process {pid} and reads what it had on its disk"),
            format!("{node} mulai sebagai proses {pid} dan membaca isi disknya"),
        ),
        Fact::NodePaused { node } => Said::new(
            Topic::Process,
            format!("{node} is stopped: to the others it looks dead"),
            format!("{node} dijeda: bagi yang lain ia tampak mati"),
        )
        .bad(),
        Fact::NodeResumed { node } => Said::new(
            Topic::Process,
            format!("{node} goes on, and does not know how much time has passed"),
            format!("{node} berjalan lagi, tanpa tahu berapa lama waktu berlalu"),
        ),
        Fact::LinkFault { peer, cut: true } => Said::new(
            Topic::Link,
            format!("The link from {at} to {peer} was cut"),
            format!("Jalur dari {at} ke {peer} diputus"),
        )
        .bad(),
        Fact::LinkFault { peer, cut: false } => Said::new(
            Topic::Link,
            format!("The link from {at} to {peer} is whole again"),
            format!("Jalur dari {at} ke {peer} pulih"),
        ),
        Fact::LinkDown { peer } => {
            // That a dead node is not connected is no news.
            let dead = view.node(peer).is_some_and(|node| node.process == Process::Down);
            if dead {
                return None;
            }
            Said::new(
                Topic::Link,
                format!("{at} lost its connection to {peer}"),
                format!("{at} kehilangan koneksi ke {peer}"),
            )
            .bad()
            .alike("link down")
        }
        Fact::LinkUp { peer } => {
            let was_down = view.link(at, peer).up == Some(false);
            if !was_down {
                return None;
            }
            Said::new(
                Topic::Link,
                format!("{at} is connected to {peer} again"),
                format!("{at} tersambung lagi ke {peer}"),
            )
            .alike("link up")
        }
        _ => return None,
    };
    Some(said)
}
