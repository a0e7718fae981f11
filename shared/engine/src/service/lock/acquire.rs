//! Acquire: at once, by a place in the queue, or by a long poll that ends with the lock, a refusal, or a time-out.

use std::time::Duration;

use openraft::AsyncRuntime;
use openraft::async_runtime::{Select3, Watch, WatchReceiver};
use orrery_api::lock::{Acquire, LockAnswer, TTL_DEFAULT, WAIT_DEFAULT};
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::ids::GroupId;
use orrery_base::key::IdempotencyKey;
use orrery_lock::fact::ReleaseCause;
use orrery_lock::{Holder, LockCommand, LockReply, Mode, Wait, WaitEdge, WaitId};
use orrery_machine::{Command, Mutation, Reply, WITHDRAW_SINCE};
use smol_str::SmolStr;

use super::ends::WaitEnd;
use super::{LockService, holder, internal, refused, session_expired};
use crate::error::ProposeError;
use crate::host::Host;
use crate::service::pipeline::{Caller, Serve};
use crate::service::requests::Key;
use crate::service::verdict;

/// A queued wait's lease is so many times what a poll is promised: then most polls have nothing to renew.
const QUEUED_LEASES: u64 = 2;

/// A long poll's wait outlives its time-out by this much on the lease clock: time for its cancel. It only counts
/// where the serving node dies.
const LONG_POLL_GRACE_MS: u64 = 15_000;

#[derive(Clone, Debug)]
struct Asked {
    resource: SmolStr,
    holder: Holder,
    mode: Mode,
    ttl_ms: u64,
    wait_ms: u64,
    queue: bool,
}

impl From<Acquire> for Asked {
    fn from(request: Acquire) -> Self {
        let Acquire { resource, client, session, mode, ttl_ms, wait_ms, queue } = request;
        Asked {
            resource: resource.into_text(),
            holder: holder(client, session),
            mode,
            ttl_ms: ttl_ms.unwrap_or(TTL_DEFAULT).get(),
            wait_ms: wait_ms.unwrap_or(WAIT_DEFAULT).get(),
            queue,
        }
    }
}

impl Asked {
    /// How long its request may take beside its attempts.
    fn waits(&self) -> Duration {
        Duration::from_millis(if self.queue { 0 } else { self.wait_ms })
    }

    fn command(&self) -> LockCommand {
        let wait = if self.queue {
            Wait::Queue { deadline_ms: self.ttl_ms.max(self.wait_ms) * QUEUED_LEASES }
        } else if self.wait_ms == 0 {
            Wait::No
        } else {
            Wait::LongPoll { deadline_ms: self.wait_ms + LONG_POLL_GRACE_MS }
        };
        LockCommand::Acquire {
            resource: self.resource.clone(),
            holder: self.holder.clone(),
            mode: self.mode,
            ttl_ms: self.ttl_ms,
            wait,
        }
    }
}

/// Changes when the caller goes away.
type Gone<R> = <<R as AsyncRuntime>::Watch as Watch>::Receiver<()>;

/// How a long poll's waiting ended here.
enum Ended {
    Known(WaitEnd),
    TimedOut,
    CallerGone,
}

impl<H: Host> Serve<Acquire> for LockService<H> {
    /// Dropping the future cancels its wait in the background.
    async fn serve(&self, request: Acquire, caller: Caller) -> Result<LockAnswer, ApiError> {
        let asked = Asked::from(request);
        let key = caller.key(&self.requests, asked.waits());
        if asked.queue || asked.wait_ms == 0 {
            let reply = self.lock(asked.command(), &key).await?;
            return self.settled(asked, reply);
        }
        // A task of its own: when the caller goes away in the middle, the wait must still be cancelled.
        let (here, gone) = <<H::Runtime as AsyncRuntime>::Watch as Watch>::channel(());
        let task = H::Runtime::spawn(self.clone().long_poll(asked, key.clone(), gone));
        let result = task.await;
        drop(here);
        result.unwrap_or_else(|_| Err(verdict::unknown(GroupId::CONTROL, "this node is stopping", &key)))
    }
}

impl<H: Host> LockService<H> {
    async fn long_poll(
        self,
        asked: Asked,
        key: Key,
        mut gone: Gone<H::Runtime>,
    ) -> Result<LockAnswer, ApiError> {
        let end = <H::Runtime as AsyncRuntime>::sleep(Duration::from_millis(asked.wait_ms));
        let reply = self.lock(asked.command(), &key).await?;
        let LockReply::Waiting { wait, .. } = reply else { return self.settled(asked, reply) };
        let ended = self.wait_for(wait, end, &mut gone).await;
        if matches!(ended, Ended::Known(WaitEnd::Granted { .. } | WaitEnd::Deadlock { .. }))
            && self.is_superseded(&key.shown())
        {
            // Another request asked for the same wait since, and its key has the outcome. The log decides what this
            // one is told, so that every retry is told the same.
            return self.ask_again(asked, key).await;
        }
        match ended {
            Ended::Known(WaitEnd::Granted { fencing_token, mode, expires_in_ms }) => {
                // Under a session its lease counts.
                let expires_in_ms = expires_in_ms.or_else(|| self.lease_left_ms(fencing_token)).unwrap_or(0);
                let Asked { resource, holder, .. } = asked;
                let client = holder.client;
                Ok(LockAnswer::Acquired {
                    resource,
                    client,
                    mode,
                    fencing_token,
                    expires_in_ms,
                    reentrant: false,
                })
            }
            Ended::Known(WaitEnd::Deadlock { cycle, victim }) => Ok(deadlock(asked.resource, cycle, &victim)),
            Ended::Known(WaitEnd::Ended(ReleaseCause::SessionClosed | ReleaseCause::SessionExpired)) => {
                Err(session_expired())
            }
            Ended::Known(WaitEnd::Ended(_)) => Ok(self.timeout(asked)),
            Ended::Known(WaitEnd::Skipped) | Ended::TimedOut | Ended::CallerGone => {
                self.cancel_wait(asked, wait, key).await
            }
        }
    }

    async fn wait_for(
        &self,
        wait: WaitId,
        end: <H::Runtime as AsyncRuntime>::Sleep,
        gone: &mut Gone<H::Runtime>,
    ) -> Ended {
        let Some(group) = self.cluster.group(GroupId::CONTROL) else { return Ended::TimedOut };
        let mut end = std::pin::pin!(end);
        // A snapshot may replace the state while the wait goes on: then it is looked for once more.
        for _ in 0..2 {
            let ended = self.ends.of(&group.state, wait);
            match H::Runtime::select3(ended, end.as_mut(), gone.changed()).await {
                Select3::First(Ok(WaitEnd::Skipped)) => {}
                Select3::First(Ok(known)) => return Ended::Known(known),
                Select3::First(Err(_)) | Select3::Second(()) => return Ended::TimedOut,
                Select3::Third(_) => return Ended::CallerGone,
            }
        }
        Ended::Known(WaitEnd::Skipped)
    }

    /// Whether the wait of the request under `key` ended under another key: its own still says "waiting".
    fn is_superseded(&self, key: &IdempotencyKey) -> bool {
        let group = self.cluster.group(GroupId::CONTROL);
        group.is_some_and(|group| group.state.read(|machine| machine.remembers_waiting(key)))
    }

    /// The outcome of a request whose wait has ended, as its key remembers it.
    async fn ask_again(&self, asked: Asked, key: Key) -> Result<LockAnswer, ApiError> {
        match self.lock(asked.command(), &key).await {
            Ok(reply) => self.settled(asked, reply),
            Err(error) if error.code == ErrorCode::KeyTooOld => Ok(self.timeout(asked)),
            Err(error) => Err(error),
        }
    }

    /// Ends the wait through the log, unless a newer request waits for it too. The committed outcome is the answer: the
    /// grant may have come first.
    async fn cancel_wait(&self, asked: Asked, wait: WaitId, key: Key) -> Result<LockAnswer, ApiError> {
        let (resource, holder) = (asked.resource.clone(), asked.holder.clone());
        let group = self.cluster.group(GroupId::CONTROL);
        let version = group.map_or(0, |group| group.state.read(|machine| machine.cluster().version()));
        let mutation = Mutation::Lock(if version >= WITHDRAW_SINCE {
            LockCommand::Withdraw { resource, holder, wait, key: key.shown() }
        } else {
            LockCommand::Cancel { resource, holder, wait: Some(wait) }
        });
        let own = self.requests.own();
        let command = Command { key: Some(own.request().clone()), mutation };
        let within = self.cluster.config().request_timeout;
        match self.cluster.propose(GroupId::CONTROL, command, within).await {
            // It ended unseen, so long ago that nothing is left of it but what the key remembers.
            Ok((_, Reply::Lock(LockReply::NotWaiting))) => self.ask_again(asked, key).await,
            Ok((_, Reply::Lock(reply))) => self.settled(asked, reply),
            Ok(_) => Err(internal()),
            // The acquire took effect; what became of its wait is what nobody knows now.
            Err(ProposeError::NotApplied(why) | ProposeError::Unknown(why)) => {
                Err(verdict::unknown(GroupId::CONTROL, &why, &key))
            }
        }
    }

    /// The answer for a reply that leaves nothing to wait for.
    fn settled(&self, asked: Asked, reply: LockReply) -> Result<LockAnswer, ApiError> {
        match reply {
            LockReply::Acquired { fencing_token, expires_in_ms, mode, reentrant } => {
                Ok(LockAnswer::Acquired {
                    resource: asked.resource,
                    client: asked.holder.client,
                    mode,
                    fencing_token,
                    expires_in_ms,
                    reentrant,
                })
            }
            LockReply::Waiting { position, .. } => {
                Ok(LockAnswer::Waiting { resource: asked.resource, client: asked.holder.client, position })
            }
            LockReply::Busy { holders } => {
                let holders = holders.into_iter().map(|holder| holder.client).collect();
                Ok(LockAnswer::Timeout { resource: asked.resource, client: asked.holder.client, holders })
            }
            LockReply::Deadlock { cycle, victim } => Ok(deadlock(asked.resource, cycle, &victim)),
            LockReply::Cancelled | LockReply::NotWaiting => Ok(self.timeout(asked)),
            other => Err(refused(other)),
        }
    }

    fn timeout(&self, asked: Asked) -> LockAnswer {
        let group = self.cluster.group(GroupId::CONTROL);
        let holders =
            group.map(|group| group.state.read(|machine| machine.locks().holders_of(&asked.resource)));
        let holders = holders.unwrap_or_default().into_iter().map(|holder| holder.client).collect();
        LockAnswer::Timeout { resource: asked.resource, client: asked.holder.client, holders }
    }

    fn lease_left_ms(&self, token: orrery_lock::FencingToken) -> Option<u64> {
        self.cluster.group(GroupId::CONTROL)?.state.read(|machine| machine.locks().lease_left_ms(token))
    }
}

/// A refusal with its cycle.
pub fn deadlock(resource: SmolStr, edges: Vec<WaitEdge>, victim: &Holder) -> LockAnswer {
    let cycle: Vec<SmolStr> = edges.iter().map(|edge| edge.waiter.client.clone()).collect();
    LockAnswer::Deadlock { resource, cycle, edges, victim: victim.client.clone() }
}
