//! Which version of the commands a cluster uses: a committed value, raised once every member has said that it knows a
//! newer one. A node of an older program would read a newer command wrongly, or not at all.

use futures_util::future::join_all;
use orrery_base::ids::{GroupId, NodeId};
use orrery_machine::{Command, ControlCommand, Member, Mutation};

use crate::cluster::Cluster;
use crate::cluster::formation::ASK_WITHIN;
use crate::host::{Host, Urgency};
use crate::peer::message::{PeerRequest, PeerResponse};
use crate::raft::group::Group;

/// How often a member is asked in one round.
const TRIES: u32 = 4;

impl<H: Host> Cluster<H> {
    /// What a leader does once a second for as long as it knows a newer version than the cluster uses.
    pub(crate) async fn raise_version(&self, group: &Group<H>) {
        let (used, members) = group.state.read(|machine| (machine.cluster().version(), machine.members()));
        let mine = self.config().command_version;
        if used == 0 || used >= mine {
            return;
        }
        let Some(to) = self.known_to_all(group.me, mine, &members).await else { return };
        if to > used {
            // Who is admitted meanwhile is not in the list: then it is refused, and everybody is asked again.
            let members = members.iter().map(|member| member.id).collect();
            let mutation = Mutation::Control(ControlCommand::RaiseVersion { to, members });
            let outcome = group.propose(Command { key: None, mutation }, ASK_WITHIN).await;
            tracing::info!(to, ?outcome, "raising the version of the commands");
        }
    }

    /// The newest version that every member knows; none where one did not answer.
    async fn known_to_all(&self, me: NodeId, mine: u16, members: &[Member]) -> Option<u16> {
        // All at once: where messages get lost, one after the other would hardly ever be through.
        let others = members.iter().filter(|member| member.id != me);
        let known = join_all(others.map(|member| self.known_to(member, mine))).await;
        known.into_iter().chain([Some(mine)]).min().flatten()
    }

    /// One lost message must not send everybody round again: each is asked a few times.
    async fn known_to(&self, member: &Member, mine: u16) -> Option<u16> {
        for _ in 0..TRIES {
            let call = self.inner.peers.call(
                GroupId::CONTROL,
                member,
                Urgency::Normal,
                PeerRequest::Version,
                ASK_WITHIN / TRIES,
            );
            if let Ok(PeerResponse::Version { commands }) = call.await {
                return Some(commands.min(mine));
            }
        }
        None
    }

    /// A program that is older than what its data directory holds must not go on with it.
    pub(crate) fn knows_its_commands(&self, group: &Group<H>) -> bool {
        let used = group.state.read(|machine| machine.cluster().version());
        let mine = self.config().command_version;
        if used > mine {
            self.inner.host.fail_stop(&format!(
                "the cluster uses version {used} of its commands, and this program knows {mine}: start a newer one"
            ));
        }
        used <= mine
    }
}
