//! Runs scenario text against the real directory and the real values, which are checked as a whole after every command.

mod words;

use bytes::Bytes;
use orrery_base::ids::NodeId;
use orrery_base::key::{IdempotencyKey, RequestKey};
use orrery_cache::directory::{Action, Committed, Directory, Question, Timing};
use orrery_cache::message::{Claim, Recalled};
use orrery_cache::values::Step;
use orrery_cache::{Address, Ask, CacheCommand, Holder, Stamp, Values};
use orrery_script::{Scenario, Words};

pub const LEASE_US: u64 = 1_000_000;

/// What becomes of what the home proposes.
#[derive(Clone, Copy)]
enum Log {
    Works,
    Refuses,
    Unknown,
}

pub struct Script {
    directory: Option<Directory>,
    values: Values,
    now_us: u64,
    index: u64,
    asked: u64,
    majority: bool,
    log: Log,
}

impl Default for Script {
    fn default() -> Self {
        Script {
            directory: None,
            values: Values::default(),
            now_us: 0,
            index: 0,
            asked: 0,
            majority: true,
            log: Log::Works,
        }
    }
}

impl Scenario for Script {
    fn line(&mut self, line: &str) -> Vec<String> {
        let words = Words::of(line);
        match words.all() {
            ["lead", term] => {
                let mut directory = Directory::new(term.parse().unwrap(), Timing::new(LEASE_US));
                if self.values.opened() > 0 {
                    directory.begin();
                }
                self.directory = Some(directory);
            }
            ["majority", is] => self.majority = *is == "there",
            ["log", how] => {
                self.log = match *how {
                    "works" => Log::Works,
                    "refuses" => Log::Refuses,
                    _ => Log::Unknown,
                }
            }
            ["clock", to_ms] => {
                self.now_us = to_ms.parse::<u64>().unwrap() * 1_000;
                self.with(|directory, values, now_us| directory.tick(values, now_us));
            }
            ["deadline"] => {
                let deadline = self.with(|directory, _, _| directory.deadline());
                return vec![deadline.map_or("none".into(), |at| format!("at {} ms", at / 1_000))];
            }
            ["line", address] => {
                return vec![self.with(|directory, _, now| words::line(&directory.view(address, now)))];
            }
            ["value", address] => return vec![words::value(&self.values, address)],
            [node, "answers", question, how, ..] => self.answer(node, question.parse().unwrap(), how, &words),
            [node, verb, ..] => {
                let (from, ask) = (holder(node), ask(verb, &words));
                self.asked += 1;
                let asked = self.asked;
                self.with(|directory, values, now_us| directory.ask(&from, asked, ask, values, now_us));
            }
            other => panic!("not a command: {other:?}"),
        }
        self.let_out()
    }
}

impl Script {
    fn with<T>(&mut self, change: impl FnOnce(&mut Directory, &Values, u64) -> T) -> T {
        let directory = self.directory.as_mut().expect("a script begins with `lead`");
        let done = change(directory, &self.values, self.now_us);
        directory.assert_consistent();
        self.values.assert_consistent();
        done
    }

    fn answer(&mut self, node: &str, question: Question, how: &str, words: &Words<'_>) {
        let recalled = match how {
            "ack" => Some(Recalled::Acknowledged),
            "clean" => Some(Recalled::Clean),
            "nothing" => Some(Recalled::NotHeld),
            "rebooted" => Some(Recalled::Rebooted),
            "newer" => Some(Recalled::NewerTerm { term: 99 }),
            "silence" => None,
            "dirty" => {
                let value = Bytes::copy_from_slice(words.all()[4].as_bytes());
                Some(Recalled::Dirty { grant: stamp(words), write: words.number("write").unwrap(), value })
            }
            other => panic!("not an answer: {other}"),
        };
        let from = holder(node);
        self.with(|directory, values, now| directory.recalled(question, &from, recalled, values, now));
    }

    /// Does what the home wants done, until it wants nothing more.
    fn let_out(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(action) = self.with(|directory, _, _| directory.poll()) {
            match action {
                Action::Confirm { round } => {
                    let confirmed = self.majority;
                    if !confirmed {
                        lines.push("no majority".into());
                    }
                    self.with(|directory, values, now| directory.confirmed(round, confirmed, values, now));
                }
                Action::Commit { question, command, .. } => {
                    let outcome = self.commit(&command);
                    lines.push(words::commit(&command, &outcome));
                    self.with(|directory, values, now| directory.committed(question, outcome, values, now));
                }
                action => lines.extend(words::action(&action)),
            }
        }
        lines
    }

    fn commit(&mut self, command: &CacheCommand) -> Committed {
        match self.log {
            Log::Works => {
                self.index += 1;
                let mut step = Step { index: self.index, ..Step::default() };
                Committed::Applied(self.values.apply(command, &mut step))
            }
            Log::Refuses => Committed::NotApplied,
            Log::Unknown => Committed::Unknown,
        }
    }
}

fn holder(node: &str) -> Holder {
    let id = node.strip_prefix("node").and_then(|id| id.parse().ok()).expect("a node's name");
    Holder { name: node.into(), id: NodeId(id), boot: 1 }
}

/// `3.7`: term and number.
fn stamp(words: &Words<'_>) -> Stamp {
    let (term, n) = words.text("grant").and_then(|grant| grant.split_once('.')).expect("grant=TERM.N");
    Stamp { term: term.parse().unwrap(), n: n.parse().unwrap() }
}

fn ask(verb: &str, words: &Words<'_>) -> Ask {
    let address = || Address::from(words.all()[2]);
    let value = || Bytes::copy_from_slice(words.all()[3].as_bytes());
    let write = || words.number("write").expect("write=N");
    match verb {
        "reads" => Ask::GetS { address: address() },
        "owns" => Ask::GetM { address: address() },
        "writes" => {
            let value = (words.all()[3] != "-").then(value);
            let key = RequestKey::from(IdempotencyKey { client: "Ayu".into(), number: 1 });
            Ask::Write { address: address(), value, if_version: words.number("if"), key }
        }
        "saves" => Ask::WriteBack { address: address(), grant: stamp(words), write: write(), value: value() },
        "offers" => {
            let based_on = words.number("based").expect("based=VERSION");
            Ask::Offer { address: address(), grant: stamp(words), write: write(), value: value(), based_on }
        }
        "evicts" => Ask::Evict { lines: vec![(address(), stamp(words))] },
        "renews" => Ask::Renew { lease: words.number("lease"), claims: claims(words) },
        other => panic!("not a question: {other}"),
    }
}

fn claims(words: &Words<'_>) -> Option<Vec<Claim>> {
    if words.flag("none") {
        return Some(Vec::new());
    }
    let owned = words.flag("own");
    (owned || words.flag("share")).then(|| {
        let version = words.number("version").expect("version=N");
        let writes = words.number("writes").unwrap_or(0);
        vec![Claim { address: words.all()[2].into(), owned, version, stamp: stamp(words), writes }]
    })
}
