//! Rounds in which a majority confirms that the home leads. One at a time: whoever comes while one is under way waits
//! for the next, because a grant needs one that began after the question came.

use super::{Action, Directory, Phase, Question, Stage, What};
use crate::Values;
use crate::message::Told;

#[derive(Debug, Default)]
pub(super) struct Rounds {
    last: u64,
    running: Option<Vec<Question>>,
    waiting: Vec<Question>,
}

impl Rounds {
    /// Those who wait for the round that is under way, and for the next.
    pub(super) fn questions(&self) -> impl Iterator<Item = Question> + '_ {
        self.running.iter().flatten().chain(&self.waiting).copied()
    }
}

impl Directory {
    pub(super) fn confirm(&mut self, question: Question) {
        self.rounds.waiting.push(question);
        self.next_round();
    }

    fn next_round(&mut self) {
        if self.rounds.running.is_none() && !self.rounds.waiting.is_empty() {
            self.rounds.running = Some(std::mem::take(&mut self.rounds.waiting));
            self.rounds.last += 1;
            self.out.push_back(Action::Confirm { round: self.rounds.last });
        }
    }

    /// What came of a round.
    pub fn confirmed(&mut self, round: u64, confirmed: bool, values: &Values, now_us: u64) {
        if self.stage == Stage::Ended || round != self.rounds.last {
            return;
        }
        for question in self.rounds.running.take().unwrap_or_default() {
            if !confirmed {
                self.answer(question, Told::NotHome);
                continue;
            }
            let Some(asked) = self.questions.get_mut(&question) else { continue };
            match &asked.what {
                What::Renew { lease } => {
                    let (lease, from) = (*lease, asked.from.clone());
                    let told = self.renew(&from, lease, now_us);
                    self.answer(question, told);
                }
                What::GetS(address) | What::GetM(address) => {
                    let address = address.clone();
                    asked.phase = Phase::Queued;
                    self.queue(question, address, values, now_us);
                }
                What::Write { .. } | What::WriteBack { .. } | What::Offer { .. } => {}
            }
        }
        self.next_round();
        self.checked();
    }
}
