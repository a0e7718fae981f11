//! The coherent cache of one node: what its clients read and write, on top of the copies that it holds and the homes that
//! it asks. What a client is promised is in docs/cache.md.
//!
//! - [`copies`]: the node's lines, and what leaves them by itself;
//! - [`home`]: the directory of a shard that this node leads;
//! - [`ask`]: from the one to the other, on this node or over the peer links.

mod ask;
mod copies;
mod home;
mod read;
mod show;
mod write;

use std::sync::Arc;
use std::time::Duration;

use openraft::AsyncRuntime;
use openraft::async_runtime::{Oneshot, OneshotSender};

pub use copies::{Copies, keep as keep_copies, report};
pub use home::{Homes, keep as keep_homes};

use orrery_api::queue::JsonText;
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::ids::GroupId;
use orrery_cache::Address;
use orrery_cache::message::{Ask, Recall, Recalled, Told};
use orrery_cache::node::{Done, Lines, Looked};
use orrery_machine::CACHE_SINCE;
use orrery_placement::{address_hash, shard_of};

use crate::cluster::Cluster;
use crate::cluster::retry_budget::RetryBudget;
use crate::host::Host;
use crate::service::quotas::Quotas;
use crate::service::requests::Requests;

/// Pause between two looks for the first shard map.
const MAP_NAP: Duration = Duration::from_millis(20);

/// Of the time that is left, one question takes at most this part; the home may have to wait for a lease meanwhile.
const ASK_PART: u32 = 2;

/// The cache service of one node. Cheap to clone.
///
/// A durable mutation without an `Idempotency-Key` gets one here, and an `outcome_unknown` error carries the key under which a retry is
/// safe. Each request ends within
/// [`crate::config::EngineConfig::request_timeout`].
pub struct CacheService<H: Host> {
    cluster: Cluster<H>,
    requests: Arc<Requests>,
    quotas: Arc<Quotas>,
    copies: Copies<H>,
    homes: Arc<Homes<H>>,
}

impl<H: Host> Clone for CacheService<H> {
    fn clone(&self) -> Self {
        CacheService {
            cluster: self.cluster.clone(),
            requests: self.requests.clone(),
            quotas: self.quotas.clone(),
            copies: self.copies.clone(),
            homes: self.homes.clone(),
        }
    }
}

/// What a client's request came to at the lines.
enum Step {
    Hit(Looked),
    /// By a question to the home.
    Done(Done),
}

impl<H: Host> CacheService<H> {
    pub(crate) fn new(
        cluster: Cluster<H>,
        requests: Arc<Requests>,
        quotas: Arc<Quotas>,
        copies: Copies<H>,
        homes: Arc<Homes<H>>,
    ) -> Self {
        CacheService { cluster, requests, quotas, copies, homes }
    }

    /// Sends everything home that is nowhere else, for at most so long.
    pub(crate) async fn stop(&self, within: Duration) {
        self.copies.stop(within).await;
    }

    /// Wakes the keeper, so that it sees that the engine stops.
    pub(crate) fn wake(&self) {
        self.copies.wake();
    }

    /// A home takes a copy away.
    pub(crate) fn recall(&self, shard: GroupId, recall: &Recall) -> Recalled {
        self.copies.recall(shard, recall)
    }

    /// The shard of an address. Waits, within a request's time, until this node is part of a cluster whose members all know
    /// the cache.
    async fn shard(&self, address: &Address) -> Result<GroupId, ApiError> {
        let within = self.cluster.config().request_timeout;
        let mut waited = Duration::ZERO;
        loop {
            if let Some(shard) = self.shard_now(address) {
                return Ok(shard);
            }
            if waited >= within || self.cluster.stopping() || self.cluster.halted().is_some() {
                return Err(self.cluster.not_ready(
                    "This node is not ready: it is starting, or some member of the cluster runs a version without the \
                     cache. Try again later.",
                ));
            }
            H::Runtime::sleep(MAP_NAP).await;
            waited += MAP_NAP;
        }
    }

    fn shard_now(&self, address: &Address) -> Option<GroupId> {
        if !self.cluster.ready() || self.cluster.stopping() {
            return None;
        }
        let control = self.cluster.group(GroupId::CONTROL)?;
        let shards = control.state.read(|machine| {
            let record = machine.cluster();
            (record.version() >= CACHE_SINCE).then(|| record.map().shards.len())
        })?;
        let shards = u16::try_from(shards).ok().filter(|shards| *shards > 0)?;
        Some(shard_of(address_hash(address), shards))
    }

    /// Looks until the lines answer or a question to the home does. None when the time is over. `first` is true until the
    /// request looked once.
    async fn step(
        &self,
        shard: GroupId,
        address: &Address,
        (write, first): (bool, &mut bool),
        budget: &mut RetryBudget<H::Runtime>,
        mut look: impl FnMut(&mut Lines, u64) -> Looked,
    ) -> Result<Option<Step>, ApiError> {
        while let Some(left) = budget.left() {
            let how = (write, std::mem::take(first));
            let (looked, waiter) = self.copies.look(shard, address, how, |lines, now_us| look(lines, now_us));
            match looked {
                Looked::Hit { .. } => return Ok(Some(Step::Hit(looked))),
                Looked::Ask { asked, ask } => {
                    if let Some(home) = self.home_beyond_reach(shard).await {
                        let told = Some(Told::NotHome);
                        self.copies.change(|lines, now_us| lines.told(shard, asked, told, now_us));
                        return Err(beyond_reach(shard, &self.cluster.local().name, &home));
                    }
                    let within = (left / ASK_PART).max(left.min(self.try_min()));
                    return Ok(Some(Step::Done(self.ask(shard, asked, ask, within).await)));
                }
                Looked::Wait => match waiter {
                    Some(waiter) => waiter.wait(left.min(self.try_min())).await,
                    None => return Err(busy("at this node")),
                },
            }
        }
        Ok(None)
    }

    /// Shortest time for one question: the home may wait for a lease and its margin, and somebody may be elected first.
    fn try_min(&self) -> Duration {
        Duration::from_micros(2 * self.cluster.config().cache.lease_us)
    }

    /// Asks the home. Goes on when the client goes away: the lines wait for the answer.
    async fn ask(&self, shard: GroupId, asked: u64, ask: Ask, within: Duration) -> Done {
        let (sender, receiver) = <<H::Runtime as AsyncRuntime>::Oneshot as Oneshot>::channel();
        let cache = self.clone();
        drop(H::Runtime::spawn(async move {
            let told = cache.ask_home(shard, asked, ask, within).await;
            let done = cache.copies.change(|lines, now_us| lines.told(shard, asked, told, now_us));
            // The client may have gone.
            let _ = sender.send(done);
        }));
        receiver.await.unwrap_or(Done::Unknown)
    }

    /// Before the same is asked again.
    async fn pause(&self, shard: GroupId, after_us: u64, budget: &mut RetryBudget<H::Runtime>) {
        if after_us > 0 {
            // The home said how long it waits for older leases; a little later is soon enough.
            let after = Duration::from_micros(after_us) + Duration::from_millis(1);
            H::Runtime::sleep(after.min(budget.left().unwrap_or_default())).await;
            return;
        }
        let group = self.cluster.group(shard);
        let reign = group.as_ref().map(|group| group.reign());
        budget.pause(group.as_deref().zip(reign), self.cluster.host().random()).await;
    }
}

/// Nobody who could answer did.
fn unavailable(shard: GroupId) -> ApiError {
    let message = format!(
        "Shard {shard}, the home of this line, cannot answer now: it has no leader that a majority confirms. Try \
         again."
    );
    ApiError { shard: Some(shard), ..ApiError::new(ErrorCode::ShardUnavailable, message) }
}

/// The link between two nodes is out.
fn beyond_reach(shard: GroupId, here: &str, home: &str) -> ApiError {
    let message = format!(
        "{here} does not reach {home}, the home of this line, which others reach: ask {home} or another node."
    );
    ApiError { shard: Some(shard), ..ApiError::new(ErrorCode::ShardUnavailable, message) }
}

fn busy(place: &str) -> ApiError {
    ApiError::new(
        ErrorCode::LimitReached,
        format!("Too many requests wait for cache lines {place}. Try again later."),
    )
}

fn internal() -> ApiError {
    ApiError::new(ErrorCode::Internal, "The cache answered something unexpected.")
}

/// What was written is JSON text: whoever wrote it was checked.
fn json(value: &[u8]) -> Option<JsonText> {
    JsonText::new(String::from_utf8_lossy(value).into_owned()).ok()
}
