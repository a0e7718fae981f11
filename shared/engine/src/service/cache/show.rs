//! What is shown of the cache: this node's lines, a line's directory, figures, and the snapshot of the event stream.

use std::sync::Arc;

use bytes::Bytes;
use orrery_api::cache::{
    DirectoryAnswer, DirectoryQuery, LimitsAnswer, LineAnswer, LinesAnswer, StatsAnswer,
};
use orrery_base::error::ApiError;
use orrery_base::ids::GroupId;
use orrery_cache::directory::{Stage, Totals};
use orrery_cache::view::{CachesView, GroupValues, ValuesView};
use orrery_cache::{Address, Lines, State, Values, Version};
use orrery_machine::Member;

use super::{CacheService, json, unavailable};
use crate::cluster::retry_budget::RetryBudget;
use crate::host::{Host, Urgency};
use crate::peer::message::{HomeLine, PeerRequest, PeerResponse};
use crate::raft::group::Group;

impl<H: Host> CacheService<H> {
    /// `GET /cache/lines`
    pub fn lines(&self) -> LinesAnswer {
        let node = self.cluster.local().name.clone();
        self.copies.read(|lines, now_us| {
            let limits = lines.limits();
            let lines: Vec<LineAnswer> = lines
                .view(now_us)
                .into_iter()
                .map(|line| LineAnswer {
                    address: line.address,
                    shard: line.shard,
                    state: line.state,
                    version: line.version,
                    dirty: line.unsaved,
                    lease_left_ms: line.lease_left_us / 1_000,
                    bytes: line.bytes,
                    value: line.value.and_then(|value| json(&value)),
                })
                .collect();
            LinesAnswer {
                node,
                limits: LimitsAnswer {
                    lines_max: limits.lines_max as u64,
                    bytes_max: limits.bytes_max,
                    policy: limits.policy,
                    lease_ms: limits.lease_us / 1_000,
                },
                bytes: lines.iter().map(|line| line.bytes).sum(),
                lines,
            }
        })
    }

    /// The copies that a client of this node could read now, for checks: address, state, version, JSON text.
    pub fn readable_copies(&self) -> Vec<(Address, State, Version, Option<Bytes>)> {
        self.copies.read(|lines, now_us| lines.readable_copies(now_us))
    }

    /// No change of the address that this node's replica has applied has a later version than this, for checks; none where it
    /// has no replica.
    pub fn last_change(&self, address: &Address) -> Option<Version> {
        let group = self.cluster.group(self.shard_now(address)?)?;
        group.state.read(|machine| machine.values().map(|values| values.last_change(address)))
    }

    /// `GET /cache/directory`
    pub async fn directory(&self, query: DirectoryQuery) -> Result<DirectoryAnswer, ApiError> {
        let address = query.address.into_text();
        let shard = self.shard(&address).await?;
        let mut budget = RetryBudget::<H::Runtime>::new(self.cluster.config().request_timeout);
        let mut turn = 0;
        while budget.left().is_some() {
            if let Some((home, line)) = self.ask_directory(shard, &address, turn).await {
                return Ok(answer(address, shard, &home, line));
            }
            turn += 1;
            self.pause(shard, 0, &mut budget).await;
        }
        Err(unavailable(shard))
    }

    async fn ask_directory(
        &self,
        shard: GroupId,
        address: &Address,
        turn: usize,
    ) -> Option<(Member, HomeLine)> {
        let cluster = &self.cluster;
        let here = cluster.group(shard);
        let leader = match &here {
            Some(group) => group.leader(),
            None => cluster.presumed_leader(shard, turn),
        }?;
        if let Some(group) = here.filter(|group| group.me == leader.id) {
            return self.home_line(&group, address).map(|line| (leader, line));
        }
        let request = PeerRequest::Directory { address: address.clone() };
        let within = cluster.config().cache_ask_timeout();
        match cluster.inner.peers.call(shard, &leader, Urgency::Normal, request, within).await {
            Ok(PeerResponse::Directory(Some(line))) => Some((leader, line)),
            _ => {
                cluster.remember_leader(shard, None);
                None
            }
        }
    }

    /// `GET /cache/stats`
    pub fn stats(&self) -> StatsAnswer {
        let Totals { invalidations_sent, revocations } = self.totals();
        let read = |lines: &Lines, now_us| (lines.stats(now_us), lines.late_writes());
        let (stats, late) = self.copies.read(read);
        StatsAnswer { node: self.cluster.local().name.clone(), stats, late, invalidations_sent, revocations }
    }
}

fn answer(address: Address, shard: GroupId, home: &Member, line: HomeLine) -> DirectoryAnswer {
    let HomeLine { term, open, window_left_us, value, owner, sharers } = line;
    let (owner, owner_leased) = owner.map_or((None, false), |(owner, leased)| (Some(owner), leased));
    DirectoryAnswer {
        address,
        shard,
        home: home.name.clone(),
        term,
        open,
        window_left_ms: window_left_us / 1_000,
        version: value.as_ref().map(|(version, _)| *version),
        value: value.and_then(|(_, value)| json(&value)),
        owner,
        owner_leased,
        sharers,
    }
}

impl<H: Host> CacheService<H> {
    /// What this node knows of a line as its home; none where it is not.
    pub(crate) fn home_line(&self, group: &Group<H>, address: &Address) -> Option<HomeLine> {
        let value = group.state.read(|machine| {
            let entry = machine.values()?.get(address)?;
            Some((entry.version, entry.value.clone()))
        });
        let term = group.leading_term()?;
        let fresh =
            HomeLine { term, open: false, window_left_us: 0, value, owner: None, sharers: Vec::new() };
        let seen = self.look_at_home(group, |directory, now_us| {
            let view = directory.view(address, now_us);
            let left_us = match directory.stage() {
                Stage::Window { until_us } => until_us.saturating_sub(now_us),
                _ => 0,
            };
            (directory.stage() == Stage::Open, left_us, view)
        });
        let Some((open, window_left_us, view)) = seen else { return Some(fresh) };
        Some(HomeLine { open, window_left_us, owner: view.owner, sharers: view.sharers, ..fresh })
    }

    /// The node's cache and what it knows as a home, bounded, for the event stream.
    pub fn caches(&self) -> CachesView {
        let values = self.cluster.groups().iter().filter_map(values_of).collect();
        CachesView { homes: self.homes_view(), values, ..self.copies.view() }
    }

    /// The values of a shard as they were applied here; none where it does not run here.
    pub fn values_of(&self, shard: GroupId) -> Option<ValuesView> {
        let (machine, applied) = self.cluster.group(shard)?.state.fork();
        machine.values().map(|values| values.view(applied))
    }
}

/// Of a shard whose cache was ever used. Of a fork, so that showing many values holds nobody up.
fn values_of<H: Host>(group: &Arc<Group<H>>) -> Option<GroupValues> {
    let (machine, applied) = group.state.fork();
    let values = machine.values().filter(|values| **values != Values::default())?;
    Some(GroupValues { group: group.id, values: values.view(applied) })
}
