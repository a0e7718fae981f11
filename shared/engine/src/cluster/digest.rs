//! Replicas compare their states: equal logs must have come to equal states, and where they did not, nobody else notices.
//!
//! Once a minute, and when asked to, the leader of a group names an index that comes next. Every replica forks its state
//! when it has applied just that entry (a fork is cheap, and waits for nothing), and hashes the fork as a snapshot would be
//! encoded: piece by piece with pauses, beside everything else. The leader collects the hashes and tells all of them to
//! all; each replica judges only itself. Who differs from more than half of the replicas, or, where all have answered
//! and no hash has more than half, from the leader, gives the group up and says so: its log is right and its state is not,
//! so nothing that it could answer can be trusted. Its data directory does not serve the group again.
//!
//! A replica that is behind or away is not waited for; it is compared a minute later.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use openraft::AsyncRuntime;
use openraft::async_runtime::{Oneshot, OneshotSender};
use orrery_api::node::{Compared, Diverged};
use orrery_base::ids::{GroupId, LogIndex, NodeId, NodeName};
use orrery_machine::{Machine, Member};
use xxhash_rust::const_xxh64::xxh64;

use crate::cluster::Cluster;
use crate::codec::{self, DISK_VERSION};
use crate::host::{Disk, Host, Urgency, Write};
use crate::peer::message::DigestAnswer;
use crate::peer::message::Verdict;
use crate::peer::message::{PeerRequest, PeerResponse};
use crate::raft::group::Group;
use crate::sync::lock;

/// How long a replica waits until it has applied the entry.
const REACH_WITHIN: Duration = Duration::from_secs(3);

/// How long hashing may take: a state that takes longer is not compared.
const HASH_WITHIN: Duration = Duration::from_secs(50);

/// After each chunk of 64 KiB that is hashed: some 3 % of a core.
const PAUSE: Duration = Duration::from_millis(4);

/// How often the leader names another index, where somebody had passed the one before.
const TRIES: u32 = 5;

/// Under which name the disk keeps what this node gave up.
const DIVERGED_KEY: &str = "diverged";

/// The hash of a state: of its snapshot's chunks, each with the hash of the one before as its seed.
pub(crate) async fn digest<R: AsyncRuntime>(machine: &Machine) -> u64 {
    let mut sum = 0;
    for chunk in machine.chunks() {
        sum = xxh64(&chunk, sum);
        R::sleep(PAUSE).await;
    }
    sum
}

/// Whether a replica must give the group up. `replicas` is how many there are; of some nothing may be known.
fn judge(me: NodeId, leader: NodeId, replicas: usize, told: &BTreeMap<NodeId, u64>) -> bool {
    let Some(mine) = told.get(&me) else { return false };
    let votes = |hash: &u64| told.values().filter(|other| *other == hash).count();
    let trusted = told.values().find(|hash| votes(hash) * 2 > replicas);
    match (trusted, told.get(&leader)) {
        (Some(trusted), _) => mine != trusted,
        // Nobody else can come: the leader's word decides, for its state is what clients were answered from.
        (None, Some(leaders)) if told.len() == replicas => mine != leaders,
        (None, _) => false,
    }
}

/// Compares the groups that this node leads, once in a while. Runs until the engine stops.
pub async fn keep<H: Host>(cluster: Cluster<H>) {
    let step = Duration::from_secs(1);
    let mut waited = Duration::ZERO;
    while !cluster.stopping() {
        H::Runtime::sleep(step).await;
        waited += step;
        if waited >= cluster.config().compare_every {
            waited = Duration::ZERO;
            cluster.compare().await;
        }
    }
}

impl<H: Host> Cluster<H> {
    /// Compares the replicas of every group that this node leads, one group after the other.
    pub async fn compare(&self) -> Vec<Compared> {
        let mut all = Vec::new();
        for group in self.groups() {
            if group.leads()
                && let Some(compared) = self.compare_group(&group).await
            {
                lock(&self.inner.compared)
                    .insert(group.id, (compared.clone(), self.inner.host.monotonic_us()));
                all.push(compared);
            }
        }
        all
    }

    /// None where not even two replicas could be compared.
    async fn compare_group(&self, group: &Arc<Group<H>>) -> Option<Compared> {
        let members: BTreeMap<NodeId, Member> =
            group.membership().nodes().map(|(id, member)| (*id, member.clone())).collect();
        if members.len() < 2 {
            return None;
        }
        let mut margin = 0;
        for _ in 0..TRIES {
            let last = group.log.summary().last?;
            let at = last + margin;
            let (told, passed) = self.collect(group, &members, at).await?;
            if passed && told.len() < members.len() {
                // So many came while they were asked: name one that comes later.
                margin = (group.log.summary().last? - last).max(margin) * 2 + 4;
                continue;
            }
            if told.len() < 2 {
                return None;
            }
            let names = |equal: bool| -> Vec<NodeName> {
                let mine = told.get(&group.me);
                let chosen = told.iter().filter(|(_, hash)| (Some(*hash) == mine) == equal);
                chosen.filter_map(|(id, _)| members.get(id)).map(|member| member.name.clone()).collect()
            };
            let compared = Compared {
                group: group.id,
                index: at,
                equal: names(true),
                differ: names(false),
                seconds_ago: 0.0,
            };
            if !compared.differ.is_empty() {
                tracing::error!(group = %group.id, index = at, differ = ?compared.differ, "replicas differ in their state");
                self.tell_all(group, &members, at, &told).await;
            }
            return Some(compared);
        }
        None
    }

    /// The hashes at that index, and whether somebody had passed it. None where this node itself did not come to it.
    async fn collect(
        &self,
        group: &Arc<Group<H>>,
        members: &BTreeMap<NodeId, Member>,
        at: LogIndex,
    ) -> Option<(BTreeMap<NodeId, u64>, bool)> {
        let within = REACH_WITHIN + HASH_WITHIN;
        let others = members.values().filter(|member| member.id != group.me);
        let asked = others.map(|member| async move {
            let request = PeerRequest::Digest { at };
            let answer = self.inner.peers.call(group.id, member, Urgency::Bulk, request, within).await;
            match answer {
                Ok(PeerResponse::Digest(answer)) => (member.id, answer),
                _ => (member.id, DigestAnswer::Absent),
            }
        });
        let (mine, others) = futures_util::future::join(digest_at(group, at), join_all(asked)).await;
        let mut passed = false;
        let mut told = BTreeMap::new();
        for (id, answer) in others.into_iter().chain([(group.me, mine)]) {
            match answer {
                DigestAnswer::Is(hash) => {
                    told.insert(id, hash);
                }
                DigestAnswer::Passed => passed = true,
                DigestAnswer::Absent => {}
            }
        }
        (mine != DigestAnswer::Absent).then_some((told, passed))
    }

    /// Tells all of them what all of them are. The leader judges itself last: it has told the others then.
    async fn tell_all(
        &self,
        group: &Arc<Group<H>>,
        members: &BTreeMap<NodeId, Member>,
        at: LogIndex,
        told: &BTreeMap<NodeId, u64>,
    ) {
        let verdict = Verdict { at, replicas: members.len() as u64, told: told.clone() };
        let others = members.values().filter(|member| member.id != group.me && told.contains_key(&member.id));
        let asked = others.map(|member| {
            let request = PeerRequest::Verdict(verdict.clone());
            self.inner.peers.call(group.id, member, Urgency::Normal, request, REACH_WITHIN)
        });
        // Who does not hear it is compared again.
        join_all(asked).await;
        self.judged(group, group.me, &verdict).await;
    }

    /// What the leader says of all replicas. True where this node gave the group up.
    pub(crate) async fn judged(&self, group: &Arc<Group<H>>, leader: NodeId, verdict: &Verdict) -> bool {
        // Only about a state that this node hashed itself.
        let mine = lock(&group.digested).filter(|(at, _)| *at == verdict.at).map(|(_, hash)| hash);
        let Verdict { at, replicas, told } = verdict;
        if mine.is_none() || told.get(&group.me).copied() != mine {
            return false;
        }
        if !judge(group.me, leader, *replicas as usize, told) {
            return false;
        }
        let name = &self.inner.local.name;
        let why = format!(
            "the state of group {} at entry {at} is another one on {name} than on the other replicas, after the same \
             entries: {name} serves that group no more. Move its data folder away and start it with an empty one: it \
             joins again and gets everything from the others",
            group.id
        );
        self.give_up(group, why).await;
        true
    }

    /// Stops serving a group for good. The control group is what a node is: without it, it ends.
    async fn give_up(&self, group: &Arc<Group<H>>, why: String) {
        tracing::error!(group = %group.id, "{why}");
        let all = {
            let mut diverged = lock(&self.inner.diverged);
            diverged.insert(group.id, why.clone());
            diverged.clone()
        };
        lock(&self.inner.groups).remove(&group.id);
        if let Err(error) = save::<H>(&self.inner.host, &all).await {
            return self
                .inner
                .host
                .fail_stop(&format!("{why} (and that could not be written down: {error})"));
        }
        group.stop().await;
        if group.id == GroupId::CONTROL {
            self.inner.host.fail_stop(&why);
        }
    }

    /// The groups that this node gave up.
    pub fn diverged(&self) -> Vec<Diverged> {
        let diverged = lock(&self.inner.diverged);
        diverged.iter().map(|(group, why)| Diverged { group: *group, message: why.clone() }).collect()
    }

    /// The last comparison of a group that this node led.
    pub(crate) fn compared(&self, group: GroupId) -> Option<Compared> {
        let now_us = self.inner.host.monotonic_us();
        let compared = lock(&self.inner.compared).get(&group).cloned();
        compared.map(|(compared, at_us)| Compared {
            seconds_ago: now_us.saturating_sub(at_us) as f64 / 1e6,
            ..compared
        })
    }
}

/// This replica's hash at that index.
pub(crate) async fn digest_at<H: Host>(group: &Arc<Group<H>>, at: LogIndex) -> DigestAnswer {
    let Some(fork) = group.state.fork_at(at) else { return DigestAnswer::Passed };
    let Ok(Ok(fork)) = H::Runtime::timeout(REACH_WITHIN, fork).await else { return DigestAnswer::Absent };
    let Some(machine) = fork else { return DigestAnswer::Passed };
    let hashed = H::Runtime::timeout(HASH_WITHIN, digest::<H::Runtime>(&machine)).await;
    group.state.discard(machine);
    match hashed {
        Ok(hash) => {
            *lock(&group.digested) = Some((at, hash));
            DigestAnswer::Is(hash)
        }
        Err(_) => DigestAnswer::Absent,
    }
}

/// What this node's directory gave up earlier.
pub(crate) fn load<D: Disk>(disk: &D) -> io::Result<BTreeMap<GroupId, String>> {
    match disk.node_value(DIVERGED_KEY)? {
        Some(bytes) => Ok(codec::decode(DISK_VERSION, &bytes)?),
        None => Ok(BTreeMap::new()),
    }
}

async fn save<H: Host>(host: &H, diverged: &BTreeMap<GroupId, String>) -> io::Result<()> {
    let value: Bytes = codec::encode(DISK_VERSION, diverged)?;
    let (sender, receiver) = <<H::Runtime as AsyncRuntime>::Oneshot as Oneshot>::channel();
    let write = Write::Node { key: DIVERGED_KEY, value };
    // The receiver waits below.
    host.disk().submit(vec![write], Box::new(move |result| drop(sender.send(result))));
    receiver.await.unwrap_or_else(|_| Err(io::Error::other("the disk stopped")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(hashes: &[(u64, u64)]) -> BTreeMap<NodeId, u64> {
        hashes.iter().map(|(id, hash)| (NodeId(*id), *hash)).collect()
    }

    #[test]
    fn who_differs_from_the_most_is_wrong() {
        let wrong = |replicas: usize, told: &BTreeMap<NodeId, u64>| -> Vec<u64> {
            (1..=5).filter(|id| judge(NodeId(*id), NodeId(1), replicas, told)).collect()
        };
        assert!(wrong(3, &told(&[(1, 7), (2, 7), (3, 7)])).is_empty());
        assert_eq!(wrong(3, &told(&[(1, 7), (2, 7), (3, 8)])), [3]);
        assert_eq!(wrong(3, &told(&[(1, 8), (2, 7), (3, 7)])), [1], "also the leader");
        assert_eq!(wrong(5, &told(&[(1, 7), (2, 8), (3, 7), (5, 7)])), [2]);
        // One of three is away: nobody knows who is right.
        assert!(wrong(3, &told(&[(1, 7), (2, 8)])).is_empty());
        assert!(wrong(5, &told(&[(1, 7), (2, 8), (3, 8)])).is_empty());
        // All have answered, and nobody has more than half.
        assert_eq!(wrong(2, &told(&[(1, 7), (2, 8)])), [2]);
        assert_eq!(wrong(3, &told(&[(1, 7), (2, 8), (3, 9)])), [2, 3]);
    }
}
