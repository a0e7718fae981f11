//! Whether what others say of a group's history fits to what this node knows. Where it does not, some disk was set back.

use std::io;

use openraft::async_runtime::WatchReceiver;
use orrery_base::ids::NodeId;

use crate::host::Host;
use crate::peer::witness::Promise;
use crate::raft::group::Group;
use crate::types::{LogId, Vote};

impl<H: Host> Group<H> {
    /// At the leader: what it knows at this moment of what a follower's disk holds.
    pub fn promise_of(&self, of: NodeId) -> Option<Promise> {
        let term = self.leading_term()?;
        let metrics = self.raft.data_metrics();
        let matching = metrics.borrow_watched().replication.as_ref()?.get(&of).cloned()??;
        let committed = self.log.committed().map(|committed| committed.min(matching));
        let last = Some(matching).filter(|id| id.leader_id.term == term);
        Some(Promise { group: self.id, term, last, committed, digest: None })
    }

    /// A leader has everything that is committed (Raft §5.4.3). Where this one has another entry, or none, in the place of
    /// one that is committed here, some disks forgot what they had acknowledged: nobody can say any more what is true.
    fn contradicts(&self, ids: impl Iterator<Item = LogId>) -> io::Result<Option<String>> {
        let Some(committed) = self.log.committed() else { return Ok(None) };
        for theirs in ids.take_while(|id| id.index <= committed.index).filter(|id| *id != committed) {
            let ours = self.log.term_at(theirs.index)?.filter(|term| *term != theirs.leader_id.term);
            if let Some(ours) = ours {
                return Ok(Some(format!(
                    "in {} the entry {} of term {ours} was committed, and a leader has one of term {} in its place",
                    self.id, theirs.index, theirs.leader_id.term
                )));
            }
        }
        Ok(None)
    }

    /// A term has one leader (Raft §5.2): where a second one is heard, some disk forgot the vote that it had given.
    fn two_leaders(&self, mine: Option<&Vote>, vote: &Vote) -> Option<String> {
        let mine = mine.filter(|mine| mine.committed && vote.committed)?;
        let (ours, theirs) = (&mine.leader_id, &vote.leader_id);
        (ours.term == theirs.term && ours.voted_for != theirs.voted_for)
            .then(|| format!("in {} the term {} has two leaders", self.id, ours.term))
    }

    /// Looks at what a leader sends before it can replace anything; an error is a sentence.
    pub(crate) fn check_against(&self, vote: &Vote, ids: impl Iterator<Item = LogId>) -> Result<(), String> {
        let mine = self.log.vote();
        if mine.as_ref().is_some_and(|mine| vote < mine) {
            return Ok(());
        }
        let why = match self.two_leaders(mine.as_ref(), vote) {
            Some(why) => Some(why),
            None => self.contradicts(ids).map_err(|error| error.to_string())?,
        };
        let Some(why) = why else { return Ok(()) };
        let why = two_histories(&why);
        self.peers.witness.contradicts(why.clone());
        Err(why)
    }

    /// What contradicts what another node has committed: an entry of the same index that is committed here, too, and is
    /// another one.
    pub fn contradicts_committed(&self, theirs: &Promise) -> io::Result<Option<String>> {
        let (Some(ours), Some(id)) = (self.log.committed(), theirs.committed) else { return Ok(None) };
        if ours.index < id.index {
            return Ok(None);
        }
        let Some((term, digest)) = self.log.digest_at(id.index)? else { return Ok(None) };
        let differs = term != id.leader_id.term || theirs.digest.is_some_and(|theirs| theirs != digest);
        Ok(differs.then(|| {
            two_histories(&format!("in {} the committed entry {} is another one there", self.id, id.index))
        }))
    }
}

/// What a node says that cannot go on because of what others have.
pub(crate) fn two_histories(why: &str) -> String {
    format!(
        "{why}: some data folder of the cluster was set back, and the cluster has two histories. Keep this folder, it has \
         what was acknowledged. Which history stays is for a person to decide: see docs/operations.md"
    )
}
