//! How a cluster begins, and how a node with an empty disk becomes part of one.
//!
//! The first formation happens only when every node of the configuration answers that it holds nothing. The one
//! with the smallest name founds: it mints the cluster's id, writes down that it is founding, has everybody
//! else write the cluster down, then writes that it is formed, and only then brings the first membership into
//! the log. Each step can be repeated after a crash at any point. Whoever answers that it is formed already makes
//! this node join instead: an empty disk under a member's name never votes under the old identity.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use openraft::AsyncRuntime;
use openraft::async_runtime::Select2;
use orrery_base::ids::{ClusterId, GroupId, NodeId, NodeName};
use orrery_base::key::{KeyName, RequestKey};
use orrery_machine::{Command, ControlCommand, ControlReply, Machine, Member, Mutation, Reply};
use smol_str::SmolStr;

use crate::cluster::Cluster;
use crate::cluster::identity::{self, Identity};
use crate::host::{CallError, Host, Urgency};
use crate::peer::message::Foundation;
use crate::peer::message::{PeerRequest, PeerResponse, Probed, ReadOutcome};
use crate::raft::group::Group;
use crate::sync::lock;

/// How long one question waits for its answer.
pub(crate) const ASK_WITHIN: Duration = Duration::from_secs(2);
/// How often it is asked within that time: a lost message must not cost all of it.
const ASK_TRIES: u32 = 5;
/// Between two rounds of questions.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// How long an identity that was given is remembered for the node that asked: it asks again under the same number.
const JOIN_HOLD_MS: u64 = 600_000;
/// How long admitting takes at most, at the leader.
const ADMIT_WITHIN: Duration = Duration::from_secs(4);

/// How often it is said whom this node waits for.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// What the others said.
enum Survey {
    /// Everybody answered, nobody holds anything, and all mean the same cluster.
    AllEmpty,
    /// Somebody is part of a cluster.
    Formed(NodeName),
    /// Ask again. Whom it waits for, and why.
    Incomplete(BTreeMap<NodeName, String>),
}

/// Says whom this node waits for: at once where a reason is new, and all of them now and then.
#[derive(Default)]
pub struct Waiting {
    told: BTreeSet<(NodeName, String)>,
    said_us: u64,
    /// The whole sentence; empty while nobody is waited for.
    pub sentence: String,
}

impl Waiting {
    /// These are waited for now; what is to be logged.
    fn are(&mut self, reasons: &BTreeMap<NodeName, String>, now_us: u64) -> Option<String> {
        let all: Vec<String> = reasons.iter().map(|(peer, why)| format!("{peer} ({why})")).collect();
        self.sentence =
            if all.is_empty() { String::new() } else { format!("waiting for {}", all.join(", ")) };
        let mut new = false;
        for (peer, why) in reasons {
            new |= self.told.insert((peer.clone(), why.clone()));
        }
        let due = now_us.saturating_sub(self.said_us) >= SAY_EVERY.as_micros() as u64;
        if all.is_empty() || !new && !due {
            return None;
        }
        self.said_us = now_us;
        Some(self.sentence.clone())
    }
}

/// Who asks to be admitted.
pub struct Joiner {
    pub name: NodeName,
    /// `host:port`.
    pub address: String,
    /// The same in every try of one attempt.
    pub attempt: u64,
    /// Version of the commands that it knows.
    pub commands: u16,
    pub profile: SmolStr,
    /// It is to take the place of the member of its name.
    pub replace: bool,
}

impl Joiner {
    /// Under which every try of one attempt is the same. Clients that take all room for keys keep no node out.
    fn key(attempt: u64) -> RequestKey {
        RequestKey { name: KeyName::Minted { origin: attempt, number: 1, settled: 0 }, hold_ms: JOIN_HOLD_MS }
    }

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
pub async fn run<H: Host>(cluster: Cluster<H>) {
    let mut pause = PAUSE_MIN;
    while !cluster.stopping() {
        let done = match cluster.identity() {
            Some(identity @ Identity::Formed { founder, .. }) => {
                // Started here and not where the identity came from: a peer's question may be given up in the middle.
                if cluster.group(GroupId::CONTROL).is_none() && !cluster.take_part(&identity).await {
                    return;
                }
                while !cluster.proven() && !cluster.stopping() && cluster.halted().is_none() {
                    cluster.inner.proven_changed.wait().await;
                }
                if founder && cluster.proven() {
                    cluster.initialize().await;
                }
                return;
            }
            Some(Identity::Founding(foundation)) => cluster.spread(foundation).await,
            None => {
                let changed = cluster.inner.identity_changed.wait();
                match H::Runtime::select2(changed, cluster.survey()).await {
                    // A founder came first.
                    Select2::First(()) => true,
                    Select2::Second(_) if cluster.identity().is_some() => true,
                    Select2::Second(Survey::AllEmpty) if cluster.config().founds => {
                        cluster.found_if_smallest().await
                    }
                    Select2::Second(Survey::AllEmpty) => false,
                    Select2::Second(Survey::Incomplete(reasons)) => {
                        cluster.waits_for(&reasons);
                        false
                    }
                    Select2::Second(Survey::Formed(member)) => cluster.join(&member).await,
                }
            }
        };
        if done {
            pause = PAUSE_MIN;
            continue;
        }
        // Somebody else may have founded meanwhile.
        let changed = cluster.inner.identity_changed.wait();
        if let Select2::Second(()) = H::Runtime::select2(changed, H::Runtime::sleep(pause)).await {
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

impl<H: Host> Cluster<H> {
    fn others(&self) -> Vec<Member> {
        let me = &self.inner.local.name;
        self.static_members().into_iter().filter(|member| member.name != *me).collect()
    }

    /// One question about the cluster itself, which may be asked twice: tried again where no answer came.
    pub(crate) async fn ask(
        &self,
        to: &Member,
        request: impl Fn() -> PeerRequest<H::Runtime>,
    ) -> Result<PeerResponse<H::Runtime>, CallError> {
        let (peers, within) = (&self.inner.peers, ASK_WITHIN / ASK_TRIES);
        let mut tries = 1;
        loop {
            match peers.call(GroupId::CONTROL, to, Urgency::Normal, request(), within).await {
                Err(CallError::NoAnswer) if tries < ASK_TRIES => tries += 1,
                answer => return answer,
            }
        }
    }

    /// Whether the control group's log has entries here.
    pub(crate) fn has_begun(&self) -> bool {
        self.group(GroupId::CONTROL).is_some_and(|group| group.log.summary().last.is_some())
    }

    async fn survey(&self) -> Survey {
        let others = self.others();
        // All at once: where messages get lost, one after the other would take long.
        let answers = join_all(others.iter().map(|other| self.ask(other, || PeerRequest::Probe))).await;
        let mut reasons = BTreeMap::new();
        for (other, answer) in others.into_iter().zip(answers) {
            let why = match answer {
                Ok(PeerResponse::Probe(Probed::Empty { names, profile, .. })) => {
                    self.differs(&names, &profile)
                }
                // Whoever is formed is proof of a cluster, whatever the others say.
                Ok(PeerResponse::Probe(Probed::Formed(_))) => return Survey::Formed(other.name),
                Ok(PeerResponse::Probe(Probed::Founding(theirs))) => {
                    Some(format!("it is founding the cluster {}", theirs.cluster))
                }
                Ok(PeerResponse::Refused { why }) => Some(why),
                Ok(_) => Some("it answers something unexpected".into()),
                Err(CallError::NotSent(why)) => Some(why),
                Err(CallError::NoAnswer) => Some("it does not answer".into()),
            };
            reasons.extend(why.map(|why| (other.name, why)));
        }
        if reasons.is_empty() { Survey::AllEmpty } else { Survey::Incomplete(reasons) }
    }

    /// Why an empty node that was told to form a cluster with these does not mean the same cluster.
    fn differs(&self, names: &[NodeName], profile: &str) -> Option<String> {
        let mine: Vec<NodeName> = self.static_members().into_iter().map(|member| member.name).collect();
        // Whoever joins is told of those who are there, and they not of it.
        if self.config().founds && names != mine {
            let (theirs, mine) = (names.join(", "), mine.join(", "));
            return Some(format!("it was told of other peers: {theirs}; this node of {mine}"));
        }
        let ours = self.config().profile.name();
        (profile != ours).then(|| {
            format!("it was started with --profile {profile}, this node with {ours}: they do not fit")
        })
    }

    /// Says whom this node waits for, and why.
    fn waits_for(&self, reasons: &BTreeMap<NodeName, String>) {
        let said = lock(&self.inner.waiting).are(reasons, self.uptime_us());
        if let Some(said) = said {
            tracing::info!("{said}");
        }
    }

    /// Mints the cluster, where this node has the smallest name; otherwise waits to be told.
    async fn found_if_smallest(&self) -> bool {
        let mut members = self.static_members();
        let Some(first) = members.first().map(|first| first.name.clone()) else { return false };
        if first != self.inner.local.name {
            self.waits_for(&BTreeMap::from([(
                first,
                "it has the smallest name, so it founds the cluster".into(),
            )]));
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
        let mut untold = self.others();
        let mut pause = PAUSE_MIN;
        while !untold.is_empty() {
            let told = join_all(untold.iter().map(|other| self.tell(other, &foundation))).await;
            // Who wrote it down once is not asked again.
            let reasons: BTreeMap<NodeName, String> = untold
                .iter()
                .zip(told)
                .filter_map(|(other, told)| told.err().map(|why| (other.name.clone(), why)))
                .collect();
            untold.retain(|other| reasons.contains_key(&other.name));
            if untold.is_empty() {
                break;
            }
            self.waits_for(&reasons);
            if self.stopping() {
                return false;
            }
            H::Runtime::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        let Some(me) = foundation.member(&self.inner.local.name).cloned() else { return false };
        self.write_identity(Identity::Formed { foundation, me, founder: true }).await
    }

    /// Has one node write the cluster down, unless it did already.
    async fn tell(&self, other: &Member, foundation: &Foundation) -> Result<(), String> {
        let vacancy = match self.ask(other, || PeerRequest::Probe).await {
            Ok(PeerResponse::Probe(Probed::Empty { vacancy, .. })) => vacancy,
            Ok(PeerResponse::Probe(Probed::Founding(theirs) | Probed::Formed(theirs)))
                if theirs.cluster == foundation.cluster =>
            {
                return Ok(());
            }
            Ok(PeerResponse::Probe(_)) => return Err("it belongs to another cluster".into()),
            Ok(_) => return Err("it answers something unexpected".into()),
            Err(CallError::NotSent(why)) => return Err(why),
            Err(CallError::NoAnswer) => return Err("it does not answer".into()),
        };
        let request = || PeerRequest::Found { foundation: foundation.clone(), vacancy };
        match self.ask(other, request).await {
            Ok(PeerResponse::Founded) => Ok(()),
            Ok(PeerResponse::Refused { why }) => Err(why),
            _ => Err("it does not answer".into()),
        }
    }

    /// A founder says: this is our cluster.
    pub(crate) async fn found(
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
        tracing::debug!(%member, "the cluster exists already: joining it");
        let Ok(attempt) = identity::join_attempt(&self.inner.host).await else { return false };
        let mut reasons = BTreeMap::new();
        for asked in self.others() {
            let request = PeerRequest::Join {
                address: self.inner.local.address.clone(),
                attempt,
                commands: self.config().command_version,
                profile: self.config().profile.name().into(),
                replace: self.config().replace,
            };
            let within = ADMIT_WITHIN + ASK_WITHIN;
            let answer =
                self.inner.peers.call(GroupId::CONTROL, &asked, Urgency::Normal, request, within).await;
            match answer {
                Ok(PeerResponse::Joined { me, foundation }) => {
                    return self.write_identity(Identity::Formed { foundation, me, founder: false }).await;
                }
                Ok(PeerResponse::Refused { why }) => {
                    reasons.insert(asked.name, why);
                }
                _ => {}
            }
        }
        self.waits_for(&reasons);
        false
    }

    /// A node with an empty disk asks for an identity. The leader brings the membership in line afterwards.
    pub(crate) async fn admit(&self, joiner: Joiner) -> PeerResponse<H::Runtime> {
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
        let Joiner { name, address, attempt, replace, .. } = &joiner;
        let profile = self.config().profile.name();
        if joiner.profile != profile {
            return Err(format!(
                "{name} was started with --profile {}, the cluster runs {profile}: their timers do not fit",
                joiner.profile
            ));
        }
        let of_another = |member: &&Member| member.name != *name && member.address == *address;
        if let Some(other) = group.state.read(|machine| machine.members().iter().find(of_another).cloned()) {
            return Err(format!(
                "{address} is the address of {0}: {name} needs a --listen or --advertise of its own, or {0} has to leave the \
                 cluster first",
                other.name
            ));
        }
        self.is_vacant(&group, name, *attempt, *replace).await?;
        let key = Joiner::key(*attempt);
        let mutation =
            Mutation::Control(ControlCommand::Admit { name: name.clone(), address: address.clone() });
        let command = Command { key: Some(key), mutation };
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

    /// Whether an empty node may have that name; asked of who leads.
    async fn is_vacant(
        &self,
        group: &Group<H>,
        name: &NodeName,
        attempt: u64,
        replace: bool,
    ) -> Result<(), String> {
        if group.leads() {
            return self.is_vacant_here(name, attempt, replace).await;
        }
        let leader = group.leader().ok_or("nobody leads now")?;
        match self.ask(&leader, || PeerRequest::Vacant { name: name.clone(), attempt, replace }).await {
            Ok(PeerResponse::Vacant) => Ok(()),
            Ok(PeerResponse::Refused { why }) => Err(why),
            _ => Err(format!("{}, which leads, does not answer", leader.name)),
        }
    }

    /// Whether an empty node may have that name: nobody has it; or the member of that name does not answer, and either was
    /// away for as long as it takes to be replaced, or somebody decided so. The same attempt may ask again.
    pub(crate) async fn is_vacant_here(
        &self,
        name: &NodeName,
        attempt: u64,
        replace: bool,
    ) -> Result<(), String> {
        let group = self.group(GroupId::CONTROL).ok_or("this node is starting")?;
        // Whoever was deposed without a word hears nobody, and knows nothing of who is there.
        if !group.leads() || !matches!(group.read_index(ASK_WITHIN).await, ReadOutcome::Index { .. }) {
            return Err("nobody leads whom a majority confirms".into());
        }
        let key = Joiner::key(attempt).shown();
        let look = |machine: &Machine| (machine.cluster().member(name).cloned(), machine.remembers(&key));
        let (Some(holder), false) = group.state.read(look) else { return Ok(()) };
        let answers = group.heard_of(group.config().heartbeat * 5).contains(&holder.id);
        if answers || holder.id == group.me {
            return Err(format!(
                "the cluster has a {name} already, which answers at {}: a name is one node. Choose another --id, or stop \
                 that one first",
                holder.address
            ));
        }
        let silent_s = lock(&self.inner.silent_s).get(&holder.id).copied().unwrap_or_default();
        match group.config().down_after {
            _ if replace => Ok(()),
            Some(after) if u64::from(silent_s) >= after.as_secs() => Ok(()),
            Some(after) => Err(format!(
                "the cluster has a {name} already, which does not answer since {silent_s} s: its place is taken after {} s, \
                 or at once by a node that is started with --replace",
                after.as_secs()
            )),
            None => Err(format!(
                "the cluster has a {name} already, which does not answer: its place is taken only by a node that is \
                 started with --replace"
            )),
        }
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
    pub(crate) async fn record_foundation(&self, group: &Group<H>) {
        let Some(Identity::Formed { foundation, .. }) = self.identity() else { return };
        if group.state.read(|machine| machine.cluster().id().is_some()) {
            return;
        }
        let Foundation { cluster, shards, replicas, members } = foundation;
        let mutation = Mutation::Control(ControlCommand::Form { cluster, shards, replicas, members });
        // Refused where it is there already; asked again a second later where it failed.
        group.propose(Command { key: None, mutation }, ADMIT_WITHIN).await;
    }

    /// Never replaces what this node is part of already.
    async fn write_identity(&self, identity: Identity) -> bool {
        if matches!(self.identity(), Some(Identity::Formed { .. })) {
            return true;
        }
        if identity.save(&self.inner.host).await.is_err() {
            return false;
        }
        lock(&self.inner.waiting).sentence.clear();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_waited_for_is_said_once_a_reason_and_then_every_five_seconds() {
        let mut waiting = Waiting::default();
        let reasons = |pairs: &[(&str, &str)]| -> BTreeMap<NodeName, String> {
            pairs.iter().map(|(peer, why)| (NodeName::from(*peer), (*why).to_owned())).collect()
        };
        let (second, missing) = (1_000_000, reasons(&[("node2", "it does not answer")]));
        let said = waiting.are(&missing, second).expect("it is new");
        assert_eq!(said, "waiting for node2 (it does not answer)");
        assert_eq!(waiting.are(&missing, 2 * second), None);
        let both = reasons(&[("node2", "it does not answer"), ("node3", "the cluster secrets differ")]);
        let said = waiting.are(&both, 3 * second).expect("node3 is new");
        assert!(said.contains("node2 (") && said.contains("node3 (the cluster secrets differ)"), "{said}");
        assert_eq!(waiting.are(&both, 7 * second), None);
        assert!(waiting.are(&both, 8 * second).is_some());
        assert_eq!(waiting.are(&missing, 9 * second), None, "it was said before");
        assert_eq!(waiting.are(&BTreeMap::new(), 20 * second), None);
        assert_eq!(waiting.sentence, "");
    }
}
