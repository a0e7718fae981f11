//! Replies, facts and tables as short lines.

use orrery_lock::fact::ReleaseCause;
use orrery_lock::view::LockTable;
use orrery_lock::{Holder, LockFact, LockReply, SessionReply, WaitEdge};
use orrery_machine::{ControlReply, Member, Reply, ServiceFact, ShardMap, ShardReply};

pub fn reply(reply: &Reply) -> String {
    match reply {
        Reply::None => "ok".into(),
        Reply::Lock(reply) => lock_reply(reply),
        Reply::Session(SessionReply::Opened { session, expires_in_ms }) => {
            format!("opened {} left={expires_in_ms}", session.0)
        }
        Reply::Session(SessionReply::Renewed { expires_in_ms }) => format!("kept left={expires_in_ms}"),
        Reply::Session(SessionReply::Closed { released, cancelled }) => {
            format!("closed released={released} cancelled={cancelled}")
        }
        Reply::Session(SessionReply::Expired) => "session expired".into(),
        Reply::Session(SessionReply::LimitReached { what }) => format!("limit: {what}"),
        Reply::Control(ControlReply::Done) => "done".into(),
        Reply::Control(ControlReply::Admitted { member }) => format!("admitted {member} id={}", member.id),
        Reply::Control(ControlReply::Refused { why }) => format!("refused: {why}"),
        Reply::KeyForgotten => "key too old".into(),
        Reply::KeyReused => "key reused".into(),
        Reply::TooManyKeys { what } => format!("too many keys: {what}"),
        Reply::Shard(ShardReply::Placed) => "placed".into(),
        Reply::Shard(ShardReply::Older { known }) => format!("older than {known}"),
        Reply::Misplaced => "not for this group".into(),
        Reply::Queue(reply) => format!("{reply:?}"),
        Reply::Cache(reply) => format!("{reply:?}"),
    }
}

pub fn map(map: &ShardMap) -> Vec<String> {
    let ids =
        |members: &[Member]| members.iter().map(|member| member.id.to_string()).collect::<Vec<_>>().join(",");
    let shards = map.shards.iter().map(|shard| {
        let (replicas, founders) = (ids(&shard.replicas), ids(&shard.founders));
        format!("{} on {replicas} since {}, founded by {founders}", shard.shard, shard.version)
    });
    std::iter::once(format!("version {}", map.version)).chain(shards).collect()
}

fn lock_reply(reply: &LockReply) -> String {
    match reply {
        LockReply::Acquired { fencing_token, expires_in_ms, mode, reentrant } => {
            let again = if *reentrant { " reentrant" } else { "" };
            format!("acquired {} token={fencing_token} left={expires_in_ms}{again}", mode.letter())
        }
        LockReply::Waiting { wait, position } => format!("waiting #{} position={position}", wait.0),
        LockReply::Busy { holders } => format!("busy: {}", names(holders)),
        LockReply::Deadlock { cycle, victim } => format!("deadlock: {}, victim {victim}", edges(cycle)),
        LockReply::Released { fencing_token } => format!("released token={fencing_token}"),
        LockReply::Renewed { expires_in_ms, fencing_token } => {
            format!("renewed token={fencing_token} left={expires_in_ms}")
        }
        LockReply::Cancelled => "cancelled".into(),
        LockReply::NotWaiting => "not waiting".into(),
        LockReply::NotHolder { holders } => format!("not holder: {}", names(holders)),
        LockReply::LimitReached { what } => format!("limit: {what}"),
        LockReply::SessionExpired => "session expired".into(),
        LockReply::Transferred { fencing_token, expires_in_ms } => {
            format!("transferred token={fencing_token} left={expires_in_ms}")
        }
        LockReply::NotTransferable { why } => format!("not transferable: {why}"),
    }
}

pub fn fact(fact: &ServiceFact) -> String {
    match fact {
        ServiceFact::Lock(LockFact::Granted {
            resource,
            holder,
            mode,
            fencing_token,
            expires_at_ms,
            wait,
            reentrant,
        }) => {
            let until = expires_at_ms.map_or("session".into(), |at| at.to_string());
            let after = wait.map_or(String::new(), |wait| format!(" after #{}", wait.0));
            let again = if *reentrant { " again" } else { "" };
            format!(
                "granted {resource} {holder} {} token={fencing_token} until={until}{after}{again}",
                mode.letter()
            )
        }
        ServiceFact::Lock(LockFact::Transferred {
            resource,
            holder,
            to,
            mode,
            fencing_token,
            expires_at_ms,
            wait,
        }) => {
            let until = expires_at_ms.map_or("session".into(), |at| at.to_string());
            let after = wait.map_or(String::new(), |wait| format!(" after #{}", wait.0));
            let mode = mode.letter();
            format!(
                "transferred {resource} {holder} to {to} {mode} token={fencing_token} until={until}{after}"
            )
        }
        ServiceFact::Lock(LockFact::Queued { resource, holder, mode, wait, position, upgrade }) => {
            let upgrade = if *upgrade { " upgrade" } else { "" };
            format!("queued {resource} {holder} {} #{} position={position}{upgrade}", mode.letter(), wait.0)
        }
        ServiceFact::Lock(LockFact::Renewed { resource, holder, expires_at_ms }) => {
            format!("renewed {resource} {holder} until={expires_at_ms}")
        }
        ServiceFact::Lock(LockFact::Released { resource, holder, fencing_token, cause }) => {
            format!("released {resource} {holder} token={fencing_token} ({})", why(*cause))
        }
        ServiceFact::Lock(LockFact::WaitEnded { resource, holder, wait, cause }) => {
            format!("wait ended {resource} {holder} #{} ({})", wait.0, why(*cause))
        }
        ServiceFact::Lock(LockFact::Deadlock { cycle, victim, wait }) => {
            format!("deadlock {}, victim {victim} #{}", edges(cycle), wait.0)
        }
        ServiceFact::Lock(LockFact::SessionOpened { session, client, expires_at_ms }) => {
            format!("session {} of {client} opened until={expires_at_ms}", session.0)
        }
        ServiceFact::Lock(LockFact::SessionRenewed { session, expires_at_ms }) => {
            format!("session {} kept until={expires_at_ms}", session.0)
        }
        ServiceFact::Lock(LockFact::SessionEnded { session, client, cause }) => {
            format!("session {} of {client} ended ({})", session.0, why(*cause))
        }
        ServiceFact::Queue(fact) => format!("{fact:?}"),
        ServiceFact::Cache(fact) => format!("{fact:?}"),
        ServiceFact::LocksCounted { counts } => format!("{counts:?}"),
    }
}

fn why(cause: ReleaseCause) -> &'static str {
    match cause {
        ReleaseCause::Client => "client",
        ReleaseCause::Expired => "expired",
        ReleaseCause::SessionClosed => "session closed",
        ReleaseCause::SessionExpired => "session expired",
        ReleaseCause::Transferred => "transferred",
    }
}

pub fn edge(edge: &WaitEdge) -> String {
    format!("{} -> {} on {}", edge.waiter, edge.blocker, edge.resource)
}

fn edges(cycle: &[WaitEdge]) -> String {
    cycle
        .iter()
        .map(|edge| format!("{} -{}-> {}", edge.waiter, edge.resource, edge.blocker))
        .collect::<Vec<_>>()
        .join(", ")
}

fn names(holders: &[Holder]) -> String {
    if holders.is_empty() {
        return "nobody".into();
    }
    holders.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

pub fn table(table: &LockTable) -> Vec<String> {
    let mut lines = vec![format!("clock={}", table.clock_ms)];
    for at in &table.resources {
        let holders = at.holders.iter().map(|held| {
            let until = held.expires_at_ms.map_or("session".into(), |at| at.to_string());
            format!("{}:{}:{}:{until}", held.holder, held.mode.letter(), held.fencing_token)
        });
        let waiters = at.waiters.iter().map(|waiter| {
            let upgrade = if waiter.upgrade { "^" } else { "" };
            format!("{}:{}:#{}{upgrade}", waiter.holder, waiter.mode.letter(), waiter.wait.0)
        });
        let (holders, waiters): (Vec<_>, Vec<_>) = (holders.collect(), waiters.collect());
        lines.push(format!("{} held [{}] waiting [{}]", at.resource, holders.join(" "), waiters.join(" ")));
    }
    for open in &table.sessions {
        lines.push(format!("session {} of {} until={}", open.session.0, open.client, open.expires_at_ms));
    }
    lines
}
