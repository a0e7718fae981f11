//! What the services are asked, service by service.

use orrery_base::error::ErrorCode;
use serde_json::json;

use super::call::Call;
use crate::cache::{
    Delete, DirectoryAnswer, DirectoryQuery, LinesAnswer, Read, ReadAnswer, StatsAnswer, Write, WriteAnswer,
};
use crate::lock::{Acquire, Cancel, LockAnswer, LockStatus, Release, Renew, StatusQuery, Transfer};
use crate::operation::{Operation, Outcome};
use crate::queue::{
    Ack, Consume, Consumed, CreateGroup, DeleteGroup, Extend, GroupAnswer, Nack, Publish, Published, Purge,
    Purged, Redrive, Redriven, Settled,
};
use crate::queue_limits::{LimitsAnswer, SetLimits};
use crate::queue_view::{Groups, GroupsQuery, Peek, PeekQuery, QueueStats, StatsQuery, Topics};
use crate::ring::{RingAnswer, RingQuery};
use crate::session::{CloseSession, OpenSession, RenewSession, SessionAnswer};

pub fn calls() -> Vec<Call> {
    [locks(), sessions(), messages(), queues(), cache()].into_iter().flatten().collect()
}

fn locks() -> Vec<Call> {
    let printer = || json!({ "resource": "printer", "client": "Ayu" });
    let held = [ErrorCode::SessionExpired, ErrorCode::Unavailable];
    vec![
        Call::change::<Acquire>(
            "Take a lock",
            json!({ "resource": "printer", "client": "Ayu", "mode": "exclusive", "ttl_ms": 30000, "wait_ms": 1000 }),
        )
        .ends::<LockAnswer>(&[
            (Outcome::Acquired, "Granted, or held already."),
            (Outcome::Waiting, "Queued (only with `queue`)."),
            (Outcome::Timeout, "Not free in time."),
            (Outcome::Deadlock, "Waiting would never have ended."),
        ])
        .refused(&held)
        .refused_where(ErrorCode::Conflict, "It does not fit what the client holds, or waits for, already."),
        Call::change::<Renew>("Lengthen a lease", json!({ "resource": "printer", "client": "Ayu", "ttl_ms": 60000 }))
            .ends::<LockAnswer>(&[(Outcome::Renewed, "Renewed."), (Outcome::NotHolder, "Not the holder.")])
            .refused(&held),
        Call::change::<Release>("Give a lock back", printer())
            .ends::<LockAnswer>(&[(Outcome::Released, "Released."), (Outcome::NotHolder, "Not the holder.")])
            .refused(&held),
        Call::change::<Transfer>(
            "Hand a lock to another client, ahead of the queue",
            json!({ "resource": "printer", "client": "Ayu", "fencing_token": 7, "to": "Budi" }),
        )
        .ends::<LockAnswer>(&[
            (Outcome::Transferred, "Handed over. Who waited for it waits for the new holder."),
            (Outcome::NotHolder, "Not the holder, or not under that token."),
        ])
        .refused(&held)
        .refused_where(
            ErrorCode::Conflict,
            "The receiver has it already, or waits for more than this lock is.",
        ),
        Call::change::<Cancel>("End a wait", printer())
            .ends::<LockAnswer>(&[
                (Outcome::Cancelled, "The wait ended."),
                (Outcome::Acquired, "It was granted in the meantime."),
                (Outcome::NotWaiting, "There is no such wait."),
            ])
            .refused(&held),
        Call::get("/lock/status", "Holders, waiters, the wait-for graph")
            .query::<StatusQuery>(&[])
            .shows::<LockStatus>(200, "The lock table, or a part of it.")
            .refused(&[ErrorCode::Unavailable, ErrorCode::NotReady]),
    ]
}

fn sessions() -> Vec<Call> {
    let one = || json!({ "session": 1 });
    let open = [ErrorCode::SessionExpired, ErrorCode::Unavailable];
    vec![
        Call::change::<OpenSession>("Open a session", json!({ "client": "Ayu", "ttl_ms": 30000 }))
            .ends::<SessionAnswer>(&[(Outcome::Opened, "Opened.")])
            .refused(&[ErrorCode::Unavailable]),
        Call::change::<RenewSession>("Renew a session", one())
            .ends::<SessionAnswer>(&[(Outcome::Renewed, "Renewed.")])
            .refused(&open),
        Call::change::<CloseSession>("Close a session: frees its locks, ends its waits", one())
            .ends::<SessionAnswer>(&[(Outcome::Closed, "Closed.")])
            .refused(&open),
    ]
}

fn messages() -> Vec<Call> {
    let ack =
        json!({ "topic": "orders", "group": "billing", "message_id": "s1-1000000", "receipt": "r1000001-0" });
    let nack = json!({ "topic": "orders", "group": "billing", "message_id": "s1-1000000", "delay_ms": 1000 });
    let extend = json!({ "topic": "orders", "group": "billing", "message_ids": ["s1-1000000"], "visibility_ms": 60000 });
    let again = (Outcome::AlreadyAcknowledged, "The group acknowledged them before; nothing changed.");
    vec![
        Call::change::<Publish>(
            "Publish a message",
            json!({ "topic": "orders", "key": "customer-7", "message": { "item": "tea", "count": 2 } }),
        )
        .ends::<Published>(&[(Outcome::Published, "A majority of the shard has it on disk.")])
        .refused(&[ErrorCode::ShardUnavailable])
        .refused_where(ErrorCode::TooLarge, "The message or the body is too large."),
        Call::change::<Consume>(
            "Claim messages, or wait for one",
            json!({
                "topic": "orders", "group": "billing", "consumer": "Budi", "max": 10, "visibility_ms": 30000,
                "wait_ms": 0,
            }),
        )
        .ends::<Consumed>(&[
            (Outcome::Delivered, "What was claimed."),
            (Outcome::Nothing, "There was no message: `messages` is empty."),
        ])
        .refused(&[ErrorCode::ShardUnavailable, ErrorCode::GroupDeleted]),
        settles(Call::change::<Ack>("Done with messages", ack), (Outcome::Acknowledged, "Done."), again),
        settles(
            Call::change::<Nack>("Give deliveries back", nack),
            (Outcome::Nacked, "They are ready again, or will be."),
            (Outcome::DeadLettered, "That was their last attempt."),
        ),
        settles(
            Call::change::<Extend>("Keep deliveries for longer", extend),
            (Outcome::Extended, "Their visibility was set anew."),
            again,
        ),
    ]
}

/// What an ack, a nack and an extend have in common.
fn settles(call: Call, done: (Outcome, &str), or: (Outcome, &str)) -> Call {
    call.ends::<Settled>(&[
        done,
        or,
        (Outcome::Partial, "Not the same became of all: what became of each."),
        (Outcome::NoSuchMessage, "There never were such messages, or the group was never given them."),
        (Outcome::Late, "Too late: these deliveries do not count any more."),
        (Outcome::Gone, "They were there and are gone; `cause` says why."),
    ])
    .refused(&[ErrorCode::ShardUnavailable])
    // Their shards answer one by one: where none did, the body still says so of each message.
    .ends::<Settled>(&[
        (Outcome::Refused(ErrorCode::ShardUnavailable), "No shard of them has a majority and a leader now."),
        (
            Outcome::Refused(ErrorCode::OutcomeUnknown),
            "It is not known what became of them: retry under the same key.",
        ),
    ])
}

fn queues() -> Vec<Call> {
    let audit = |from: bool| match from {
        true => json!({ "topic": "orders", "group": "audit", "from": "earliest" }),
        false => json!({ "topic": "orders", "group": "audit" }),
    };
    let silent = "No shard answers.";
    let shown =
        |call: Call| call.refused_where(ErrorCode::ShardUnavailable, silent).refused(&[ErrorCode::NotReady]);
    let shard = [ErrorCode::ShardUnavailable];
    let nothing = "There is no such topic or group.";
    vec![
        Call::change::<CreateGroup>("Create a consumer group", audit(true))
            .ends::<GroupAnswer>(&[
                (Outcome::Created, "It exists on all shards now."),
                (Outcome::Exists, "It was there, and stays as it is."),
            ])
            .refused(&shard),
        shown(
            Call::get("/queue/groups", "The consumer groups of a topic")
                .query::<GroupsQuery>(&[("topic", "orders")]),
        )
        .shows::<Groups>(200, "By name."),
        Call::change::<DeleteGroup>("Delete a consumer group", audit(false))
            .ends::<GroupAnswer>(&[(Outcome::Deleted, "It is deleted on all shards.")])
            .refused(&shard)
            .refused_where(ErrorCode::NotFound, "There is no such group."),
        Call::change::<Redrive>("Bring dead letters back", json!({ "topic": "orders.dead" }))
            .ends::<Redriven>(&[(Outcome::Redriven, "They wait again, their attempts counted anew.")])
            .refused(&shard)
            .refused_where(ErrorCode::NotFound, nothing),
        Call::change::<Purge>("Take messages out unread", json!({ "topic": "orders", "what": "ready" }))
            .ends::<Purged>(&[(Outcome::Purged, "They are gone.")])
            .refused(&shard)
            .refused_where(ErrorCode::NotFound, nothing),
        shown(Call::get("/queue", "The topics")).shows::<Topics>(200, "By name."),
        shown(
            Call::get("/queue/stats", "Figures of the queues, per topic, group and shard")
                .query::<StatsQuery>(&[]),
        )
        .shows::<QueueStats>(200, "Each shard read linearizably.")
        .refused_where(ErrorCode::NotFound, "There is no such topic."),
        shown(
            Call::get("/queue/peek", "The first messages of a topic")
                .query::<PeekQuery>(&[("topic", "orders")]),
        )
        .shows::<Peek>(200, "Nothing is claimed."),
        shown(Call::get("/queue/limits", "The limits of the queues")).shows::<LimitsAnswer>(200, "By shard."),
        Call::change::<SetLimits>("Change the limits of the queues", json!({ "attempts_max": 5 }))
            .ends::<LimitsAnswer>(&[(Outcome::LimitsSet, "Committed in every shard.")])
            .refused(&shard),
    ]
}

fn cache() -> Vec<Call> {
    let homeless = "The shard has no home that a majority confirms.";
    let line = [("address", "user:7")];
    let changed = |call: Call| {
        call.refused(&[ErrorCode::WrongVersion])
            .refused_where(ErrorCode::ShardUnavailable, homeless)
            .refused_where(ErrorCode::TooLarge, "The value or the body is too large.")
    };
    vec![
        Call::get(Operation::Read.path(), "Read a cache line")
            .query::<Read>(&line)
            .ends::<ReadAnswer>(&[
                (Outcome::Hit, "From this node's copy."),
                (Outcome::Fill, "Fetched for it."),
                (Outcome::Miss, "The address has no value."),
            ])
            .refused_where(ErrorCode::LimitReached, "Too many wait for cache lines.")
            .refused_where(ErrorCode::ShardUnavailable, homeless)
            .refused(&[ErrorCode::OutcomeUnknown, ErrorCode::NotReady]),
        changed(Call::change::<Write>(
            "Write a cache line",
            json!({ "address": "user:7", "value": { "name": "Ayu" } }),
        ))
        .ends::<WriteAnswer>(&[
            (Outcome::Written, "Every other copy is gone, and the value is on a majority's disks."),
            (
                Outcome::WrittenBackLater,
                "Every other copy is gone; `durable` is false: the value is on this node only.",
            ),
        ]),
        changed(Call::change::<Delete>("Delete a cache line's value", json!({ "address": "user:7" })))
            .ends::<WriteAnswer>(&[
            (Outcome::Deleted, "The address has no value now."),
            (Outcome::Absent, "It had none before either."),
        ]),
        Call::get("/cache/lines", "The copies of this node").shows::<LinesAnswer>(200, "All of them."),
        Call::get("/cache/directory", "What a line's home knows of it")
            .query::<DirectoryQuery>(&line)
            .shows::<DirectoryAnswer>(200, "Owner, sharers and the committed value.")
            .refused_where(ErrorCode::ShardUnavailable, homeless)
            .refused(&[ErrorCode::OutcomeUnknown, ErrorCode::NotReady]),
        Call::get("/cache/stats", "What this node's cache counted")
            .shows::<StatsAnswer>(200, "Since its boot."),
        Call::get("/ring", "The hash ring, and the walk of a key")
            .query::<RingQuery>(&[])
            .shows::<RingAnswer>(200, "As this node knows it."),
    ]
}
