//! Two nodes meet before anything between them counts: no vote, no entry and no heartbeat goes between two boots that have
//! not told each other what they have seen of one another (see [`crate::peer::witness`]).
//!
//! A boot takes part in nothing before it met everybody who answers within a while. A node that learns here that its
//! folder was set back halts: it answers peers that it is halted and clients with 503, and takes part in nothing, after
//! its next start neither.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use openraft::AsyncRuntime;
use openraft::async_runtime::{Instant, Select2};
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::ids::{ClusterId, GroupId, LogIndex, NodeId, NodeName, Term};
use orrery_machine::Member;

use crate::cluster::{Cluster, Inner};
use crate::codec::{self, DISK_VERSION};
use crate::disk;
use crate::host::{Disk, Host, Transport, Urgency};
use crate::peer::message::{PeerRequest, PeerResponse};
use crate::peer::witness::{Held, Meeting, Noted, Promise, Testimony, set_back};
use crate::raft::group::Group;
use crate::raft::history::two_histories;
use crate::sync::lock;
use crate::types::{Entry, LogId, SnapshotMeta, Vote};

/// Under which name the disk keeps why this folder takes part in nothing.
const HALTED_KEY: &str = "halted";

/// How long one question waits for its answer.
const ASK_WITHIN: Duration = Duration::from_millis(400);
/// Between two rounds of questions at a boot.
const PAUSE: Duration = Duration::from_millis(20);
/// Before somebody who was not met is asked again.
const AGAIN: Duration = Duration::from_millis(100);
/// A boot waits so many election time-outs for those who say nothing, but never longer than this.
const WAIT_ELECTIONS: u32 = 5;
const WAIT_MAX: Duration = Duration::from_secs(3);

/// Meets whoever is new, tells the others once a second what changed, and writes down what they told. Runs until the
/// engine stops.
pub async fn keep<H: Host>(cluster: Cluster<H>) {
    while !cluster.stopping() {
        let witness = &cluster.inner.peers.witness;
        let second = H::Runtime::sleep(Duration::from_secs(1));
        let second = matches!(H::Runtime::select2(witness.wake.wait(), second).await, Select2::Second(()));
        if cluster.stopping() {
            return;
        }
        if let Some(why) = witness.contradiction() {
            // Whoever was set back hears what is known of it: afterwards nobody asks this node any more.
            let promises = cluster.promises();
            join_all(cluster.acquaintances().iter().map(|member| cluster.meet(member, &promises))).await;
            cluster.halt(why, false).await;
        }
        if cluster.halted().is_some() {
            return;
        }
        if !cluster.proven() {
            continue;
        }
        let promises = cluster.promises();
        let due = |member: &Member| match second {
            true => witness.is_due(member.id, &promises),
            false => !witness.knows(member.id),
        };
        let others = cluster.acquaintances();
        join_all(others.iter().filter(|member| due(member)).map(|member| cluster.meet(member, &promises)))
            .await;
        if others.iter().any(|member| !witness.knows(member.id)) {
            // Whoever halted is not met again and again, however often it is written to.
            H::Runtime::sleep(AGAIN).await;
        }
        if second {
            let members = cluster.recorded_members();
            witness.save_later(|id| members.is_empty() || members.iter().any(|member| member.id == id));
        }
    }
}

impl<H: Host> Cluster<H> {
    /// Whether this boot has met everybody who answers: before, it takes part in nothing.
    pub(crate) fn proven(&self) -> bool {
        self.inner.proven.load(Ordering::Relaxed)
    }

    /// Meets everybody who answers within a while. False where this node must not take part.
    pub(crate) async fn prove(&self) -> bool {
        let within = (self.config().election_max * WAIT_ELECTIONS).min(WAIT_MAX);
        let end = <H::Runtime as AsyncRuntime>::Instant::now() + within;
        let witness = &self.inner.peers.witness;
        while !self.stopping() && self.halted().is_none() {
            let unmet: Vec<Member> =
                self.acquaintances().into_iter().filter(|member| !witness.knows(member.id)).collect();
            let now = <H::Runtime as AsyncRuntime>::Instant::now();
            if unmet.is_empty() || now >= end {
                self.inner.proven.store(true, Ordering::Relaxed);
                self.inner.proven_changed.notify();
                return true;
            }
            let promises = self.promises();
            join_all(unmet.iter().map(|member| self.meet(member, &promises))).await;
            if unmet.iter().any(|member| !witness.knows(member.id)) {
                H::Runtime::sleep(PAUSE).await;
            }
        }
        false
    }

    /// Everybody else with an identity.
    fn acquaintances(&self) -> Vec<Member> {
        let me = self.formed().map(|formed| formed.me.id);
        let mut members = self.members();
        members.retain(|member| member.id != NodeId(0) && Some(member.id) != me);
        members
    }

    /// What this node's disk surely holds.
    fn promises(&self) -> Vec<Promise> {
        self.groups().iter().filter_map(|group| group.log.promise()).collect()
    }

    fn meeting(&self, with: NodeId, promises: Vec<Promise>) -> Meeting {
        Meeting {
            boot: self.inner.peers.witness.boot(),
            promises,
            seen: self.testimony(with),
            halted: self.halted().is_some(),
            contradicts: *lock(&self.inner.contradicted) == Some(with),
            address: self.inner.local.address.clone(),
            profile: self.config().profile.name().into(),
        }
    }

    /// What was seen of a node, and what the leaders here know of it at this moment.
    fn testimony(&self, of: NodeId) -> Option<Testimony> {
        let mut seen = self.inner.peers.witness.seen(of)?;
        let known: Vec<Promise> = self.groups().iter().filter_map(|group| group.promise_of(of)).collect();
        seen.merge(&known);
        Some(seen)
    }

    /// Tells a node what is known of it and of this one, and hears the same.
    async fn meet(&self, to: &Member, promises: &[Promise]) {
        let request = PeerRequest::Meet(self.meeting(to.id, promises.to_vec()));
        let call = self.inner.peers.call(GroupId::CONTROL, to, Urgency::Election, request, ASK_WITHIN);
        if let Ok(PeerResponse::Met(theirs)) = call.await
            && self.compare_with(&to.name, to.id, &theirs).await
        {
            self.inner.peers.witness.told(to.id, promises.to_vec());
        }
    }

    /// A node meets this one.
    pub(crate) async fn answer_meeting(
        &self,
        from: &NodeName,
        from_id: NodeId,
        theirs: Meeting,
    ) -> PeerResponse<H::Runtime> {
        if self.formed().is_none() || from_id == NodeId(0) {
            let why = format!("{} is not part of a cluster yet", self.inner.local.name);
            return PeerResponse::Refused { why };
        }
        // What is told is what was known before: this boot of theirs says nothing about itself.
        let mine = self.meeting(from_id, self.promises());
        self.compare_with(from, from_id, &theirs).await;
        let contradicts = *lock(&self.inner.contradicted) == Some(from_id);
        PeerResponse::Met(Meeting { halted: self.halted().is_some(), contradicts, ..mine })
    }

    /// Compares what a node has seen of this one with this node's disk, and writes down what it says of itself. True where
    /// from now on what that boot says counts.
    async fn compare_with(&self, from: &NodeName, from_id: NodeId, theirs: &Meeting) -> bool {
        let witness = &self.inner.peers.witness;
        if let Some(seen) = &theirs.seen {
            match self.contradiction(seen) {
                Ok(None) => {}
                Ok(Some(what)) => {
                    self.halt(set_back(&self.inner.local.name, from, &what), true).await;
                    return false;
                }
                // It may be read another time; until then nothing counts.
                Err(error) => {
                    tracing::warn!(%error, "this node's disk cannot be compared with what {from} has seen of it");
                    return false;
                }
            }
        }
        // Only the one that has committed further can compare: the other one hears it.
        let told =
            theirs.contradicts.then(|| two_histories(&format!("{from} has another history than this node")));
        if let Some(why) = self.contradicts(from, theirs).or(told) {
            lock(&self.inner.contradicted).get_or_insert(from_id);
            self.halt(why, false).await;
            return false;
        }
        if theirs.halted {
            return false;
        }
        match witness.note(from_id, theirs.boot, &theirs.promises) {
            Noted::Known => {}
            Noted::New if witness.save().await.is_ok() => {}
            Noted::New | Noted::Contradicts => return false,
        }
        witness.meets(from_id, theirs.boot);
        self.learn(from, from_id, theirs);
        true
    }

    /// Where a node is, and whether its timers fit.
    fn learn(&self, from: &NodeName, from_id: NodeId, theirs: &Meeting) {
        let profile = self.config().profile.name();
        let before = lock(&self.inner.addresses).insert(from_id, theirs.address.clone());
        if before.is_none() && theirs.profile != profile {
            tracing::error!(
                "{from} runs with --profile {}, this node with {profile}: their timers do not fit. Start all nodes with one \
                 profile",
                theirs.profile
            );
        }
        if before.as_ref() != Some(&theirs.address) {
            self.inner.host.transport().members(&self.members());
        }
    }

    /// Whether that node has another entry than this one in the place of one that is committed.
    fn contradicts(&self, from: &NodeName, theirs: &Meeting) -> Option<String> {
        let found = theirs.promises.iter().find_map(|promise| {
            let group = self.group(promise.group)?;
            // What cannot be read now is compared a second later.
            group.contradicts_committed(promise).ok().flatten()
        })?;
        Some(format!("{from} contradicts this node: {found}"))
    }

    /// What contradicts that this disk is the one of which that was seen.
    fn contradiction(&self, seen: &Testimony) -> io::Result<Option<String>> {
        if let Some(what) = self.inner.peers.witness.boots().contradiction(seen.boot) {
            return Ok(Some(what));
        }
        for promise in &seen.promises {
            let found = match self.group(promise.group) {
                Some(group) => promise.contradiction(group.held(), |index| group.log.term_at(index))?,
                None => {
                    let disk = self.inner.host.disk();
                    promise.contradiction(held(disk, promise.group)?, |index| {
                        term_at(disk, promise.group, index)
                    })?
                }
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Why this node takes part in nothing; none where it does.
    pub fn halted(&self) -> Option<String> {
        lock(&self.inner.halted).clone()
    }

    /// Why nobody is served here now.
    pub(crate) fn not_ready(&self, otherwise: &str) -> ApiError {
        let why = match self.halted() {
            Some(why) => format!("This node serves nobody: {why}."),
            None => match &lock(&self.inner.waiting).sentence {
                waiting if waiting.is_empty() => otherwise.to_owned(),
                waiting => {
                    format!("This node is not part of a cluster yet: it is {waiting}.")
                }
            },
        };
        ApiError::new(ErrorCode::NotReady, why)
    }

    /// From now on this node takes part in nothing; after its next start neither, where it is its folder that is wrong.
    pub(crate) async fn halt(&self, why: String, for_good: bool) {
        let Inner { host, .. } = &*self.inner;
        {
            let mut halted = lock(&self.inner.halted);
            if halted.is_some() {
                return;
            }
            *halted = Some(why.clone());
        }
        self.inner.ready.store(false, Ordering::Relaxed);
        tracing::error!("this node serves nobody any more: {why}");
        let groups: Vec<Arc<Group<H>>> =
            std::mem::take(&mut *lock(&self.inner.groups)).into_values().collect();
        host.halted(&why);
        if for_good {
            let cluster = self.formed().map(|formed| formed.cluster);
            match codec::encode(DISK_VERSION, &(cluster, &why)) {
                // A failed write stops the node.
                Ok(bytes) => drop(disk::write(host, HALTED_KEY, bytes).await),
                Err(error) => host.fail_stop(&format!("{why} ({error})")),
            }
        }
        // Not here: a group's end may wait for what this is a part of.
        drop(H::Runtime::spawn(async move {
            for group in groups {
                group.stop().await;
            }
        }));
    }
}

/// Why this folder takes part in nothing, as an earlier boot found out. A folder that is of another cluster by now begins
/// anew.
pub fn halted_on_disk<D: Disk>(disk: &D, cluster: Option<ClusterId>) -> io::Result<Option<String>> {
    let Some(bytes) = disk.node_value(HALTED_KEY)? else { return Ok(None) };
    let (of, why): (Option<ClusterId>, String) = codec::decode(DISK_VERSION, &bytes)?;
    Ok((of == cluster).then_some(why))
}

/// What the disk holds of a group that does not run.
fn held<D: Disk>(disk: &D, group: GroupId) -> io::Result<Held> {
    let found = disk.recover(group)?;
    let id = |bytes: Option<bytes::Bytes>| -> io::Result<Option<LogId>> {
        Ok(bytes.map(|bytes| codec::decode(DISK_VERSION, &bytes)).transpose()?)
    };
    let vote: Option<Vote> = found.vote.map(|bytes| codec::decode(DISK_VERSION, &bytes)).transpose()?;
    let snapshot: Option<SnapshotMeta> =
        found.snapshot.map(|(_, bytes)| codec::decode(DISK_VERSION, &bytes)).transpose()?;
    let last = match found.entries {
        Some((_, last)) => entry_at(disk, group, last)?.map(|entry| entry.log_id),
        None => None,
    };
    let last = last.max(id(found.purged)?).max(id(found.given_up)?);
    Ok(Held {
        term: vote.map_or(0, |vote| vote.leader_id.term),
        last: last.max(snapshot.and_then(|meta| meta.last_log_id)),
    })
}

fn entry_at<D: Disk>(disk: &D, group: GroupId, index: LogIndex) -> io::Result<Option<Entry>> {
    let found = disk.entries(group, index..index + 1)?;
    Ok(found.first().map(|(_, bytes)| codec::decode(DISK_VERSION, bytes)).transpose()?)
}

fn term_at<D: Disk>(disk: &D, group: GroupId, index: LogIndex) -> io::Result<Option<Term>> {
    Ok(entry_at(disk, group, index)?.map(|entry| entry.log_id.leader_id.term))
}
