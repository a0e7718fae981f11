//! Replies, facts and figures as short lines.

use orrery_queue::fact::Had;
use orrery_queue::{GoneCause, QueueFact, QueueReply, SettleOutcome, TopicStats};

pub fn reply(reply: &QueueReply) -> String {
    match reply {
        QueueReply::Published { number, delayed_until_ms: None } => format!("published {number}"),
        QueueReply::Published { number, delayed_until_ms: Some(at) } => {
            format!("published {number} from={at}")
        }
        QueueReply::Deliveries { messages, more } => {
            let delivery = messages.iter().map(|it| {
                let text = String::from_utf8_lossy(&it.message);
                format!(
                    " {}:{} {text} attempt={} until={}",
                    it.number, it.receipt, it.attempt, it.visible_at_ms
                )
            });
            let more = if *more { ", and more" } else { "" };
            let all = delivery.collect::<Vec<_>>().join(",");
            if all.is_empty() { format!("nothing{more}") } else { format!("delivered{all}{more}") }
        }
        QueueReply::Claimed { messages } => format!("claimed {}", messages.len()),
        QueueReply::Outcomes { outcomes } => {
            let all =
                outcomes.iter().map(|(number, outcome)| format!("{number} {}", self::outcome(*outcome)));
            all.collect::<Vec<_>>().join(", ")
        }
        QueueReply::Group { existed: false } => "group created".into(),
        QueueReply::Group { existed: true } => "group existed".into(),
        QueueReply::GroupDeleted => "group deleted".into(),
        QueueReply::Redriven { redriven, left } => format!("redriven {redriven} left={left}"),
        QueueReply::Purged { purged, more } => {
            format!("purged {purged}{}", if *more { ", and more" } else { "" })
        }
        QueueReply::LimitsSet => "limits set".into(),
        QueueReply::NoSuchTopic => "no such topic".into(),
        QueueReply::NoSuchGroup => "no such group".into(),
        QueueReply::LimitReached { what } => format!("limit: {what}"),
    }
}

fn outcome(outcome: SettleOutcome) -> &'static str {
    match outcome {
        SettleOutcome::Acknowledged => "acknowledged",
        SettleOutcome::Nacked => "given back",
        SettleOutcome::DeadLettered => "dead",
        SettleOutcome::Extended => "extended",
        SettleOutcome::Late => "late",
        SettleOutcome::Already => "already",
        SettleOutcome::Unknown => "unknown",
        SettleOutcome::Gone(GoneCause::Acknowledged) => "gone: acknowledged",
        SettleOutcome::Gone(GoneCause::Age) => "gone: too old",
        SettleOutcome::Gone(GoneCause::Bytes) => "gone: too many bytes",
        SettleOutcome::Gone(GoneCause::DeadLetters) => "gone: too many dead letters",
        SettleOutcome::Gone(GoneCause::Purged) => "gone: purged",
        SettleOutcome::Gone(GoneCause::Forgotten) => "gone: forgotten",
    }
}

fn had(had: Had) -> &'static str {
    match had {
        Had::Waiting => "waiting",
        Had::InFlight => "in flight",
        Had::Dead => "dead",
    }
}

fn freed(bytes: Option<u64>) -> String {
    bytes.map_or(String::new(), |bytes| format!(" freed={bytes}"))
}

pub fn fact(fact: &QueueFact) -> String {
    match fact {
        QueueFact::Published { number, key, bytes, .. } => {
            let key = key.as_ref().map_or(String::new(), |key| format!(" key={key}"));
            format!("published {number}{key} bytes={bytes}")
        }
        QueueFact::Entered { number, .. } => format!("entered {number}"),
        QueueFact::Delivered { number, group, consumer, attempt, .. } => {
            format!("delivered {number} to {consumer} of {group} attempt={attempt}")
        }
        QueueFact::Acknowledged { number, group, had: before, freed_bytes, .. } => {
            format!("acknowledged {number} by {group} ({}){}", had(*before), freed(*freed_bytes))
        }
        QueueFact::Nacked { number, group, delayed_until_ms, .. } => {
            let until = delayed_until_ms.map_or(String::new(), |at| format!(" from={at}"));
            format!("given back {number} by {group}{until}")
        }
        QueueFact::Extended { number, group, visible_at_ms, .. } => {
            format!("extended {number} of {group} until={visible_at_ms}")
        }
        QueueFact::RedeliveryDue { number, group, consumer, attempts, .. } => {
            format!("ran out {number} at {consumer} of {group} attempts={attempts}")
        }
        QueueFact::DeadLettered { number, group, attempts, cause, .. } => {
            format!("dead {number} of {group} attempts={attempts} ({cause:?})")
        }
        QueueFact::Redriven { number, group, .. } => format!("redriven {number} of {group}"),
        QueueFact::Expired { number, cause, had: before, delayed, freed_bytes, .. } => {
            let of = before.iter().map(|(group, how)| format!(" {group}: {}", had(*how))).collect::<String>();
            let delayed = if *delayed { " delayed" } else { "" };
            format!("expired {number}{delayed} ({cause:?}){of}{}", freed(*freed_bytes))
        }
        QueueFact::Purged { group, waiting, in_flight, dead, delayed, freed, .. } => {
            let of = group.as_ref().map_or("no group", |group| group.as_str());
            format!(
                "purged of {of}: {waiting} waiting, {in_flight} in flight, {dead} dead, {delayed} delayed; {freed} gone"
            )
        }
        QueueFact::Freed { freed, freed_bytes, .. } => format!("freed {freed} bytes={freed_bytes}"),
        QueueFact::GroupCreated { group, waiting, .. } => format!("group {group} created waiting={waiting}"),
        QueueFact::GroupDeleted { group, .. } => format!("group {group} deleted"),
        QueueFact::Held { group, blocked, delayed, .. } => {
            format!("held of {group}: {blocked} behind their key, {delayed} delayed")
        }
        QueueFact::Returned { number, group, consumer, attempts, .. } => {
            format!("returned {number} by {consumer} of {group} attempts={attempts}")
        }
    }
}

pub fn topic(stats: Option<TopicStats>) -> Vec<String> {
    let Some(stats) = stats else { return vec!["no such topic".into()] };
    let TopicStats { messages, bytes, delayed, .. } = stats;
    let groups = stats.groups.iter().map(|group| {
        let consumers = group.in_flight_of.iter().map(|of| format!(" {}:{}", of.consumer, of.in_flight));
        format!(
            "{}: ready={} blocked={} delayed={} in flight={} dead={}{}",
            group.group,
            group.ready,
            group.blocked,
            group.delayed,
            group.in_flight,
            group.dead,
            consumers.collect::<String>()
        )
    });
    std::iter::once(format!("messages={messages} bytes={bytes} delayed={delayed}")).chain(groups).collect()
}
