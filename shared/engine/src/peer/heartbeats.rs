//! The heartbeats of all groups between two nodes share one frame.
//!
//! The groups of a node tick at the same moments (see [`crate::timer::Grid`]), so their heartbeats to one peer come within
//! a moment of each other: the first of them waits that long for the others, and one frame carries them all. An idle
//! cluster then costs by its links and not by its groups. A frame goes at once while a read waits for its round, and where
//! the peer does not know the commit index yet: on that link the next entries go out only after its answer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::AsyncRuntime;
use openraft::async_runtime::{Oneshot, OneshotSender, Select2};
use orrery_base::ids::{GroupId, NodeId};
use orrery_machine::Member;

use crate::host::{CallError, Host, Urgency};
use crate::peer::client::Peers;
use crate::peer::message::{Beat, BeatAnswer, PeerRequest, PeerResponse};
use crate::sync::lock;

/// How long the first heartbeat waits for those of the other groups: the finest that the runtime's timer does.
const GATHER: Duration = Duration::from_millis(1);

/// What became of one group's heartbeat.
pub type Beaten<R> = Result<BeatAnswer<R>, CallError>;

type Sender<H> =
    <<<H as Host>::Runtime as AsyncRuntime>::Oneshot as Oneshot>::Sender<Beaten<<H as Host>::Runtime>>;

/// Heartbeats that wait for their frame.
pub struct Heartbeats<H: Host> {
    /// By the peer that they are for. At most one of a group is under way to a peer at a time.
    waiting: Mutex<BTreeMap<NodeId, Vec<Waiting<H>>>>,
    /// Read-index rounds under way: their heartbeats are what somebody waits for.
    rounds: AtomicUsize,
}

struct Waiting<H: Host> {
    beat: Beat<H::Runtime>,
    answer: Sender<H>,
}

impl<H: Host> Default for Heartbeats<H> {
    fn default() -> Self {
        Heartbeats { waiting: Mutex::default(), rounds: AtomicUsize::new(0) }
    }
}

/// While it lives, heartbeats go at once.
pub struct Round<H: Host>(Arc<Peers<H>>);

impl<H: Host> Drop for Round<H> {
    fn drop(&mut self) {
        self.0.heartbeats.rounds.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<H: Host> Peers<H> {
    /// A read-index round begins.
    pub fn round(self: &Arc<Self>) -> Round<H> {
        self.heartbeats.rounds.fetch_add(1, Ordering::Relaxed);
        Round(self.clone())
    }

    /// One group's heartbeat, in the next frame to that peer: `at_once`, or when the other groups had time to come.
    pub async fn heartbeat(
        self: &Arc<Self>,
        to: &Member,
        beat: Beat<H::Runtime>,
        at_once: bool,
    ) -> Beaten<H::Runtime> {
        let (answer, answered) = <<H::Runtime as AsyncRuntime>::Oneshot as Oneshot>::channel();
        let first = {
            let mut waiting = lock(&self.heartbeats.waiting);
            let line = waiting.entry(to.id).or_default();
            line.push(Waiting { beat, answer });
            line.len() == 1
        };
        if first || at_once {
            // A task of its own: whoever came first may give up, and the others still wait.
            let (peers, to) = (self.clone(), to.clone());
            drop(H::Runtime::spawn(async move {
                if !at_once && peers.heartbeats.rounds.load(Ordering::Relaxed) == 0 {
                    H::Runtime::sleep(GATHER).await;
                }
                peers.send_heartbeats(&to).await;
            }));
        }
        answered.await.unwrap_or_else(|_| Err(CallError::NotSent("this node is stopping".into())))
    }

    async fn send_heartbeats(&self, to: &Member) {
        // Somebody in a hurry may have taken those along that others wait with.
        let Some(waiting) = lock(&self.heartbeats.waiting).remove(&to.id) else { return };
        let (beats, senders): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|waiting| (waiting.beat, waiting.answer)).unzip();
        let request = PeerRequest::Heartbeats { beats, timing: self.timing.own };
        let call = self.call(GroupId::CONTROL, to, Urgency::Election, request, self.round_trips.longest());
        let mut call = std::pin::pin!(call);
        let nap = H::Runtime::sleep(self.round_trips.timeout(&to.name));
        let told = match H::Runtime::select2(call.as_mut(), nap).await {
            Select2::First(told) => told,
            Select2::Second(()) => {
                self.round_trips.timed_out(&to.name);
                for sender in senders {
                    // Who gave up does not listen any more.
                    let _ = sender.send(Err(CallError::NoAnswer));
                }
                // Nobody counts this answer any more; how long it took is counted in the call.
                drop(call.await);
                return;
            }
        };
        let answers: Vec<Beaten<H::Runtime>> = match told {
            Ok(PeerResponse::Heartbeats(answers)) if answers.len() == senders.len() => {
                answers.into_iter().map(Ok).collect()
            }
            Ok(PeerResponse::Refused { why } | PeerResponse::Dismissed { why }) => {
                senders.iter().map(|_| Ok(BeatAnswer::Refused { why: why.clone() })).collect()
            }
            Ok(_) => senders.iter().map(|_| Err(CallError::NoAnswer)).collect(),
            Err(error) => senders.iter().map(|_| Err(error.clone())).collect(),
        };
        for (sender, answer) in senders.into_iter().zip(answers) {
            // Who gave up does not listen any more.
            let _ = sender.send(answer);
        }
    }
}
