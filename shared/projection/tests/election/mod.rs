//! Folds scenario text and shows what is drawn.

use std::collections::BTreeMap;

use orrery_base::hlc::Hlc;
use orrery_base::ids::{BootEpoch, GroupId, NodeName, Term};
use orrery_event::Event;
use orrery_event::fact::{Fact, Message, MessageId, Role};
use orrery_event::merge::StreamState;
use orrery_narrate::{Language, narrate};
use orrery_projection::view::{GroupView, SUPERVISOR, View};
use orrery_script::{Scenario, Words};

const GROUP: GroupId = GroupId::CONTROL;

#[derive(Default)]
pub struct Script {
    view: View,
    now_us: u64,
    /// Boot and last sequence of every source.
    sources: BTreeMap<NodeName, (BootEpoch, u64)>,
    messages: u64,
}

impl Scenario for Script {
    fn line(&mut self, line: &str) -> Vec<String> {
        let words = Words::of(line);
        match words.all() {
            ["show"] => self.show(),
            ["clock", to_ms] => {
                self.now_us = to_ms.parse::<u64>().unwrap() * 1_000;
                Vec::new()
            }
            ["voters", voters @ ..] => {
                let voters: Vec<NodeName> = voters.iter().map(|name| NodeName::from(*name)).collect();
                let said = voters.clone().into_iter().flat_map(|node| {
                    let voters = voters.clone();
                    self.say(
                        &node,
                        Fact::MembershipChanged { group: GROUP, index: Some(1), voters, learners: vec![] },
                    )
                });
                said.collect()
            }
            [node, "reboots"] => {
                let source = self.sources.entry((*node).into()).or_insert((1, 0));
                *source = (source.0 + 1, 0);
                Vec::new()
            }
            [node, "is", state] => {
                let state = if *state == "live" { StreamState::Live } else { StreamState::Silent };
                self.view.stream(&(*node).into(), state, self.now_us);
                Vec::new()
            }
            [source, ..] => {
                let fact = self.fact(source, &words);
                self.say(&(*source).into(), fact)
            }
            [] => panic!("an empty line"),
        }
    }
}

impl Script {
    /// A source reports a fact. What the narrator makes of it.
    fn say(&mut self, source: &NodeName, fact: Fact) -> Vec<String> {
        self.now_us += 1_000;
        let (boot, seq) = self.sources.entry(source.clone()).or_insert((1, 0));
        *seq += 1;
        let event = Event { seq: *seq, hlc: Hlc::new(self.now_us, 0), wall_us: self.now_us, fact };
        let said = narrate(&self.view, source, &event);
        self.view.apply(source, *boot, &event);
        self.view.assert_consistent();
        said.map(|line| line.text(Language::English).to_owned()).into_iter().collect()
    }

    fn fact(&mut self, source: &str, words: &Words<'_>) -> Fact {
        let pre = words.flag("pre");
        match words.all() {
            [_, "stands", term] => role(Role::Candidate, number(term), Some(source), None),
            [_, "leads", term] => role(Role::Leader, number(term), Some(source), Some(source)),
            [_, "follows", leader, term, ..] => {
                let leader = Some(*leader).filter(|leader| *leader != "nobody");
                role(Role::Follower, number(term), words.text("voted"), leader)
            }
            [_, "asks", to, term, ..] => {
                let body = Message::Vote { pre, term: number(term), last: Some(1) };
                Fact::Sent { message: self.message(source), group: GROUP, to: (*to).into(), body }
            }
            [_, "hears", from, verdict, term, ..] => {
                let granted = *verdict == "grants";
                let body = Message::VoteReply { pre, term: number(term), granted };
                Fact::Received { message: self.message(from), group: GROUP, body }
            }
            [from, "appends", term, ..] => {
                let body = Message::Append { term: number(term), previous: None, entries: 1, commit: None };
                Fact::Received { message: self.message(from), group: GROUP, body }
            }
            [_, "timer", ms] => Fact::TimerStarted { group: GROUP, due_us: number(ms) * 1_000 },
            [_, "lost", peer] => Fact::LinkDown { peer: (*peer).into() },
            [_, "reached", peer] => Fact::LinkUp { peer: (*peer).into() },
            [SUPERVISOR, "started", node] => Fact::NodeStarted { node: (*node).into(), pid: 1 },
            [SUPERVISOR, "killed", node] => Fact::NodeExited { node: (*node).into(), cause: "killed".into() },
            [SUPERVISOR, "paused", node] => Fact::NodePaused { node: (*node).into() },
            [SUPERVISOR, "resumed", node] => Fact::NodeResumed { node: (*node).into() },
            other => panic!("not a fact: {other:?}"),
        }
    }

    fn message(&mut self, from: &str) -> MessageId {
        self.messages += 1;
        MessageId { from: from.into(), boot: 1, number: self.messages }
    }

    fn show(&self) -> Vec<String> {
        let leadership = self.view.leadership();
        let leader = leadership.leader.map_or("nobody leads".into(), |node| format!("{node} leads"));
        let mut lines = vec![format!("{leader}, term {}", leadership.term)];
        if !leadership.deposed.is_empty() {
            lines.push(format!("deposed, and not aware of it: {}", leadership.deposed.join(" ")));
        }
        for node in self.view.in_order() {
            let Some(part) = self.view.control(&node.name) else { continue };
            lines.push(format!("   {}: {}", node.name, part_of(part, self.now_us)));
        }
        lines
    }
}

fn part_of(part: &GroupView, now_us: u64) -> String {
    let mut text = format!("{:?} in term {}", part.role, part.term).to_lowercase();
    let mut add = |what: &str, who: &Option<NodeName>| {
        if let Some(who) = who {
            text.push_str(&format!(", {what} {who}"));
        }
    };
    add("voted for", &part.voted_for);
    add("leader", &part.leader);
    if let Some(timer) = part.timer {
        text.push_str(&format!(", timer at {:.0} %", timer.left(now_us) * 100.0));
    }
    if let Some(election) = &part.election {
        let kind = if election.pre { "would stand" } else { "stands" };
        let won = if election.won { ", won" } else { "" };
        let silent = election.silent_us.map_or(String::new(), |us| format!(" after {} ms", us / 1_000));
        let names = |names: &[NodeName]| if names.is_empty() { "nobody".into() } else { names.join(" ") };
        let (granted, refused) = (names(&election.granted), names(&election.refused));
        let of = part.quorum();
        text.push_str(&format!(
            "; {kind} for {}{silent}: {granted} for it ({of} needed), {refused} against{won}",
            election.term
        ));
    }
    text
}

fn role(role: Role, term: Term, voted_for: Option<&str>, leader: Option<&str>) -> Fact {
    let name = |name: &str| NodeName::from(name);
    Fact::RoleChanged {
        group: GROUP,
        role,
        term,
        voted_for: voted_for.map(name),
        leader: leader.map(name),
        silent_us: None,
    }
}

fn number(word: &str) -> u64 {
    word.parse().expect("a number")
}
