//! Peek: the first messages of a topic, or its dead letters, without claiming any.

use orrery_api::queue::{JsonText, LIMIT_DEFAULT};
use orrery_api::queue_view::{DeadFigures, Peek, PeekQuery, PeekedMessage};
use orrery_base::error::ApiError;
use orrery_base::ids::{GroupId, LeaseMs};
use orrery_queue::view::Peeked;
use orrery_queue::{MessageId, dead_letters_of};

use super::stats::Read;
use super::{QueueService, internal};
use crate::host::Host;
use crate::peer::message::{QueueAsk, QueueTold};

impl<H: Host> QueueService<H> {
    /// `GET /queue/peek?topic=&limit=`
    pub async fn peek(&self, query: PeekQuery) -> Result<Peek, ApiError> {
        let PeekQuery { topic, limit } = query;
        let limit = limit.unwrap_or(LIMIT_DEFAULT).get() as usize;
        let of = dead_letters_of(&topic);
        let ask = QueueAsk::Peek {
            topic: of.unwrap_or(&topic).into(),
            dead: of.is_some(),
            limit: u16::try_from(limit).unwrap_or(u16::MAX),
        };
        let Read { found, unavailable } = self.read_all(&ask).await?;
        let mut shards = Vec::new();
        for (shard, _, told) in found {
            let QueueTold::Peek { messages, clock_ms } = told else { return Err(internal()) };
            let shown = messages.into_iter().map(|peeked| shown(shard, peeked, clock_ms));
            shards.push(shown.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(Peek { topic: topic.into_text(), messages: in_turn(shards, limit), unavailable })
    }
}

/// The first of each shard, then the second of each, and so on: there is no order between shards.
fn in_turn(shards: Vec<Vec<PeekedMessage>>, limit: usize) -> Vec<PeekedMessage> {
    let mut shards: Vec<_> = shards.into_iter().map(Vec::into_iter).collect();
    let mut shown = Vec::new();
    while shown.len() < limit {
        let round: Vec<PeekedMessage> = shards.iter_mut().filter_map(Iterator::next).collect();
        if round.is_empty() {
            break;
        }
        shown.extend(round);
    }
    shown.truncate(limit);
    shown
}

fn shown(shard: GroupId, peeked: Peeked, clock_ms: LeaseMs) -> Result<PeekedMessage, ApiError> {
    let text = String::from_utf8(peeked.message.into()).map_err(|_| internal())?;
    Ok(PeekedMessage {
        id: MessageId { shard, number: peeked.number },
        message: JsonText::new(text).map_err(|_| internal())?,
        key: peeked.key,
        published_at: peeked.wall_ms,
        delayed_ms: peeked.delayed_until_ms.map(|at| at.saturating_sub(clock_ms)),
        dead: peeked.dead.map(|dead| DeadFigures {
            group: dead.group,
            attempts: dead.attempts,
            cause: dead.cause,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_take_turns() {
        let message = |shard: u16, number| PeekedMessage {
            id: MessageId { shard: GroupId(shard), number },
            message: JsonText::new("1".into()).expect("JSON"),
            key: None,
            published_at: 0,
            delayed_ms: None,
            dead: None,
        };
        let shards = || vec![vec![message(1, 1), message(1, 2), message(1, 3)], vec![], vec![message(3, 9)]];
        let ids = |limit| -> Vec<String> {
            in_turn(shards(), limit).iter().map(|message| message.id.to_string()).collect()
        };
        assert_eq!(ids(3), ["s1-1", "s3-9", "s1-2"]);
        assert_eq!(ids(1), ["s1-1"]);
        assert_eq!(ids(10).len(), 4);
    }
}
