//! Runs scenario text against the real machine.

mod words;

use orrery_base::ids::{ClusterId, GroupId, NodeId};
use orrery_base::key::IdempotencyKey;
use orrery_lock::{Holder, LockCommand, Mode, SessionCommand, SessionId, Wait, WaitId};
use orrery_machine::{Command, ControlCommand, Machine, Member, Mutation, Placement};
use orrery_script::{Scenario, Words};

#[derive(Default)]
pub struct Script {
    machine: Machine,
    index: u64,
}

impl Scenario for Script {
    fn line(&mut self, line: &str) -> Vec<String> {
        let words = Words::of(line);
        match words.all() {
            ["status"] => words::table(&self.machine.locks().view(Some(self.index), None)),
            ["status", resource] => {
                words::table(&self.machine.locks().view(Some(self.index), Some(resource)))
            }
            ["edges"] => self.machine.locks().edges().iter().map(words::edge).collect(),
            ["deadline"] => vec![format!("{:?}", self.machine.next_deadline())],
            ["members"] => self.machine.members().iter().map(ToString::to_string).collect(),
            ["map"] => words::map(self.machine.cluster().map()),
            ["snapshot"] => {
                let chunks = self.machine.encode();
                let back = Machine::decode(&chunks).unwrap();
                assert_eq!(back, self.machine, "a snapshot gives the same machine");
                self.machine = back;
                vec!["same".into()]
            }
            _ => self.command(&words),
        }
    }
}

impl Script {
    fn command(&mut self, options: &Words<'_>) -> Vec<String> {
        let mutation = parse(options.all(), options);
        let key = options.text("key").map(|key| {
            let (client, number) = key.split_once('/').unwrap();
            IdempotencyKey { client: client.into(), number: number.parse().unwrap() }.into()
        });
        self.index += 1;
        let applied = self.machine.apply(self.index, &Command { key, mutation });
        let reply = format!("{}: {}", self.index, words::reply(&applied.reply));
        std::iter::once(reply)
            .chain(applied.facts.iter().map(|fact| format!("   {}", words::fact(fact))))
            .collect()
    }
}

fn parse(words: &[&str], options: &Words<'_>) -> Mutation {
    match words {
        ["clock", to, ..] => Mutation::AdvanceClock { to_ms: to.parse().unwrap() },
        ["open" | "keep" | "close", ..] => Mutation::Session(parse_session(words, options)),
        ["form" | "admit" | "dismiss" | "version" | "place", ..] => Mutation::Control(parse_control(words)),
        [verb, resource, holder, ..] => Mutation::Lock(parse_lock(verb, resource, holder, words, options)),
        _ => panic!("not a command: {words:?}"),
    }
}

fn parse_lock(verb: &str, resource: &str, holder: &str, words: &[&str], options: &Words<'_>) -> LockCommand {
    let (resource, holder) = (resource.into(), named(holder));
    let fencing_token = options.number("token");
    match verb {
        "acquire" => {
            let mode = match words[3] {
                "X" => Mode::Exclusive,
                "S" => Mode::Shared,
                other => panic!("not a mode: {other}"),
            };
            let wait = if options.flag("nowait") {
                Wait::No
            } else if options.flag("poll") || options.text("poll").is_some() {
                Wait::LongPoll { deadline_ms: options.number("poll").unwrap_or(10_000) }
            } else {
                Wait::Queue { deadline_ms: options.number("queue").unwrap_or(30_000) }
            };
            LockCommand::Acquire {
                resource,
                holder,
                mode,
                ttl_ms: options.number("ttl").unwrap_or(30_000),
                wait,
            }
        }
        "transfer" => {
            let fencing_token = fencing_token.expect("under which token");
            LockCommand::Transfer { resource, holder, fencing_token, to: named(words[3]) }
        }
        "release" => LockCommand::Release { resource, holder, fencing_token },
        "renew" => LockCommand::Renew { resource, holder, fencing_token, ttl_ms: options.number("ttl") },
        "cancel" => LockCommand::Cancel { resource, holder, wait: options.number("wait").map(WaitId) },
        "withdraw" => {
            let (client, number) = options.text("of").and_then(|key| key.split_once('/')).unwrap();
            let key = IdempotencyKey { client: client.into(), number: number.parse().unwrap() };
            LockCommand::Withdraw { resource, holder, wait: WaitId(options.number("wait").unwrap()), key }
        }
        other => panic!("not a command: {other}"),
    }
}

/// `Ayu`, or `Ayu/7` in a session.
fn named(holder: &str) -> Holder {
    let (client, session) = match holder.split_once('/') {
        None => (holder, None),
        Some((client, session)) => (client, Some(SessionId(session.parse().unwrap()))),
    };
    Holder { client: client.into(), session }
}

fn parse_session(words: &[&str], options: &Words<'_>) -> SessionCommand {
    match words {
        ["open", client, ..] => {
            SessionCommand::Open { client: (*client).into(), ttl_ms: options.number("ttl").unwrap_or(30_000) }
        }
        ["keep", session, ..] => SessionCommand::Renew { session: SessionId(session.parse().unwrap()) },
        ["close", session, ..] => SessionCommand::Close { session: SessionId(session.parse().unwrap()) },
        other => panic!("not a command: {other:?}"),
    }
}

fn parse_control(words: &[&str]) -> ControlCommand {
    match words {
        ["form", members @ ..] => {
            let members = members.iter().map(|member| {
                let (name, id) = member.split_once('=').unwrap();
                let id = id.parse().unwrap();
                Member {
                    id: NodeId(id),
                    name: name.into(),
                    incarnation: 1,
                    address: format!("127.0.0.1:{}", 8000 + id),
                }
            });
            ControlCommand::Form { cluster: ClusterId(7), shards: 8, replicas: 3, members: members.collect() }
        }
        ["admit", name, address, ..] => {
            ControlCommand::Admit { name: (*name).into(), address: (*address).to_owned() }
        }
        ["dismiss", name, ..] => ControlCommand::Dismiss { name: (*name).into() },
        ["version", to, members @ ..] => {
            let members = members.iter().map(|id| NodeId(id.parse().unwrap())).collect();
            ControlCommand::RaiseVersion { to: to.parse().unwrap(), members }
        }
        ["place", base, placements @ ..] => {
            let placements = placements.iter().map(|placement| {
                let (shard, ids) = placement.split_once('=').unwrap();
                let replicas = ids.split(',').map(|id| NodeId(id.parse().unwrap())).collect();
                Placement { shard: GroupId(shard.parse().unwrap()), replicas }
            });
            ControlCommand::PlaceShards { base: base.parse().unwrap(), placements: placements.collect() }
        }
        other => panic!("not a command: {other:?}"),
    }
}
