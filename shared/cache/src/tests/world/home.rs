//! The homes of the world: their directories, the log behind them, and terms that replace each other.

use std::collections::BTreeMap;

use orrery_base::ids::Term;
use orrery_base::key::RequestKey;

use super::{Event, Home, LEASE_US, World};
use crate::directory::{Action, Committed, Directory, Timing};
use crate::values::Step;
use crate::{CacheCommand, CacheReply};

impl World {
    /// Something came to a home, or its time has come.
    pub(super) fn at_home(&mut self, at: u64, event: Event) {
        match event {
            Event::Ask { term, from, asked, ask } => {
                let home_us = self.home_us(term);
                let home = self.homes.get_mut(&term).unwrap();
                let question = home.directory.ask(&from, asked, ask, &home.values, home_us);
                home.asked.insert(question, (from, asked));
                self.drain_home(term);
            }
            Event::Recalled { term, question, from, recalled } => {
                let home_us = self.home_us(term);
                let home = self.homes.get_mut(&term).unwrap();
                home.directory.recalled(question, &from, recalled, &home.values, home_us);
                self.drain_home(term);
            }
            Event::Confirm { term, round } => {
                let leads = term == self.term && !self.random.chance(self.faults.lost);
                let confirmed = leads || self.limits.broken.grants_unconfirmed;
                if leads {
                    let values = self.values.clone();
                    self.homes.get_mut(&term).unwrap().values = values;
                }
                let delay = self.delay();
                self.after(delay, Event::Confirmed { term, round, confirmed });
            }
            Event::Confirmed { term, round, confirmed } => {
                let home_us = self.home_us(term);
                let home = self.homes.get_mut(&term).unwrap();
                home.directory.confirmed(round, confirmed, &home.values, home_us);
                self.drain_home(term);
            }
            Event::Commit { term, question, command, key } => self.commit(term, question, command, key),
            Event::Committed { term, question, outcome, applied } => {
                let home_us = self.home_us(term);
                let home = self.homes.get_mut(&term).unwrap();
                if matches!(outcome, Committed::Applied(_)) && applied.last() > home.values.last() {
                    home.values = *applied;
                }
                home.directory.committed(question, outcome, &home.values, home_us);
                self.drain_home(term);
            }
            Event::Home { term } => {
                let tick = &mut self.homes.get_mut(&term).unwrap().tick;
                if *tick != Some(at) {
                    return;
                }
                *tick = None;
                let home_us = self.home_us(term);
                let home = self.homes.get_mut(&term).unwrap();
                home.directory.tick(&home.values, home_us);
                let due_us = home.directory.deadline();
                assert!(
                    due_us.is_none_or(|due_us| due_us > home_us),
                    "the home of term {term} has to be asked again at once"
                );
                self.drain_home(term);
            }
            Event::Deposed { term } => {
                self.homes.get_mut(&term).unwrap().directory.end();
                self.drain_home(term);
            }
            other => unreachable!("not a home's: {other:?}"),
        }
    }

    /// Another home. The one before may hear of it late.
    pub fn new_term(&mut self) {
        let before = self.term;
        self.term += 1 + self.random.below(2);
        let term = self.term;
        let home = Home {
            directory: Directory::new(term, Timing { broken: self.limits.broken, ..Timing::new(LEASE_US) }),
            values: self.values.clone(),
            offset_us: self.random.below(1_000_000_000),
            rate: 990 + self.random.below(21),
            asked: BTreeMap::new(),
            tick: None,
        };
        self.homes.insert(term, home);
        self.note(|| format!("home of term {term}"));
        if before > 0 {
            let late = if self.faults.unaware { 3_000_000 } else { 200_000 };
            let after = self.random.below(late);
            self.after(after, Event::Deposed { term: before });
        }
        if self.values.opened() > 0 {
            self.homes.get_mut(&term).unwrap().directory.begin();
        }
        self.drain_home(term);
    }

    /// A leader of the present term appends; what an earlier one proposed may still be appended, or not.
    fn commit(&mut self, term: Term, question: Option<u64>, command: CacheCommand, key: Option<RequestKey>) {
        let proposed_in_time = term == self.term || self.random.chance(30);
        let outcome = if !proposed_in_time {
            if self.random.chance(50) { Committed::NotApplied } else { Committed::Unknown }
        } else {
            let reply = self.apply(&command, key);
            if term != self.term || self.random.chance(self.faults.lost / 4) {
                Committed::Unknown
            } else {
                Committed::Applied(reply)
            }
        };
        self.note(|| format!("{term} commits {command:?} -> {outcome:?}"));
        let delay = self.delay();
        let applied = Box::new(self.values.clone());
        if outcome == Committed::Unknown && term == self.term {
            // Its tenure ends with it: it steps down.
            self.new_term();
        }
        self.after(delay, Event::Committed { term, question, outcome, applied });
    }

    pub fn apply(&mut self, command: &CacheCommand, key: Option<RequestKey>) -> CacheReply {
        if let Some(reply) = key.as_ref().and_then(|key| self.replies.get(key)) {
            return reply.clone();
        }
        self.index += 1;
        let mut step = Step { index: self.index, ..Step::default() };
        let reply = self.values.apply(command, &mut step);
        self.oracle.applied(command, &reply, self.now);
        if let Some(key) = key
            && !matches!(reply, CacheReply::OldTenure { .. })
        {
            self.replies.insert(key, reply.clone());
        }
        reply
    }

    pub(super) fn drain_home(&mut self, term: Term) {
        while let Some(action) = self.homes.get_mut(&term).unwrap().directory.poll() {
            match action {
                Action::Confirm { round } => {
                    let delay = self.delay();
                    self.after(delay, Event::Confirm { term, round });
                }
                Action::Recall { question, to, recall, within_us } => {
                    let node = Self::at(&to);
                    let nobody = Event::Recalled { term, question, from: to.clone(), recalled: None };
                    self.after(within_us, nobody);
                    self.send(node, Event::Recall { term, question: Some(question), to, recall });
                }
                Action::Notify { to, recall } => {
                    self.send(Self::at(&to), Event::Recall { term, question: None, to, recall });
                }
                Action::Commit { question, command, key } => {
                    let delay = self.delay();
                    self.after(delay, Event::Commit { term, question, command, key });
                }
                Action::Answer { question, told } => {
                    let home = self.homes.get_mut(&term).unwrap();
                    // Asked and answered in one go: the number is known only afterwards.
                    match home.asked.remove(&question) {
                        Some((to, asked)) => {
                            self.note(|| format!("{term} tells {} {asked} {told:?}", to.name));
                            self.send(Self::at(&to), Event::Told { to, asked, told: Some(told) });
                        }
                        None => panic!("an answer to nobody: {told:?}"),
                    }
                }
                Action::Fact(fact) => self.note(|| format!("{term} tells {fact:?}")),
                Action::Ended => self.note(|| format!("tenure {term} ends")),
            }
        }
        if let Some(due_us) = self.homes[&term].directory.deadline() {
            let after = due_us.saturating_sub(self.home_us(term)) * 1_000 / self.homes[&term].rate + 10;
            let at = self.now + after;
            let tick = &mut self.homes.get_mut(&term).unwrap().tick;
            if tick.is_none_or(|tick| at < tick) {
                *tick = Some(at);
                self.after(after, Event::Home { term });
            }
        }
    }
}
