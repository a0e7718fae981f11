//! Questions as they come in.

use std::collections::BTreeMap;

use super::{Asked, Directory, Phase, QUESTIONS_MAX, Question, Stage, What};
use crate::message::{Ask, Source, Told};
use crate::{Address, Holder, Stamp, Values};

impl Directory {
    /// A question of a node, under the node's number. The answer comes as an action.
    pub fn ask(&mut self, from: &Holder, asked: u64, ask: Ask, values: &Values, now_us: u64) -> Question {
        self.next += 1;
        let question = self.next;
        self.take(question, (from, asked), ask, values, now_us);
        self.checked();
        question
    }

    fn take(
        &mut self,
        question: Question,
        (from, asked): (&Holder, u64),
        ask: Ask,
        values: &Values,
        now_us: u64,
    ) {
        if let Some(told) = self.not_open(from, asked, &ask, now_us) {
            return self.answer(question, told);
        }
        let what = match ask {
            Ask::GetS { address } => What::GetS(address),
            Ask::GetM { address } => What::GetM(address),
            Ask::Write { address, value, if_version, key } => What::Write { address, value, if_version, key },
            Ask::WriteBack { address, grant, write, value } => {
                What::WriteBack { address, grant, write, value }
            }
            Ask::Offer { address, grant, write, value, based_on } => {
                What::Offer { address, grant, write, value, based_on }
            }
            Ask::Renew { lease, .. } => What::Renew { lease },
            Ask::Evict { lines } => {
                lines.iter().for_each(|(address, stamp)| self.evicted(from, address, *stamp));
                return self.answer(question, Told::Noted);
            }
        };
        if self.questions.len() >= QUESTIONS_MAX {
            return self.answer(question, Told::Busy);
        }
        let turn = match &what {
            What::Write { address, .. } | What::WriteBack { address, .. } | What::Offer { address, .. } => {
                Some(address.clone())
            }
            What::GetS(_) | What::GetM(_) | What::Renew { .. } => None,
        };
        let phase = if turn.is_some() { Phase::Queued } else { Phase::Confirming };
        let (from, source) = (from.clone(), Source::Home);
        self.questions.insert(question, Asked { from, asked, what, phase, waits: BTreeMap::new(), source });
        match turn {
            // What it commits proves that it leads.
            Some(address) => self.queue(question, address, values, now_us),
            None => self.confirm(question),
        }
    }

    /// The answer as long as nothing is granted.
    fn not_open(&mut self, from: &Holder, asked: u64, ask: &Ask, now_us: u64) -> Option<Told> {
        let term = self.term;
        let left_us = match self.stage {
            Stage::Open => return None,
            Stage::Ended => return Some(Told::NotHome),
            Stage::Window { until_us } => until_us.saturating_sub(now_us),
            Stage::Fresh | Stage::Beginning | Stage::Opening => 0,
        };
        self.begin();
        let Ask::Renew { claims, .. } = ask else { return Some(Told::Opening { term, left_us }) };
        // Only what is said in the window counts.
        let Stage::Window { .. } = self.stage else { return Some(Told::Opening { term, left_us }) };
        match claims {
            Some(claims) => {
                self.claim(from, asked, claims);
                Some(Told::Opening { term, left_us })
            }
            None if self.claims.contains_key(from) => Some(Told::Opening { term, left_us }),
            None => Some(Told::Register { term }),
        }
    }

    /// A copy is gone. While somebody has the turn there, the answer to its recall says the same.
    fn evicted(&mut self, from: &Holder, address: &Address, stamp: Stamp) {
        if self.turns.contains_key(address) {
            return;
        }
        let Some(line) = self.lines.get_mut(address) else { return };
        if line.owner.as_ref().is_some_and(|owner| owner.node == *from && owner.held.stamp == stamp) {
            line.owner = None;
        }
        if line.sharers.get(from).is_some_and(|held| held.stamp == stamp) {
            line.sharers.remove(from);
        }
        self.touch(address);
        self.forget_if_free(address);
    }

    pub(super) fn forget_if_free(&mut self, address: &Address) {
        if self.lines.get(address).is_some_and(|line| line.owner.is_none() && line.sharers.is_empty()) {
            self.lines.remove(address);
            self.touch(address);
        }
    }
}
