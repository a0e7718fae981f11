//! The cluster's own record: its identity, its constants, its members.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::{ControlCommand, ControlReply, Member};
use crate::ids::{ClusterId, NAME_BYTES_MAX, NodeId, NodeName};

/// Most members at once.
pub const MEMBERS_MAX: usize = 64;

/// Most names that ever were members: their incarnations are remembered, so that none is given twice.
pub const NAMES_MAX: usize = 1_024;

/// What the control group knows about the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRecord {
    cluster: Option<ClusterId>,
    shards: u16,
    replicas: u16,
    version: u16,
    /// The largest Raft identity ever given.
    last_id: u64,
    members: OrdMap<NodeName, Member>,
    /// Last incarnation of every name that ever was a member.
    incarnations: OrdMap<NodeName, u32>,
}

impl ClusterRecord {
    /// The id that every data directory carries; none before the cluster is formed.
    pub fn id(&self) -> Option<ClusterId> {
        self.cluster
    }

    /// Number of shards.
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// Replicas of a shard.
    pub fn replicas(&self) -> u16 {
        self.replicas
    }

    /// Version of the commands that every member supports; 0 before the cluster is formed.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// The members, by name.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// The member of that name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.get(name)
    }

    /// Does what a control command says.
    pub(super) fn apply(&mut self, command: &ControlCommand) -> ControlReply {
        let done = match command {
            ControlCommand::Form { cluster, shards, replicas, members } => {
                self.form(*cluster, *shards, *replicas, members)
            }
            ControlCommand::Admit { name, address } => {
                return match self.admit(name, address) {
                    Ok(member) => ControlReply::Admitted { member },
                    Err(why) => ControlReply::Refused { why },
                };
            }
            ControlCommand::Dismiss { name } => self.dismiss(name),
            ControlCommand::RaiseVersion { to, members } => self.raise_version(*to, members),
        };
        match done {
            Ok(()) => ControlReply::Done,
            Err(why) => ControlReply::Refused { why },
        }
    }

    fn form(
        &mut self,
        cluster: ClusterId,
        shards: u16,
        replicas: u16,
        members: &[Member],
    ) -> Result<(), String> {
        if let Some(present) = self.cluster {
            return Err(format!("the cluster {present} is formed already"));
        }
        if members.is_empty() || members.len() > MEMBERS_MAX {
            return Err(format!("a cluster begins with 1 to {MEMBERS_MAX} members"));
        }
        let mut formed =
            ClusterRecord { cluster: Some(cluster), shards, replicas, version: 1, ..Self::default() };
        for member in members {
            check_name(&member.name)?;
            if formed.members.contains_key(&member.name)
                || formed.members().any(|other| other.id == member.id)
            {
                return Err(format!("{member} has the name or the id of another first member"));
            }
            let member = Member { incarnation: member.incarnation.max(1), ..member.clone() };
            formed.last_id = formed.last_id.max(member.id.0);
            formed.incarnations.insert(member.name.clone(), member.incarnation);
            formed.members.insert(member.name.clone(), member);
        }
        *self = formed;
        Ok(())
    }

    /// A new identity for a name, also where the name is a member: its old identity never comes back.
    fn admit(&mut self, name: &NodeName, address: &str) -> Result<Member, String> {
        if self.cluster.is_none() {
            return Err("the cluster is not formed yet".into());
        }
        check_name(name)?;
        if !self.members.contains_key(name) && self.members.len() >= MEMBERS_MAX {
            return Err(format!("the cluster has {MEMBERS_MAX} members, which is the bound"));
        }
        if !self.incarnations.contains_key(name) && self.incarnations.len() >= NAMES_MAX {
            return Err(format!("the cluster had members of {NAMES_MAX} names, which is the bound"));
        }
        let exhausted = || format!("{name} has no further incarnation or identity");
        let id = self.last_id.checked_add(1).ok_or_else(exhausted)?;
        let incarnation = self.incarnations.get(name).unwrap_or(&0).checked_add(1).ok_or_else(exhausted)?;
        self.last_id = id;
        self.incarnations.insert(name.clone(), incarnation);
        let member = Member { id: NodeId(id), name: name.clone(), incarnation, address: address.to_owned() };
        self.members.insert(name.clone(), member.clone());
        Ok(member)
    }

    fn dismiss(&mut self, name: &NodeName) -> Result<(), String> {
        if !self.members.contains_key(name) {
            return Err(format!("{name} is no member"));
        }
        if self.members.len() == 1 {
            return Err(format!("{name} is the last member"));
        }
        self.members.remove(name);
        Ok(())
    }

    fn raise_version(&mut self, to: u16, asked: &[NodeId]) -> Result<(), String> {
        if to < self.version {
            return Err(format!("version {} is in use and is never lowered", self.version));
        }
        if let Some(member) = self.members().find(|member| !asked.contains(&member.id)) {
            return Err(format!("{member} has not said that it knows version {to}"));
        }
        self.version = to;
        Ok(())
    }
}

fn check_name(name: &NodeName) -> Result<(), String> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(format!("a node's name has 1 to {NAME_BYTES_MAX} bytes"));
    }
    Ok(())
}
