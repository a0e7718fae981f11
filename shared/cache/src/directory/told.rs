//! What a home reports: how its tenure stands, whom it waits for, and who holds which line.
//!
//! Who holds a line is told when the directory has done everything that it can do now, and only where it differs from what
//! was told last: a question that takes a line from one node and gives it to another is one change.

use orrery_base::ids::{GroupId, NodeName};

use super::recall::Waiting;
use super::{Action, Directory, Question, Stage, What};
use crate::fact::{HomeFact, How, Waited, Wants};
use crate::view::{HeldView, HomeView, SHOWN_MAX};
use crate::{Address, Holder};

/// Owner and sharers, as they were told.
pub(super) type Held = (Option<NodeName>, Vec<NodeName>);

impl Directory {
    /// From here on no facts are made, because nothing records them.
    pub fn keep_silent(&mut self) {
        self.silent = true;
    }

    pub(super) fn tell(&mut self, fact: HomeFact) {
        if !self.silent {
            self.out.push_back(Action::Fact(fact));
        }
    }

    /// Something about the line may have changed.
    pub(super) fn touch(&mut self, address: &Address) {
        if !self.silent {
            self.touched.insert(address.clone());
        }
    }

    /// The next change of who holds what.
    pub(super) fn next_held(&mut self) -> Option<Action> {
        while let Some(address) = self.touched.pop_first() {
            let now = self.held(&address);
            let before = self.told.get(&address).cloned().unwrap_or_default();
            if now == before {
                continue;
            }
            if now == Held::default() {
                self.told.remove(&address);
            } else {
                self.told.insert(address.clone(), now.clone());
            }
            let (owner, sharers) = now;
            return Some(Action::Fact(HomeFact::Held { address, owner, sharers }));
        }
        None
    }

    fn held(&self, address: &Address) -> Held {
        let Some(line) = self.lines.get(address) else { return Held::default() };
        let owner = line.owner.as_ref().map(|owner| owner.node.name.clone());
        (owner, line.sharers.keys().map(|node| node.name.clone()).collect())
    }

    /// A question has to wait for these nodes.
    pub(super) fn tell_waits(&mut self, question: Question, address: &Address, now_us: u64) {
        let Some(asked) = self.questions.get(&question) else { return };
        if self.silent || asked.waits.is_empty() {
            return;
        }
        let wants = match &asked.what {
            What::GetM(_) => Wants::Own,
            What::Write { .. } | What::Offer { .. } => Wants::Write,
            What::GetS(_) | What::WriteBack { .. } | What::Renew { .. } => Wants::Read,
        };
        let waited = |(node, waiting): (&Holder, &Waiting)| Waited {
            node: node.name.clone(),
            recall: waiting.recall.kind(),
            gone_in_us: self.gone_us(node, waiting).saturating_sub(now_us),
        };
        let of = asked.waits.iter().map(waited).collect();
        let (asker, address) = (asked.from.name.clone(), address.clone());
        self.tell(HomeFact::Recalling { question, address, asker, wants, of });
    }

    /// A question waits for that node no more.
    pub(super) fn tell_recalled(&mut self, question: Question, address: &Address, node: &Holder, how: How) {
        let (address, node) = (address.clone(), node.name.clone());
        self.tell(HomeFact::Recalled { question, address, node, how });
    }

    /// The whole directory, bounded, as people see it.
    pub fn home_view(&self, group: GroupId, now_us: u64) -> HomeView {
        let window_left_us = match self.stage {
            Stage::Window { until_us } => until_us.saturating_sub(now_us),
            _ => 0,
        };
        let view = |address: &Address| {
            let (owner, sharers) = self.held(address);
            HeldView { address: address.clone(), owner, sharers }
        };
        HomeView {
            group,
            term: self.term,
            open: self.stage == Stage::Open,
            window_left_us,
            lines: self.lines.keys().take(SHOWN_MAX).map(view).collect(),
            more: self.lines.len().saturating_sub(SHOWN_MAX) as u64,
        }
    }
}
