//! What must hold of a directory between two calls, checked as a whole.

use std::collections::{BTreeMap, BTreeSet};

use super::{Address, Asked, Directory, Line, Phase, QUESTIONS_MAX, Question, Stage, TURNS_MAX};
use super::{claims, recall};
use crate::{Holder, Stamp};

impl Directory {
    /// Called after everything that changes it, in debug builds and where the caller asks for it.
    pub(super) fn checked(&mut self) {
        if !cfg!(debug_assertions) && !self.timing.broken.checked {
            return;
        }
        self.changes += 1;
        if orrery_base::consistency::is_due(self.changes, self.items()) {
            self.assert_consistent();
        }
    }

    /// Lines and questions: what a check looks at.
    fn items(&self) -> usize {
        self.lines.len() + self.questions.len()
    }

    /// Panics with what is wrong, and of whom. Costs O(n log n) in what it has.
    pub fn assert_consistent(&self) {
        self.assert_stage();
        self.assert_lines();
        self.assert_questions();
        self.assert_turns();
        self.assert_rounds();
    }

    fn assert_stage(&self) {
        let term = self.term;
        let granting = matches!(self.stage, Stage::Open);
        assert!(
            granting || self.lines.is_empty() && self.questions.is_empty() && self.turns.is_empty(),
            "tenure {term} is {:?}, and has lines or questions",
            self.stage
        );
        let claiming = matches!(self.stage, Stage::Window { .. } | Stage::Opening);
        assert!(
            claiming || self.claims.is_empty(),
            "tenure {term} is {:?}, and keeps claims of {:?}",
            self.stage,
            self.claims.keys().next()
        );
        let claims = self.claims.iter().find(|(_, (_, claims))| claims.len() > claims::CLAIMS_MAX);
        assert!(claims.is_none(), "the claims of {:?} are above the bound", claims.map(|(node, _)| node));
        assert!(
            self.absent.len() <= recall::ABSENT_MAX,
            "{} absent owners are above the bound",
            self.absent.len()
        );
        assert!(
            self.fetched.len() <= recall::FETCHED_MAX,
            "{} fetched writes are above the bound",
            self.fetched.len()
        );
    }

    fn assert_lines(&self) {
        let mut stamps: BTreeMap<Stamp, (&Address, &Holder)> = BTreeMap::new();
        for (address, line) in &self.lines {
            let Line { owner, sharers, .. } = line;
            if let Some(owner) = owner {
                let (name, sharer) = (&owner.node.name, sharers.keys().next());
                assert!(
                    sharer.is_none(),
                    "{address} is owned by {name} and shared by {}",
                    sharer.map_or("nobody", |node| &node.name)
                );
                assert!(
                    !self.absent.contains(address),
                    "{address} is owned by {name}, and another owner may still offer what it wrote"
                );
            }
            assert!(
                owner.is_some() || !sharers.is_empty() || self.turns.contains_key(address),
                "{address} is kept, and nobody has it or asks for it"
            );
            let owner = owner.iter().map(|owner| (&owner.node, &owner.held));
            for (node, held) in sharers.iter().chain(owner) {
                let stamp = held.stamp;
                assert!(
                    stamp.term == self.term && stamp.n <= self.n,
                    "{} has {address} under stamp {stamp}, which this tenure never gave",
                    node.name
                );
                let other = stamps.insert(stamp, (address, node));
                assert!(other.is_none(), "{} has {address} under stamp {stamp}, as {other:?} has", node.name);
            }
            for node in sharers.keys() {
                assert!(
                    self.leases.contains_key(node),
                    "{address} is shared by {}, which has no lease",
                    node.name
                );
            }
        }
    }

    fn assert_questions(&self) {
        let many = self.questions.len();
        assert!(many <= QUESTIONS_MAX, "{many} questions are above the bound");
        for (question, asked) in &self.questions {
            let Asked { from, phase, waits, .. } = asked;
            let from = &from.name;
            assert!(*question <= self.next, "question {question} of {from} was never numbered");
            assert_eq!(
                *phase == Phase::Recalling,
                !waits.is_empty(),
                "question {question} of {from} is {phase:?}, and waits for {} nodes",
                waits.len()
            );
            for (node, waiting) in waits {
                assert_eq!(
                    asked.address(),
                    Some(waiting.recall.address()),
                    "question {question} of {from} waits for {} because of another line",
                    node.name
                );
            }
        }
    }

    /// A question has its turn, waits for it, or waits for a majority before.
    fn assert_turns(&self) {
        let mut filed: BTreeSet<Question> = BTreeSet::new();
        for (address, turn) in &self.turns {
            assert!(!turn.is_empty(), "the turn at {address} is nobody's");
            assert!(
                turn.len() <= TURNS_MAX + 1,
                "{} questions wait at {address}, above the bound",
                turn.len()
            );
            for (place, question) in turn.iter().enumerate() {
                let asked = self.questions.get(question);
                let found = asked.and_then(Asked::address);
                assert_eq!(
                    found,
                    Some(address),
                    "question {question} waits at {address} and is not about it"
                );
                let waits = asked.is_some_and(|asked| asked.phase == Phase::Queued);
                assert_eq!(
                    waits,
                    place > 0,
                    "question {question} is number {place} at {address}: just the first has its turn"
                );
                assert!(filed.insert(*question), "question {question} waits at two addresses");
            }
        }
        for (question, asked) in &self.questions {
            let waits = asked.phase != Phase::Confirming;
            let from = &asked.from.name;
            assert_eq!(filed.contains(question), waits, "question {question} of {from} waits for no turn");
        }
    }

    fn assert_rounds(&self) {
        if self.stage == Stage::Ended {
            return;
        }
        let mut filed: BTreeSet<Question> = BTreeSet::new();
        for question in self.rounds.questions() {
            let phase = self.questions.get(&question).map(|asked| &asked.phase);
            assert_eq!(phase, Some(&Phase::Confirming), "question {question} waits for a majority");
            assert!(filed.insert(question), "question {question} waits for two majorities");
        }
        let confirming = self.questions.iter().filter(|(_, asked)| asked.phase == Phase::Confirming);
        let lost = confirming.map(|(question, _)| *question).find(|question| !filed.contains(question));
        assert!(lost.is_none(), "question {lost:?} waits for a majority that nobody asks for");
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::directory::{Committed, Held, Timing};
    use crate::message::Ask;
    use crate::values::Step;
    use crate::{CacheCommand, CacheReply, Values};
    use orrery_base::ids::NodeId;

    fn node(number: u64) -> Holder {
        Holder { name: format!("node{number}").into(), id: NodeId(number), boot: 1 }
    }

    /// node1 owns `a`, and is asked to give it to node2.
    fn directory() -> Directory {
        let (mut values, mut directory) = (Values::default(), Directory::new(1, Timing::new(1_000_000)));
        let write = CacheCommand::Write {
            address: "a".into(),
            value: Some(Bytes::from_static(b"1")),
            tenure: 1,
            by: "node1".into(),
            based_on: None,
            if_version: None,
            saves: None,
        };
        let commands = [CacheCommand::Begin { tenure: 1 }, CacheCommand::Open { tenure: 1 }, write];
        for (command, index) in commands.iter().zip(1..) {
            values.apply(command, &mut Step { index, ..Step::default() });
        }
        directory.begin();
        for reply in [CacheReply::Begun { opened: 0 }, CacheReply::Opened] {
            directory.committed(None, Committed::Applied(reply), &values, 0);
        }
        directory.ask(&node(1), 1, Ask::GetS { address: "a".into() }, &values, 0);
        directory.confirmed(1, true, &values, 0);
        directory.ask(&node(2), 1, Ask::GetM { address: "a".into() }, &values, 0);
        directory.confirmed(2, true, &values, 0);
        assert!(directory.lines["a"].owner.is_some() && directory.turns.len() == 1);
        directory
    }

    #[test]
    #[should_panic(expected = "a is owned by node1 and shared by node3")]
    fn an_owner_beside_a_sharer() {
        let mut directory = directory();
        let stamp = directory.stamp();
        let line = directory.lines.get_mut("a").expect("it is owned");
        line.sharers.insert(node(3), Held { stamp, was: stamp, asked: 1 });
        directory.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "a is shared by node1, which has no lease")]
    fn a_sharer_without_a_lease() {
        let mut directory = directory();
        let line = directory.lines.get_mut("a").expect("it is owned");
        let owner = line.owner.take().expect("node1");
        line.sharers.insert(owner.node, owner.held);
        directory.leases.clear();
        directory.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "question 2 of node2 is Recalling, and waits for 0 nodes")]
    fn a_question_that_waits_for_nobody() {
        let mut directory = directory();
        directory.questions.get_mut(&2).expect("it waits").waits.clear();
        directory.assert_consistent();
    }

    #[test]
    #[should_panic(expected = "question 2 of node2 waits for no turn")]
    fn a_question_that_is_forgotten() {
        let mut directory = directory();
        directory.turns.clear();
        directory.assert_consistent();
    }
}
