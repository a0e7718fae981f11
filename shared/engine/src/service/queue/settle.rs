//! Ack, nack and extend: one command per shard, an answer per message.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use orrery_api::queue::{
    Ack, Delay, Extend, Group, Nack, Named, Settled, SettledMessage, Settlement, Topic, VISIBILITY_DEFAULT,
};
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::ids::GroupId;
use orrery_base::key::IdempotencyKey;
use orrery_machine::PROLONG_SINCE;
use orrery_queue::{
    ConsumerGroup, GoneCause, Handle, MessageId, QueueCommand, QueueReply, SettleOutcome, TopicName,
};

use super::{QueueService, internal};
use crate::host::Host;
use crate::service::pipeline::{Caller, Serve};

/// What is said of the messages.
#[derive(Clone, Copy)]
enum How {
    Ack,
    Nack {
        delay_ms: u64,
    },
    Extend {
        visibility_ms: u64,
    },
    /// Not how much longer.
    Prolong,
}

impl How {
    fn command(self, topic: TopicName, group: ConsumerGroup, messages: Vec<Handle>) -> QueueCommand {
        match self {
            How::Ack => QueueCommand::Ack { topic, group, messages },
            How::Nack { delay_ms } => QueueCommand::Nack { topic, group, messages, delay_ms },
            How::Extend { visibility_ms } => QueueCommand::Extend { topic, group, messages, visibility_ms },
            How::Prolong => {
                let visibility_ms = VISIBILITY_DEFAULT.get();
                QueueCommand::Prolong { topic, group, messages, visibility_ms }
            }
        }
    }
}

/// The messages of one shard: their places in the request, and their handles.
#[derive(Default)]
struct Part {
    places: Vec<usize>,
    handles: Vec<Handle>,
}

impl<H: Host> Serve<Ack> for QueueService<H> {
    async fn serve(&self, request: Ack, caller: Caller) -> Result<Settled, ApiError> {
        let named = request.named()?;
        self.settle(&request.topic, &request.group, named, How::Ack, caller).await
    }
}

impl<H: Host> Serve<Nack> for QueueService<H> {
    async fn serve(&self, request: Nack, caller: Caller) -> Result<Settled, ApiError> {
        let named = request.named()?;
        let how = How::Nack { delay_ms: request.delay_ms.map_or(0, Delay::get) };
        self.settle(&request.topic, &request.group, named, how, caller).await
    }
}

impl<H: Host> Serve<Extend> for QueueService<H> {
    async fn serve(&self, request: Extend, caller: Caller) -> Result<Settled, ApiError> {
        let named = request.named()?;
        // A member that does not know the newer command yet could not apply it.
        let how = match request.visibility_ms {
            None if self.command_version() >= PROLONG_SINCE => How::Prolong,
            given => How::Extend { visibility_ms: given.unwrap_or(VISIBILITY_DEFAULT).get() },
        };
        self.settle(&request.topic, &request.group, named, how, caller).await
    }
}

impl<H: Host> QueueService<H> {
    async fn settle(
        &self,
        topic: &Topic,
        group: &Group,
        named: Named<'_>,
        how: How,
        caller: Caller,
    ) -> Result<Settled, ApiError> {
        let key = caller.key(&self.requests, Duration::ZERO);
        let mut settled = vec![(Settlement::Unknown, None); named.ids.len()];
        let parts = parts(&named, self.map().await?.shards.len());
        let replies = parts.into_iter().map(async |(shard, part)| {
            let command = how.command(topic.clone().into_text(), group.clone().into_text(), part.handles);
            let reply = self.mutate(shard, command, &key, self.timeout()).await;
            (part.places, reply.map(|(_, reply)| reply))
        });
        let mut failed = None;
        for (places, reply) in join_all(replies).await {
            let settlements = settlements(places.len(), reply, &mut failed)?;
            for (place, settlement) in places.into_iter().zip(settlements) {
                settled[place] = settlement;
            }
        }
        summed_up(named.ids, settled, failed, &key.shown())
    }
}

/// By shard. Ids that name no shard of this cluster are in none.
fn parts(named: &Named<'_>, shards: usize) -> BTreeMap<GroupId, Part> {
    let mut parts = BTreeMap::<GroupId, Part>::new();
    for (place, id) in named.ids.iter().enumerate() {
        if !(1..=shards).contains(&usize::from(id.shard.0)) {
            continue;
        }
        let part = parts.entry(id.shard).or_default();
        part.places.push(place);
        part.handles.push(Handle { number: id.number, receipt: named.receipts.get(place).copied() });
    }
    parts
}

/// What became of one shard's messages. A shard that did not answer is noted; any other failure is the whole answer.
fn settlements(
    count: usize,
    reply: Result<QueueReply, ApiError>,
    failed: &mut Option<ApiError>,
) -> Result<Vec<(Settlement, Option<GoneCause>)>, ApiError> {
    match reply {
        Ok(QueueReply::Outcomes { outcomes }) if outcomes.len() == count => {
            Ok(outcomes.into_iter().map(|(_, outcome)| settlement(outcome)).collect())
        }
        Ok(QueueReply::NoSuchTopic | QueueReply::NoSuchGroup) => Ok(vec![(Settlement::Unknown, None); count]),
        Ok(_) => Err(internal()),
        Err(error) => {
            let settlement = match error.code {
                ErrorCode::ShardUnavailable => Settlement::ShardUnavailable,
                ErrorCode::OutcomeUnknown => Settlement::OutcomeUnknown,
                _ => return Err(error),
            };
            // Where one is unknown, that is what the caller has to know first.
            if failed.is_none() || settlement == Settlement::OutcomeUnknown {
                *failed = Some(error);
            }
            Ok(vec![(settlement, None); count])
        }
    }
}

fn settlement(outcome: SettleOutcome) -> (Settlement, Option<GoneCause>) {
    let settlement = match outcome {
        SettleOutcome::Acknowledged => Settlement::Acknowledged,
        SettleOutcome::Nacked => Settlement::Nacked,
        SettleOutcome::DeadLettered => Settlement::DeadLettered,
        SettleOutcome::Extended => Settlement::Extended,
        SettleOutcome::Late => Settlement::Late,
        SettleOutcome::Already => Settlement::AlreadyAcknowledged,
        SettleOutcome::Unknown => Settlement::Unknown,
        SettleOutcome::Gone(cause) => return (Settlement::Gone, Some(cause)),
    };
    (settlement, None)
}

/// The answer; the error itself where no shard answered.
fn summed_up(
    ids: &[MessageId],
    settled: Vec<(Settlement, Option<GoneCause>)>,
    failed: Option<ApiError>,
    key: &IdempotencyKey,
) -> Result<Settled, ApiError> {
    let is_failed =
        |status: &Settlement| matches!(status, Settlement::ShardUnavailable | Settlement::OutcomeUnknown);
    let is_done =
        |status: &Settlement| matches!(status, Settlement::Acknowledged | Settlement::AlreadyAcknowledged);
    let all = |is: &dyn Fn(&Settlement) -> bool| settled.iter().all(|(status, _)| is(status));
    if let Some(error) = failed.as_ref().filter(|_| all(&is_failed)) {
        return Err(error.clone());
    }
    let status = match settled.first() {
        Some((first, _)) if all(&|status| status == first) => *first,
        Some(_) if all(&is_done) => Settlement::Acknowledged,
        _ => Settlement::Partial,
    };
    let cause = settled.first().and_then(|(_, cause)| *cause);
    let cause = cause.filter(|cause| settled.iter().all(|(_, other)| *other == Some(*cause)));
    let unknown = settled.iter().any(|(status, _)| *status == Settlement::OutcomeUnknown);
    let key_holds_s = failed.and_then(|error| error.key_holds_s);
    let message = match status {
        Settlement::Gone => Some(format!("It was there and is gone: {}. Nothing changed.", why(cause))),
        status => sentence(status).map(str::to_owned),
    };
    let messages = ids.iter().zip(settled);
    let message_of =
        |(id, (status, cause)): (&MessageId, _)| SettledMessage { message_id: *id, status, cause };
    Ok(Settled {
        status,
        messages: messages.map(message_of).collect(),
        message,
        idempotency_key: unknown.then(|| key.to_string()),
        key_holds_s,
    })
}

/// Why messages are gone; `None` where the causes differ.
fn why(cause: Option<GoneCause>) -> &'static str {
    match cause {
        Some(GoneCause::Age) => "it was older than messages are kept",
        Some(GoneCause::Bytes) => "its topic had more bytes than are kept",
        Some(GoneCause::DeadLetters) => "it was a dead letter, and its group had more of them than are kept",
        Some(GoneCause::Purged) => "it was purged",
        Some(GoneCause::Acknowledged) => "the group acknowledged it",
        Some(GoneCause::Forgotten) => "that was so long ago that nobody knows why any more",
        None => "see each one's cause",
    }
}

fn sentence(status: Settlement) -> Option<&'static str> {
    match status {
        Settlement::Late => Some(
            "Too late: that delivery does not count any more, because the message was given back, delivered again or \
             dead-lettered since. Nothing changed.",
        ),
        Settlement::Unknown => {
            Some("There never was such a message, or the group was never given it. Nothing changed.")
        }
        Settlement::AlreadyAcknowledged => Some("The group acknowledged it before."),
        Settlement::DeadLettered => Some("That was the last attempt: it is a dead letter now."),
        Settlement::Partial => Some("Not the same became of all of them: see each one."),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orrery_queue::Receipt;

    fn id(text: &str) -> MessageId {
        text.parse().expect("an id")
    }

    #[test]
    fn messages_go_to_their_shards_with_their_receipts() {
        let ids = ["s1-5", "s9-1", "s2-7", "s1-6", "s0-3"].map(id);
        let receipts: Vec<_> = (0..5).map(|n| Receipt { index: n, n: 0 }).collect();
        let parts = parts(&Named { ids: &ids, receipts: &receipts }, 8);
        assert_eq!(parts.keys().copied().collect::<Vec<_>>(), [GroupId(1), GroupId(2)]);
        assert_eq!(parts[&GroupId(1)].places, [0, 3]);
        let handles = &parts[&GroupId(1)].handles;
        assert_eq!(handles[1], Handle { number: 6, receipt: Some(receipts[3]) });
    }

    #[test]
    fn the_sum_says_what_all_have_in_common() {
        use Settlement::{
            Acknowledged, AlreadyAcknowledged, Late, Nacked, OutcomeUnknown, Partial, ShardUnavailable,
            Unknown,
        };
        let key = IdempotencyKey { client: "Ayu".into(), number: 1 };
        let sum = |settled: &[Settlement]| {
            let ids = vec![MessageId::default(); settled.len()];
            let mut failed = None;
            for status in settled {
                let code = match status {
                    ShardUnavailable => ErrorCode::ShardUnavailable,
                    OutcomeUnknown => ErrorCode::OutcomeUnknown,
                    _ => continue,
                };
                settlements(1, Err(ApiError::new(code, "no")), &mut failed).expect("noted");
            }
            summed_up(&ids, settled.iter().map(|status| (*status, None)).collect(), failed, &key)
        };
        for (settled, status) in [
            (&[Acknowledged][..], Acknowledged),
            (&[Acknowledged, AlreadyAcknowledged], Acknowledged),
            (&[AlreadyAcknowledged, AlreadyAcknowledged], AlreadyAcknowledged),
            (&[Late, Late], Late),
            (&[Nacked, Late], Partial),
            (&[Unknown], Unknown),
            (&[Acknowledged, ShardUnavailable], Partial),
        ] {
            let answer = sum(settled).expect("an answer");
            assert_eq!((answer.status, answer.idempotency_key), (status, None), "{settled:?}");
        }
        let answer = sum(&[Acknowledged, OutcomeUnknown]).expect("an answer");
        assert_eq!((answer.status, answer.idempotency_key.as_deref()), (Partial, Some("Ayu/1")));
        let code = |settled: &[Settlement]| sum(settled).expect_err("no answer").code;
        assert_eq!(code(&[ShardUnavailable]), ErrorCode::ShardUnavailable);
        assert_eq!(code(&[OutcomeUnknown, ShardUnavailable]), ErrorCode::OutcomeUnknown);
        assert_eq!(code(&[ShardUnavailable, OutcomeUnknown]), ErrorCode::OutcomeUnknown);
    }
}
