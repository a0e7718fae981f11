//! Reads.

use orrery_api::cache::{Consistency, Read, ReadAnswer, ReadSource, ReadStatus};
use orrery_base::error::ApiError;
use orrery_base::ids::GroupId;
use orrery_cache::message::Source;
use orrery_cache::node::{Done, Looked};
use orrery_cache::{Address, State, Version};

use super::{CacheService, Step, busy, json, unavailable};
use crate::cluster::retry_budget::RetryBudget;
use crate::host::Host;
use crate::service::pipeline::{Begun, Caller, Serve, told};

impl<H: Host> Serve<Read> for CacheService<H> {
    /// A hit is no request to anybody: it is counted, and the first ones of a second are told.
    const TOLD: bool = false;

    async fn serve(&self, request: Read, _: Caller) -> Result<ReadAnswer, ApiError> {
        let shard = self.shard(&request.address).await?;
        if request.consistency == Consistency::Eventual
            && let Some(answer) = self.any_copy(shard, &request.address)
        {
            return Ok(answer);
        }
        if let Some(Looked::Hit { state, version, value }) = self.copies.hit(shard, &request.address) {
            let value = value.map(|value| (version, value));
            return Ok(answer(request.address.into_text(), state, value, Found::Here));
        }
        let run = self.fill(shard, &request.address);
        if !self.cluster.host().records() {
            return run.await;
        }
        told((self.cluster.host(), &self.requests), Begun::of(&request, None), run).await
    }
}

impl<H: Host> CacheService<H> {
    async fn fill(&self, shard: GroupId, address: &Address) -> Result<ReadAnswer, ApiError> {
        let mut budget = RetryBudget::<H::Runtime>::new(self.cluster.config().request_timeout);
        let mut first = true;
        loop {
            let look = |lines: &mut orrery_cache::Lines, now_us| lines.read(shard, address, now_us);
            let step = self.step(shard, address, (false, &mut first), &mut budget, look).await?;
            match step.ok_or_else(|| unavailable(shard))? {
                Step::Hit(Looked::Hit { state, version, value }) => {
                    let value = value.map(|value| (version, value));
                    return Ok(answer(address.clone(), state, value, Found::Here));
                }
                Step::Done(Done::Value { value, state, source }) => {
                    return Ok(answer(address.clone(), state, value, Found::There(source)));
                }
                Step::Done(Done::Busy) => return Err(busy("at their home")),
                Step::Done(Done::Again { after_us }) => self.pause(shard, after_us, &mut budget).await,
                Step::Hit(_) | Step::Done(_) => self.pause(shard, 0, &mut budget).await,
            }
        }
    }

    /// What this node has of it, however old.
    fn any_copy(&self, shard: GroupId, address: &Address) -> Option<ReadAnswer> {
        let copy = self.copies.read(|lines, _| lines.any_copy(address));
        if let Some((version, value, state)) = copy {
            return Some(answer(address.clone(), state, Some((version, value)), Found::Here));
        }
        let group = self.cluster.group(shard)?;
        let value = group.state.read(|machine| {
            let entry = machine.values()?.get(address)?;
            Some((entry.version, entry.value.clone()))
        });
        Some(answer(address.clone(), State::I, value, Found::Replica))
    }
}

/// Where a value was.
enum Found {
    Here,
    Replica,
    There(Source),
}

fn answer(
    address: Address,
    state: State,
    value: Option<(Version, bytes::Bytes)>,
    found: Found,
) -> ReadAnswer {
    let (source, owner, there) = match found {
        Found::Here => (ReadSource::Local, None, ReadStatus::Hit),
        Found::Replica => (ReadSource::Replica, None, ReadStatus::Hit),
        Found::There(Source::Home) => (ReadSource::Home, None, ReadStatus::Fill),
        Found::There(Source::Owner(node)) => (ReadSource::Owner, Some(node), ReadStatus::Fill),
    };
    let version = value.as_ref().map(|(version, _)| *version);
    let status = if value.is_some() { there } else { ReadStatus::Miss };
    ReadAnswer {
        status,
        address,
        value: value.and_then(|(_, value)| json(&value)),
        state,
        version,
        source,
        owner,
    }
}
