//! Runs scenario text against the real shard, which is checked as a whole after every command.

mod words;

use bytes::Bytes;
use orrery_queue::{Handle, PurgeWhat, QueueCommand, QueueLimits, Shard, StartFrom, Step};
use orrery_script::{Scenario, Words};

#[derive(Default)]
pub struct Script {
    shard: Shard,
    index: u64,
}

impl Scenario for Script {
    fn line(&mut self, line: &str) -> Vec<String> {
        let words = Words::of(line);
        match words.all() {
            ["topic", topic] => words::topic(self.shard.stats_of(topic)),
            ["deadline"] => vec![format!("{:?}", self.shard.next_deadline())],
            ["snapshot"] => {
                let mut back = Shard::default();
                self.shard.records().for_each(|record| back.restore(record).unwrap());
                assert!(back == self.shard, "a snapshot gives the same shard");
                back.assert_consistent();
                self.shard = back;
                vec!["same".into()]
            }
            _ => self.command(&words),
        }
    }
}

impl Script {
    fn command(&mut self, words: &Words<'_>) -> Vec<String> {
        self.index += 1;
        let mut step = Step { index: self.index, ..Step::default() };
        let reply = match words.all() {
            ["clock", to] => {
                self.shard.advance_clock(to.parse().unwrap(), &mut step);
                "ok".to_owned()
            }
            _ => words::reply(&self.shard.apply(&parse(words, *self.shard.limits()), &mut step)),
        };
        self.shard.assert_consistent();
        let first = format!("{}: {reply}", self.index);
        std::iter::once(first)
            .chain(step.facts.iter().map(|fact| format!("   {}", words::fact(fact))))
            .collect()
    }
}

fn parse(words: &Words<'_>, limits: QueueLimits) -> QueueCommand {
    match words.all() {
        ["limits", ..] => QueueCommand::SetLimits { limits: parse_limits(words, limits) },
        ["publish", topic, rest @ ..] => {
            let text = rest.first().filter(|word| !word.contains('=')).copied().unwrap_or("1");
            QueueCommand::Publish {
                topic: (*topic).into(),
                key: words.text("key").map(Into::into),
                message: Bytes::copy_from_slice(text.as_bytes()),
                delay_ms: words.number("delay").unwrap_or(0),
                wall_ms: 1_700_000_000_000,
            }
        }
        ["redrive", topic, group @ ..] => {
            let group = group.first().map(|group| (*group).into());
            QueueCommand::Redrive { topic: (*topic).into(), group, numbers: None }
        }
        ["purge", topic, what, group @ ..] => {
            let what = match *what {
                "ready" => PurgeWhat::Ready,
                "dead" => PurgeWhat::Dead,
                "all" => PurgeWhat::All,
                other => panic!("nothing to purge: {other}"),
            };
            let group = group.first().map(|group| (*group).into());
            QueueCommand::Purge { topic: (*topic).into(), what, group }
        }
        [verb, topic, group, rest @ ..] => parse_of_group(verb, (topic, group), rest, words),
        other => panic!("not a command: {other:?}"),
    }
}

fn parse_of_group(verb: &str, of: (&str, &str), rest: &[&str], words: &Words<'_>) -> QueueCommand {
    let (topic, group) = (of.0.into(), of.1.into());
    let messages = || rest.iter().filter(|word| !word.contains('=')).map(|word| handle(word)).collect();
    let visibility_ms = words.number("visible").unwrap_or(1_000);
    match verb {
        "group" => {
            let from = if words.flag("latest") { StartFrom::Latest } else { StartFrom::Earliest };
            QueueCommand::CreateGroup { topic, group, from }
        }
        "ungroup" => QueueCommand::DeleteGroup { topic, group },
        "consume" => {
            let max = words.number("max").map_or(1, |max| max.try_into().unwrap());
            QueueCommand::Consume { topic, group, consumer: rest[0].into(), max, visibility_ms }
        }
        "ack" => QueueCommand::Ack { topic, group, messages: messages() },
        "nack" => {
            let delay_ms = words.number("delay").unwrap_or(0);
            QueueCommand::Nack { topic, group, messages: messages(), delay_ms }
        }
        "extend" => QueueCommand::Extend { topic, group, messages: messages(), visibility_ms },
        "prolong" => QueueCommand::Prolong { topic, group, messages: messages(), visibility_ms },
        "giveback" => QueueCommand::GiveBack { topic, group, messages: messages() },
        other => panic!("not a command: {other}"),
    }
}

/// `7`, or `7:r9-0` of one delivery.
fn handle(word: &str) -> Handle {
    let (number, receipt) = word.split_once(':').map_or((word, None), |(number, of)| (number, Some(of)));
    Handle { number: number.parse().unwrap(), receipt: receipt.map(|of| of.parse().unwrap()) }
}

fn parse_limits(words: &Words<'_>, limits: QueueLimits) -> QueueLimits {
    let small = |name: &str| words.number(name).map(|value| u32::try_from(value).unwrap());
    QueueLimits {
        attempts_max: small("attempts").unwrap_or(limits.attempts_max),
        dead_per_group_max: small("dead").unwrap_or(limits.dead_per_group_max),
        in_flight_per_consumer_max: small("flight").unwrap_or(limits.in_flight_per_consumer_max),
        retention_ms: words.number("retention").unwrap_or(limits.retention_ms),
        retention_bytes: words.number("bytes").or(limits.retention_bytes),
        depth_per_topic_max: words.number("depth").unwrap_or(limits.depth_per_topic_max),
        ..limits
    }
}
