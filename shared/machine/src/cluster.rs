//! The cluster's own record: its identity, its constants, its members.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use orrery_base::ids::{ClusterId, GroupId, NodeId, NodeName};
use orrery_base::names;
use orrery_placement::{PlacedShard, RingNode, ShardTable};
use serde::{Deserialize, Serialize};

use super::shards::{Placement, SHARDS_MAX, ShardMap, ShardReplicas};
use super::{ControlCommand, ControlReply, MOVES_SINCE, Member};

/// Most members at once.
pub const MEMBERS_MAX: usize = 64;

/// Most names that ever were members: their incarnations are remembered, so that none is given twice.
pub const NAMES_MAX: usize = 1_024;

/// First version of the commands with shards.
pub const SHARDS_SINCE: u16 = 2;

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
    /// A record of its own in a snapshot: version 1 of the format knew none. Shared, because every fork has it.
    #[serde(skip)]
    map: Arc<ShardMap>,
    /// Members that shall go as soon as they hold no shard. A record of its own too.
    #[serde(skip)]
    leaving: OrdSet<NodeName>,
}

impl ClusterRecord {
    /// The id that every data directory carries; none before the cluster is formed.
    pub fn id(&self) -> Option<ClusterId> {
        self.cluster
    }

    /// Whether that identity was given to a node of this cluster, now or before.
    pub fn gave(&self, id: NodeId) -> bool {
        (1..=self.last_id).contains(&id.0)
    }

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

    /// The members, each with the name under which it is kept.
    pub(super) fn by_name(&self) -> impl Iterator<Item = (&NodeName, &Member)> {
        self.members.iter()
    }

    /// The last incarnation of a name that ever was a member.
    pub(super) fn incarnation(&self, name: &str) -> Option<u32> {
        self.incarnations.get(name).copied()
    }

    /// How many names ever were members.
    pub(super) fn names(&self) -> usize {
        self.incarnations.len()
    }

    /// The member of that name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.get(name)
    }

    /// Which nodes hold which shard.
    pub fn map(&self) -> &Arc<ShardMap> {
        &self.map
    }

    /// The map as people see it.
    pub fn shard_table(&self) -> ShardTable {
        let name = |member: &Member| member.name.clone();
        let placed = |shard: &ShardReplicas| PlacedShard {
            shard: shard.shard,
            version: shard.version,
            replicas: shard.replicas.iter().map(name).collect(),
        };
        let stay = self.members().filter(|member| !self.is_leaving(&member.name));
        ShardTable {
            version: self.map.version,
            nodes: stay.map(|member| RingNode::new(name(member))).collect(),
            shards: self.map.shards.iter().map(placed).collect(),
        }
    }

    /// The members that shall go, by name.
    pub fn leaving(&self) -> impl Iterator<Item = &NodeName> {
        self.leaving.iter()
    }

    /// Whether that member shall go.
    pub fn is_leaving(&self, name: &str) -> bool {
        self.leaving.contains(name)
    }

    /// What a snapshot says of it, beside the record itself.
    pub(super) fn restore_map(&mut self, map: ShardMap) {
        self.map = Arc::new(map);
    }

    /// The same for the members that shall go.
    pub(super) fn restore_leaving(&mut self, leaving: Vec<NodeName>) {
        self.leaving = leaving.into_iter().collect();
    }

    /// Another cluster with the same constants. Identities go on upwards: none is given twice.
    pub(super) fn refound(
        &mut self,
        cluster: ClusterId,
        name: NodeName,
        address: String,
    ) -> Result<(Member, ShardMap), String> {
        self.cluster = Some(cluster);
        let me = self.admit(&name, &address)?;
        let others: Vec<NodeName> = self.members().map(|member| member.name.clone()).collect();
        for other in others.iter().filter(|other| **other != name) {
            self.dismiss(other)?;
        }
        self.leaving.clear();
        let mut map = self.map.as_ref().clone();
        if map.version > 0 {
            // Above version 1: its replicas do not begin with an empty log.
            map.version += 1;
            for shard in &mut map.shards {
                *shard = ShardReplicas {
                    version: map.version,
                    replicas: vec![me.clone()],
                    founders: Vec::new(),
                    shard: shard.shard,
                };
            }
            self.restore_map(map.clone());
        }
        Ok((me, map))
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
            ControlCommand::PlaceShards { base, placements } => self.place_shards(*base, placements),
            ControlCommand::Leave { name } => self.leave(name),
            ControlCommand::Move { id, address } => self.move_member(*id, address),
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
        self.leaving.remove(name);
        Ok(())
    }

    /// Asked again it is done already.
    fn leave(&mut self, name: &NodeName) -> Result<(), String> {
        if self.version < SHARDS_SINCE {
            return Err(format!("the cluster uses version {} of its commands", self.version));
        }
        if !self.members.contains_key(name) {
            return Err(format!("{name} is no member"));
        }
        if self.leaving.contains(name) {
            return Ok(());
        }
        let (stay, needed) = (self.members.len() - self.leaving.len() - 1, usize::from(self.replicas).max(1));
        if stay < needed {
            return Err(format!("{stay} nodes would stay, and every shard needs {needed}"));
        }
        self.leaving.insert(name.clone());
        Ok(())
    }

    /// The map's founders stay as they are: every replica of a shard begins with the same entry.
    fn move_member(&mut self, id: NodeId, address: &str) -> Result<(), String> {
        if self.version < MOVES_SINCE {
            return Err(format!("the cluster uses version {} of its commands", self.version));
        }
        if let Some(other) = self.members().find(|member| member.id != id && member.address == address) {
            return Err(format!("{address} is the address of {}", other.name));
        }
        let Some(member) = self.members().find(|member| member.id == id) else {
            return Err(format!("{id} is no member"));
        };
        let member = Member { address: address.to_owned(), ..member.clone() };
        let mut map = ShardMap::clone(&self.map);
        let replicas = map.shards.iter_mut().flat_map(|shard| &mut shard.replicas);
        replicas.filter(|replica| replica.id == id).for_each(|replica| replica.clone_from(&member));
        self.map = Arc::new(map);
        self.members.insert(member.name.clone(), member);
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

    /// The first map has all shards; a later one replaces the sets that it names.
    fn place_shards(&mut self, base: u64, placements: &[Placement]) -> Result<(), String> {
        let present = self.map.version;
        if base != present {
            return Err(format!("the shard map has version {present}, not {base}"));
        }
        if self.version < SHARDS_SINCE {
            return Err(format!("the cluster uses version {} of its commands", self.version));
        }
        let wanted = usize::from(self.shards);
        if base == 0 && (placements.len() != wanted || self.shards > SHARDS_MAX) {
            return Err(format!("the first map has all {wanted} shards, and at most {SHARDS_MAX}"));
        }
        let mut map = ShardMap { version: base + 1, shards: self.map.shards.clone() };
        for (placement, expected) in placements.iter().zip(1..) {
            let replicas = self.placed(placement)?;
            let at = usize::from(placement.shard.0);
            if base == 0 {
                if placement.shard != GroupId(expected) {
                    return Err("the first map names its shards in order".into());
                }
                let founders = replicas.clone();
                let shard = placement.shard;
                map.shards.push(ShardReplicas { shard, version: map.version, replicas, founders });
            } else if let Some(shard) = at.checked_sub(1).and_then(|at| map.shards.get_mut(at)) {
                *shard = ShardReplicas { version: map.version, replicas, ..shard.clone() };
            } else {
                return Err(format!("there is no shard {}", placement.shard));
            }
        }
        self.map = Arc::new(map);
        Ok(())
    }

    /// The members of a replica set; the error says what is wrong with it.
    fn placed(&self, placement: &Placement) -> Result<Vec<Member>, String> {
        let Placement { shard, replicas } = placement;
        if replicas.is_empty() || replicas.len() > usize::from(self.replicas) {
            return Err(format!("{shard} has {} replicas of 1 to {}", replicas.len(), self.replicas));
        }
        let mut members = Vec::with_capacity(replicas.len());
        for id in replicas {
            let member = self.members().find(|member| member.id == *id);
            let member = member.ok_or_else(|| format!("{shard} is placed on {id}, which is no member"))?;
            if members.contains(member) {
                return Err(format!("{shard} is placed on {member} twice"));
            }
            members.push(member.clone());
        }
        Ok(members)
    }
}

fn check_name(name: &NodeName) -> Result<(), String> {
    names::check(name).map_err(|why| format!("a node's name {why}"))
}
