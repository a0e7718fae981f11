//! Writes and deletions.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use orrery_api::cache::{Delete, Write, WriteAnswer, WriteStatus};
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::ids::GroupId;
use orrery_cache::node::{Done, Looked};
use orrery_cache::{Address, BYTES_PER_SHARD_MAX, CacheReply, State, Version};
use orrery_machine::Reply;

use super::{CacheService, Step, busy, internal, unavailable};
use crate::cluster::retry_budget::RetryBudget;
use crate::host::Host;
use crate::raft::group::Group;
use crate::service::pipeline::{Caller, Serve};
use crate::service::quotas::{Asker, Before};
use crate::service::requests::Key;
use crate::service::verdict;

/// A durable write, or a deletion.
struct Durable {
    address: Address,
    value: Option<Bytes>,
    if_version: Option<Version>,
    key: Key,
}

impl<H: Host> Serve<Write> for CacheService<H> {
    /// A write that is answered before its commit is not remembered under its key: who repeats it writes again.
    async fn serve(&self, request: Write, caller: Caller) -> Result<WriteAnswer, ApiError> {
        let Write { address, value, write_back, if_version } = request;
        let address = address.into_text();
        let key = caller.key(&self.requests, Duration::ZERO);
        let shard = self.shard(&address).await?;
        let value = Bytes::copy_from_slice(value.text().as_bytes());
        let bytes = (address.len() + value.len()) as u64;
        let before = self.begin_write(shard, &address, bytes, &key, caller.asker.as_ref())?;
        let written = if write_back {
            self.write_back(shard, &address, &value).await
        } else {
            let write = Durable { address: address.clone(), value: Some(value), if_version, key };
            self.commit(shard, write).await
        };
        let surely_not = written.as_ref().is_err_and(|error| error.code != ErrorCode::OutcomeUnknown);
        if let Some((asker, before)) = caller.asker.as_ref().zip(before).filter(|_| surely_not) {
            self.quotas.undo_write(asker, &address, before);
        }
        written
    }
}

impl<H: Host> Serve<Delete> for CacheService<H> {
    async fn serve(&self, request: Delete, caller: Caller) -> Result<WriteAnswer, ApiError> {
        let address = request.address.into_text();
        let key = caller.key(&self.requests, Duration::ZERO);
        let shard = self.shard(&address).await?;
        let write = Durable { address: address.clone(), value: None, if_version: request.if_version, key };
        let deleted = self.commit(shard, write).await;
        if deleted.is_ok() {
            self.quotas.deleted(&address);
        }
        deleted
    }
}

impl<H: Host> CacheService<H> {
    /// Counts the value for one client's address, which has room for it. Not where the request has its outcome.
    fn begin_write(
        &self,
        shard: GroupId,
        address: &Address,
        bytes: u64,
        key: &Key,
        asker: Option<&Asker>,
    ) -> Result<Option<Before>, ApiError> {
        let Some(asker) = asker else { return Ok(None) };
        let shards = self.cluster.shard_map().shards.len() as u64;
        let share = self.cluster.config().client_share(shards * BYTES_PER_SHARD_MAX);
        let remembers = |group: Arc<Group<H>>| group.state.read(|machine| machine.knows(key.request()));
        if self.cluster.group(shard).is_some_and(remembers) {
            return Ok(None);
        }
        let exists = |address: &Address| {
            let group = self.cluster.group(self.shard_now(address)?)?;
            Some(
                group
                    .state
                    .read(|machine| machine.values().is_none_or(|values| values.get(address).is_some())),
            )
        };
        let most = (share, self.cluster.host().monotonic_us());
        let begun = self.quotas.begin_write(asker, address, bytes, most, exists);
        begun.map(Some).map_err(|what| verdict::bound_reached(shard, &what, key))
    }

    async fn write_back(
        &self,
        shard: GroupId,
        address: &Address,
        value: &Bytes,
    ) -> Result<WriteAnswer, ApiError> {
        let mut budget = RetryBudget::<H::Runtime>::new(self.cluster.config().request_timeout);
        let mut first = true;
        loop {
            if self.copies.read(|lines, _| lines.is_overfull()) {
                return Err(ApiError::new(
                    ErrorCode::LimitReached,
                    "This node holds too much that is not written back yet. Nothing was done; write without \
                     \"write_back\", or try again later.",
                ));
            }
            // Stopping, the lines take nothing that is not durable; the step waits for nothing then.
            let look = |lines: &mut orrery_cache::Lines, now_us| {
                lines.write_back(shard, address, value, now_us).unwrap_or(Looked::Wait)
            };
            let step = self.step(shard, address, (true, &mut first), &mut budget, look).await?;
            match step.ok_or_else(|| unavailable(shard))? {
                Step::Hit(Looked::Hit { state, version, .. }) => {
                    let address = address.clone();
                    let status = WriteStatus::Written;
                    return Ok(WriteAnswer { status, address, state, version, durable: false });
                }
                // The line is here: write into it, unless it went again meanwhile.
                Step::Done(Done::Owned) => {}
                Step::Done(Done::Busy) => return Err(busy("at their home")),
                Step::Done(Done::Again { after_us }) => self.pause(shard, after_us, &mut budget).await,
                Step::Hit(_) | Step::Done(_) => self.pause(shard, 0, &mut budget).await,
            }
        }
    }

    async fn commit(&self, shard: GroupId, write: Durable) -> Result<WriteAnswer, ApiError> {
        let Durable { address, value, if_version, key } = write;
        let mut budget = RetryBudget::<H::Runtime>::new(self.cluster.config().request_timeout);
        let mut first = true;
        // Once a try went out without an answer, nothing later can take that back.
        let mut unknown = false;
        loop {
            let look = |lines: &mut orrery_cache::Lines, now_us| {
                lines.write(shard, &address, value.clone(), if_version, key.request().clone(), now_us)
            };
            key.sent(shard);
            let step = match self.step(shard, &address, (true, &mut first), &mut budget, look).await {
                Ok(Some(step)) => step,
                Ok(None) if unknown => return Err(verdict::unknown(shard, "its home did not answer", &key)),
                Ok(None) => return Err(verdict::not_taken(shard, NO_HOME, &key)),
                Err(_) if unknown => return Err(verdict::unknown(shard, "its home did not answer", &key)),
                Err(error) => {
                    key.answered(shard);
                    return Err(verdict::refused(shard, error.code, &error.message, &key));
                }
            };
            match step {
                Step::Done(Done::Written { reply, state }) => {
                    key.answered(shard);
                    return written(address, reply, state, |refused| refusal(shard, refused, &key));
                }
                Step::Done(Done::Busy) if !unknown => {
                    key.answered(shard);
                    let error = busy("at their home");
                    return Err(verdict::refused(shard, error.code, &error.message, &key));
                }
                Step::Done(Done::Unknown | Done::Ignored) => {
                    // Under its key it takes effect once, however often it is asked for.
                    unknown = true;
                    self.pause(shard, 0, &mut budget).await;
                }
                Step::Done(Done::Again { after_us }) => self.pause(shard, after_us, &mut budget).await,
                Step::Hit(_) | Step::Done(_) => self.pause(shard, 0, &mut budget).await,
            }
        }
    }
}

/// Why a home takes nothing.
const NO_HOME: &str = "it has no leader that a majority confirms";

fn written(
    address: Address,
    reply: CacheReply,
    state: State,
    refusal: impl FnOnce(CacheReply) -> ApiError,
) -> Result<WriteAnswer, ApiError> {
    let answer = |status, version| Ok(WriteAnswer { status, address, state, version, durable: true });
    match reply {
        CacheReply::Written { version } => answer(WriteStatus::Written, version),
        CacheReply::Deleted { version, existed: true } => answer(WriteStatus::Deleted, version),
        CacheReply::Deleted { version, existed: false } => answer(WriteStatus::Absent, version),
        reply => Err(refusal(reply)),
    }
}

/// What stands for a write that changed nothing.
fn refusal(shard: GroupId, reply: CacheReply, key: &Key) -> ApiError {
    let key_refused = |reply| verdict::key_refused(shard, &reply, key).unwrap_or_else(internal);
    match reply {
        CacheReply::WrongVersion { version } => {
            let message = format!(
                "The line has version {version}, which is not the one that was asked for. Nothing changed."
            );
            ApiError { version: Some(version), ..ApiError::new(ErrorCode::WrongVersion, message) }
        }
        // It is not remembered: another attempt may come through when there is room.
        CacheReply::Full { what } => {
            verdict::refused(shard, ErrorCode::LimitReached, &format!("A bound is reached: {what}."), key)
        }
        CacheReply::KeyForgotten => key_refused(Reply::KeyForgotten),
        CacheReply::KeyReused => key_refused(Reply::KeyReused),
        CacheReply::TooManyKeys { what } => key_refused(Reply::TooManyKeys { what }),
        CacheReply::Written { .. }
        | CacheReply::Deleted { .. }
        | CacheReply::Begun { .. }
        | CacheReply::Opened
        | CacheReply::Revoked { .. }
        | CacheReply::Stale { .. }
        | CacheReply::OldTenure { .. } => internal(),
    }
}
