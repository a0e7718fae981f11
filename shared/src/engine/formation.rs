//! How a cluster begins, and how a node with an empty disk becomes part of one.
//!
//! The first formation happens only when every node of the configuration answers that it holds nothing. The one
//! with the smallest name founds: it mints the cluster's id, writes down that it is founding, has everybody
//! else write the cluster down, then writes that it is formed, and only then brings the first membership into
//! the log. Each step can be repeated after a crash at any point. Whoever answers that it is formed already makes
//! this node join instead: an empty disk under a member's name never votes under the old identity.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use openraft::AsyncRuntime;
use openraft::async_runtime::Select2;

use super::group::Group;
use super::host::{Host, Urgency};
use super::identity::{self, Foundation, Identity};
use super::node::Engine;
use super::peer::{PeerRequest, PeerResponse, Probed};
use super::publish::lock;
use crate::ids::{ClusterId, GroupId, NodeId, NodeName};
use crate::machine::{Command, ControlCommand, ControlReply, IdempotencyKey, Member, Operation, Reply};

/// How long one question waits for its answer.
pub(super) const ASK_WITHIN: Duration = Duration::from_secs(2);
/// How long admitting takes at most, at the leader.
const ADMIT_WITHIN: Duration = Duration::from_secs(4);

/// What the others said.
enum Survey {
    /// Everybody answered, and nobody holds anything.
    AllEmpty,
    /// Somebody is part of a cluster.
    Formed(NodeName),
    /// Ask again.
    Incomplete,
}

/// Who asks to be admitted.
pub struct Joiner {
    /// Its name.
    pub name: NodeName,
    /// `host:port`.
    pub address: String,
    /// The same in every try of one attempt.
    pub attempt: u64,
    /// Version of the commands that it knows.
    pub commands: u16,
}

impl Joiner {
    /// Whether it would understand what is in the log.
    fn knows_enough<H: Host>(&self, group: &Group<H>) -> Result<(), String> {
        let used = group.state.read(|machine| machine.cluster().version());
        if self.commands >= used {
            return Ok(());
        }
        Err(format!("the cluster uses version {used} of its commands, {} knows {}", self.name, self.commands))
    }
}

/// Brings this node into a cluster, then ends.
pub async fn run<H: Host>(engine: Engine<H>) {
    let mut pause = Duration::from_millis(20);
    while !engine.stopping() {
        let done = match engine.identity() {
            Some(identity @ Identity::Formed { founder, .. }) => {
                // Started here and not where the identity came from: a peer's question may be given up in the middle.
                if engine.group(GroupId::CONTROL).is_none() && !engine.take_part(&identity).await {
                    return;
                }
                if founder {
                    engine.initialize().await;
                }
                return;
            }
            Some(Identity::Founding(foundation)) => engine.spread(foundation).await,
            None => {
                let changed = engine.inner.identity_changed.wait();
                match H::Runtime::select2(changed, engine.survey()).await {
                    // A founder came first.
                    Select2::First(()) => true,
                    Select2::Second(_) if engine.identity().is_some() => true,
                    Select2::Second(Survey::AllEmpty) if engine.config().founds => {
                        engine.found_if_smallest().await
                    }
                    Select2::Second(Survey::AllEmpty | Survey::Incomplete) => false,
                    Select2::Second(Survey::Formed(member)) => engine.join(&member).await,
                }
            }
        };
        if done {
            pause = Duration::from_millis(20);
            continue;
        }
        // Somebody else may have founded meanwhile.
        let changed = engine.inner.identity_changed.wait();
        if let Select2::Second(()) = H::Runtime::select2(changed, H::Runtime::sleep(pause)).await {
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }
}

impl<H: Host> Engine<H> {
    fn others(&self) -> Vec<Member> {
        let me = &self.inner.local.name;
        self.static_members().into_iter().filter(|member| member.name != *me).collect()
    }

    /// One question about the cluster itself.
    pub(super) async fn ask(
        &self,
        to: &Member,
        request: PeerRequest<H::Runtime>,
    ) -> Option<PeerResponse<H::Runtime>> {
        let urgency = Urgency::Normal;
        self.inner.peers.call(GroupId::CONTROL, to, urgency, request, ASK_WITHIN).await.ok()
    }

    /// Whether the control group's log has entries here.
    pub(super) fn has_begun(&self) -> bool {
        self.group(GroupId::CONTROL).is_some_and(|group| group.log.summary().last.is_some())
    }

    async fn survey(&self) -> Survey {
        let others = self.others();
        // All at once: where messages get lost, one after the other would take long.
        let answers = join_all(others.iter().map(|other| self.ask(other, PeerRequest::Probe))).await;
        let mut survey = Survey::AllEmpty;
        for (other, answer) in others.into_iter().zip(answers) {
            match answer {
                Some(PeerResponse::Probe(Probed::Empty { .. })) => {}
                // Whoever is formed is proof of a cluster, whatever the others say.
                Some(PeerResponse::Probe(Probed::Formed(_))) => return Survey::Formed(other.name),
                _ => survey = Survey::Incomplete,
            }
        }
        survey
    }

    /// Mints the cluster, where this node has the smallest name; otherwise waits to be told.
    async fn found_if_smallest(&self) -> bool {
        let mut members = self.static_members();
        if members.first().is_none_or(|first| first.name != self.inner.local.name) {
            return false;
        }
        for (member, id) in members.iter_mut().zip(1..) {
            member.id = NodeId(id);
            member.incarnation = 1;
        }
        let foundation = Foundation {
            cluster: ClusterId(self.inner.host.random()),
            shards: self.inner.config.shards,
            replicas: self.inner.config.replicas.min(members.len() as u16),
            members,
        };
        tracing::info!(cluster = %foundation.cluster, "founding a cluster");
        self.write_identity(Identity::Founding(foundation)).await
    }

    /// Has everybody write the cluster down; when all have, this node is formed.
    async fn spread(&self, foundation: Foundation) -> bool {
        let others = self.others();
        let told = join_all(others.iter().map(|other| self.tell(other, &foundation))).await;
        if told.contains(&false) {
            return false;
        }
        let Some(me) = foundation.member(&self.inner.local.name).cloned() else { return false };
        self.write_identity(Identity::Formed { foundation, me, founder: true }).await
    }

    /// Has one node write the cluster down, unless it did already.
    async fn tell(&self, other: &Member, foundation: &Foundation) -> bool {
        let vacancy = match self.ask(other, PeerRequest::Probe).await {
            Some(PeerResponse::Probe(Probed::Empty { vacancy })) => vacancy,
            Some(PeerResponse::Probe(Probed::Founding(theirs) | Probed::Formed(theirs)))
                if theirs.cluster == foundation.cluster =>
            {
                return true;
            }
            Some(PeerResponse::Probe(_)) => {
                tracing::warn!(peer = %other.name, "it belongs to another cluster: none can be founded with it");
                return false;
            }
            _ => return false,
        };
        let request = PeerRequest::Found { foundation: foundation.clone(), vacancy };
        match self.ask(other, request).await {
            Some(PeerResponse::Founded) => true,
            Some(PeerResponse::Refused { why }) => {
                tracing::warn!(peer = %other.name, why, "the cluster cannot be founded yet");
                false
            }
            _ => false,
        }
    }

    /// A founder says: this is our cluster.
    pub(super) async fn found(
        &self,
        from: &NodeName,
        foundation: Foundation,
        vacancy: u64,
    ) -> PeerResponse<H::Runtime> {
        let refuse = |why: String| PeerResponse::Refused { why };
        let name = &self.inner.local.name;
        match self.identity() {
            Some(Identity::Formed { foundation: ours, .. }) if ours.cluster == foundation.cluster => {
                return PeerResponse::Founded;
            }
            Some(Identity::Formed { foundation: ours, .. } | Identity::Founding(ours)) => {
                return refuse(format!("{name} belongs to cluster {} already", ours.cluster));
            }
            None => {}
        }
        if vacancy != self.inner.vacancy {
            // It was sent to an earlier boot, whose disk is lost: what that one promised must not be promised again.
            return refuse(format!("the message is for another boot of {name}"));
        }
        // Both must mean the same cluster: a node that was configured otherwise would be counted wrongly.
        let names = |members: &[Member]| members.iter().map(|member| member.name.clone()).collect::<Vec<_>>();
        if names(&foundation.members) != names(&self.static_members()) {
            return refuse(format!("{name} is configured with other peers than {from}"));
        }
        let Some(me) = foundation.member(name).cloned() else {
            return refuse(format!("{name} is not among the founders"));
        };
        if self.write_identity(Identity::Formed { foundation, me, founder: false }).await {
            PeerResponse::Founded
        } else {
            refuse(format!("{name} could not write the cluster down"))
        }
    }

    /// Asks for an identity in a cluster that exists.
    async fn join(&self, member: &NodeName) -> bool {
        tracing::info!(%member, "the cluster exists already: joining it");
        let Ok(attempt) = identity::join_attempt(&self.inner.host).await else { return false };
        for asked in self.others() {
            let request = PeerRequest::Join {
                address: self.inner.local.address.clone(),
                attempt,
                commands: self.config().command_version,
            };
            let within = ADMIT_WITHIN + ASK_WITHIN;
            let answer =
                self.inner.peers.call(GroupId::CONTROL, &asked, Urgency::Normal, request, within).await;
            match answer {
                Ok(PeerResponse::Joined { me, foundation }) => {
                    return self.write_identity(Identity::Formed { foundation, me, founder: false }).await;
                }
                Ok(PeerResponse::Refused { why }) => {
                    tracing::info!(peer = %asked.name, why, "not admitted yet")
                }
                _ => {}
            }
        }
        false
    }

    /// A node with an empty disk asks for an identity. The leader brings the membership in line afterwards.
    pub(super) async fn admit(&self, joiner: Joiner) -> PeerResponse<H::Runtime> {
        match self.admitted(joiner).await {
            Ok((me, foundation)) => PeerResponse::Joined { me, foundation },
            Err(why) => PeerResponse::Refused { why },
        }
    }

    async fn admitted(&self, joiner: Joiner) -> Result<(Member, Foundation), String> {
        let Some(Identity::Formed { foundation, .. }) = self.identity() else {
            return Err(format!("{} is not part of a cluster yet", self.inner.local.name));
        };
        let group = self.group(GroupId::CONTROL).ok_or("this node is starting")?;
        joiner.knows_enough(&group)?;
        let Joiner { name, address, attempt, .. } = &joiner;
        let key = IdempotencyKey { client: format!("join {name} {attempt:016x}").into(), number: 1 };
        let operation =
            Operation::Control(ControlCommand::Admit { name: name.clone(), address: address.clone() });
        let command = Command { key: Some(key), operation };
        let member = match self.propose(GroupId::CONTROL, command, ADMIT_WITHIN).await {
            Ok((index, Reply::Control(ControlReply::Admitted { member }))) => {
                let applied = group.state.wait_applied(index);
                if !matches!(H::Runtime::timeout(ASK_WITHIN, applied).await, Ok(Ok(()))) {
                    return Err("this node did not catch up in time".into());
                }
                member
            }
            Ok((_, Reply::Control(ControlReply::Refused { why }))) => return Err(why),
            Ok(_) => return Err("the cluster answered something unexpected".into()),
            Err(error) => return Err(error.to_string()),
        };
        // The version may have been raised just before the admission: then the joiner never learns its identity.
        joiner.knows_enough(&group)?;
        let mut members = group.state.read(|machine| machine.members());
        members.retain(|other| other.name != member.name);
        members.push(member.clone());
        members.sort_by(|a, b| a.name.cmp(&b.name));
        Ok((member, Foundation { members, ..foundation }))
    }

    /// The founder brings the first membership into the log; openraft refuses when there is one.
    async fn initialize(&self) {
        let Some(group) = self.group(GroupId::CONTROL) else { return };
        let Some(Identity::Formed { foundation, .. }) = self.identity() else { return };
        if group.raft.is_initialized().await.unwrap_or(true) {
            return;
        }
        let members = first_membership(&foundation, self.inner.config.voters_max);
        if let Err(error) = group.raft.initialize(members).await {
            tracing::info!(%error, "the first membership is in the log already");
        }
    }

    /// The first command of a cluster, proposed by whoever leads first.
    pub(super) async fn record_foundation(&self, group: &Group<H>) {
        let Some(Identity::Formed { foundation, .. }) = self.identity() else { return };
        if group.state.read(|machine| machine.cluster().id().is_some()) {
            return;
        }
        let Foundation { cluster, shards, replicas, members } = foundation;
        let operation = Operation::Control(ControlCommand::Form { cluster, shards, replicas, members });
        // Refused where it is there already; asked again a second later where it failed.
        group.propose(Command { key: None, operation }, ADMIT_WITHIN).await;
    }

    /// Never replaces what this node is part of already.
    async fn write_identity(&self, identity: Identity) -> bool {
        if matches!(self.identity(), Some(Identity::Formed { .. })) {
            return true;
        }
        if identity.save(&self.inner.host).await.is_err() {
            return false;
        }
        *lock(&self.inner.identity) = Some(identity);
        self.inner.identity_changed.notify();
        true
    }

    async fn take_part(&self, identity: &Identity) -> bool {
        match self.join_groups(identity).await {
            Ok(()) => true,
            Err(error) => {
                self.inner.host.fail_stop(&error.to_string());
                false
            }
        }
    }
}

/// Voters in the order of their names, as far as there is room; openraft makes all of these voters.
fn first_membership(foundation: &Foundation, voters_max: usize) -> BTreeMap<NodeId, Member> {
    foundation.members.iter().take(voters_max).map(|member| (member.id, member.clone())).collect()
}
