//! What the tape marks: elections, failures, deadlocks, faults, gaps, terms.

use std::collections::VecDeque;

use orrery_base::ids::{GroupId, NodeName, Term};
use orrery_base::sorted::SortedMap;
use orrery_cache::{HomeFact, How, LineFact};
use orrery_event::Fact;
use orrery_event::fact::Role;
use orrery_event::merge::{GapView, StreamState};
use orrery_event::stream::NodeSnapshot;
use orrery_lock::LockFact;
use orrery_machine::ServiceFact;

/// Most marks, terms and spans that are kept; the oldest go first.
pub const MARKS_MAX: usize = 2_000;

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MarkKind {
    /// Somebody stands for election.
    Candidate,
    Crowned,
    /// A link was cut.
    Cut,
    /// A link was healed.
    Healed,
    Exited,
    /// A process was stopped.
    Paused,
    /// A process began or goes on.
    Back,
    /// A cycle of waits.
    Deadlock,
    /// A write waited until the lease of a node that did not answer was over.
    Waited,
    /// A write in a cache that was not durable is lost.
    WriteLost,
}

impl MarkKind {
    /// Its glyph on the tape.
    pub fn glyph(self) -> &'static str {
        match self {
            MarkKind::Candidate => "◆",
            MarkKind::Crowned => "♛",
            MarkKind::Cut => "⚡",
            MarkKind::Healed | MarkKind::Back => "↺",
            MarkKind::Exited => "✕",
            MarkKind::Paused => "‖",
            MarkKind::Deadlock => "⟳",
            MarkKind::Waited => "◔",
            MarkKind::WriteLost => "⊘",
        }
    }

    /// It is about loss, refusal or failure.
    pub fn bad(self) -> bool {
        !matches!(self, MarkKind::Candidate | MarkKind::Crowned | MarkKind::Healed | MarkKind::Back)
    }
}

/// A mark on the tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeMark {
    pub at_us: u64,
    pub node: NodeName,
    pub kind: MarkKind,
}

/// A span of a node's lane in which it is not there, or in which events are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub node: NodeName,
    pub kind: SpanKind,
    pub from_us: u64,
    /// Until when; none while it lasts.
    pub to_us: Option<u64>,
}

/// Why a span of a lane is drawn differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// The process is not there.
    Down,
    /// The process is stopped.
    Paused,
    /// The stream is silent: what happens there is not known (yet).
    Silent,
    /// Events will never come.
    Gap,
}

/// Everything that the tape marks.
#[derive(Debug, Default)]
pub struct Marks {
    marks: VecDeque<TapeMark>,
    /// (begin, term), in order.
    terms: VecDeque<(u64, Term)>,
    spans: VecDeque<Span>,
    /// Terms in which each node was seen to lead already.
    led: SortedMap<NodeName, Term>,
}

impl Marks {
    /// Marks of a stretch, in order.
    pub fn between(&self, from_us: u64, to_us: u64) -> impl Iterator<Item = &TapeMark> {
        let first = self.marks.partition_point(|mark| mark.at_us < from_us);
        let last = self.marks.partition_point(|mark| mark.at_us <= to_us);
        self.marks.range(first..last.max(first))
    }

    /// Every term and when it began.
    pub fn terms(&self) -> impl DoubleEndedIterator<Item = (u64, Term)> + '_ {
        self.terms.iter().copied()
    }

    pub fn spans(&self) -> impl Iterator<Item = &Span> {
        self.spans.iter()
    }

    /// The next mark after a moment, or the one before.
    pub fn jump(&self, at_us: u64, forward: bool) -> Option<u64> {
        let worth = |mark: &&TapeMark| mark.kind != MarkKind::Candidate;
        if forward {
            self.marks.iter().filter(worth).map(|mark| mark.at_us).find(|us| *us > at_us)
        } else {
            self.marks.iter().rev().filter(worth).map(|mark| mark.at_us).find(|us| *us < at_us)
        }
    }

    pub fn handle_fact(&mut self, node: &NodeName, at_us: u64, fact: &Fact) {
        match fact {
            Fact::RoleChanged { group: GroupId::CONTROL, role, term, .. } => {
                self.note_term(at_us, *term);
                match role {
                    Role::Candidate => self.mark(at_us, node, MarkKind::Candidate),
                    Role::Leader if self.led.get(node).is_none_or(|led| led < term) => {
                        self.led.insert(node.clone(), *term);
                        self.mark(at_us, node, MarkKind::Crowned);
                    }
                    _ => {}
                }
            }
            Fact::Service { fact: ServiceFact::Lock(LockFact::Deadlock { .. }), .. } => {
                self.mark(at_us, node, MarkKind::Deadlock);
            }
            Fact::CacheHome { fact: HomeFact::Recalled { how: How::LeaseOver, .. }, .. } => {
                self.mark(at_us, node, MarkKind::Waited);
            }
            Fact::CacheLine { fact: LineFact::Lost { .. }, .. } => {
                self.mark(at_us, node, MarkKind::WriteLost)
            }
            Fact::LinkFault { cut, .. } => {
                self.mark(at_us, node, if *cut { MarkKind::Cut } else { MarkKind::Healed });
            }
            Fact::NodeExited { node, .. } => {
                self.mark(at_us, node, MarkKind::Exited);
                self.close(node, at_us, |kind| kind == SpanKind::Paused);
                self.open(node, at_us, SpanKind::Down);
            }
            Fact::NodePaused { node } => {
                self.mark(at_us, node, MarkKind::Paused);
                self.open(node, at_us, SpanKind::Paused);
            }
            Fact::NodeStarted { node, .. } | Fact::NodeResumed { node } => {
                self.mark(at_us, node, MarkKind::Back);
                self.close(node, at_us, |kind| matches!(kind, SpanKind::Down | SpanKind::Paused));
            }
            _ => {}
        }
    }

    /// Notes events that will never come.
    pub fn handle_gap(&mut self, gap: &GapView) {
        let span = Span {
            node: gap.node.clone(),
            kind: SpanKind::Gap,
            from_us: gap.from_us,
            to_us: Some(gap.to_us.max(gap.from_us)),
        };
        push(&mut self.spans, span);
    }

    /// Notes that a stream beats or fell silent.
    pub fn handle_stream(&mut self, node: &NodeName, state: StreamState, at_us: u64) {
        match state {
            StreamState::Silent => self.open(node, at_us, SpanKind::Silent),
            StreamState::Live => self.close(node, at_us, |kind| kind == SpanKind::Silent),
            StreamState::Unknown => {}
        }
    }

    /// Notes the terms of a snapshot.
    pub fn handle_snapshot(&mut self, snapshot: &NodeSnapshot, at_us: u64) {
        for part in snapshot.groups.iter().filter(|part| part.group == GroupId::CONTROL) {
            self.note_term(at_us, part.term);
            if part.role == Role::Leader {
                self.led.insert(snapshot.node.clone(), part.term);
            }
        }
    }

    /// Forgets what was before a moment.
    pub fn forget_before(&mut self, us: u64) {
        while self.marks.front().is_some_and(|mark| mark.at_us < us) {
            self.marks.pop_front();
        }
        while self.terms.get(1).is_some_and(|(next, _)| *next < us) {
            self.terms.pop_front();
        }
        self.spans.retain(|span| span.to_us.is_none_or(|to_us| to_us >= us));
    }

    fn note_term(&mut self, at_us: u64, term: Term) {
        let newest = self.terms.back().map(|(_, term)| *term);
        if term > 0 && newest.is_none_or(|newest| newest < term) {
            push(&mut self.terms, (at_us, term));
        }
    }

    fn mark(&mut self, at_us: u64, node: &NodeName, kind: MarkKind) {
        let mark = TapeMark { at_us, node: node.clone(), kind };
        let place = self.marks.partition_point(|other| other.at_us <= at_us);
        self.marks.insert(place, mark);
        if self.marks.len() > MARKS_MAX {
            self.marks.pop_front();
        }
    }

    fn open(&mut self, node: &NodeName, at_us: u64, kind: SpanKind) {
        let open =
            self.spans.iter().any(|span| span.node == *node && span.kind == kind && span.to_us.is_none());
        if !open {
            push(&mut self.spans, Span { node: node.clone(), kind, from_us: at_us, to_us: None });
        }
    }

    fn close(&mut self, node: &NodeName, at_us: u64, kinds: impl Fn(SpanKind) -> bool) {
        for span in &mut self.spans {
            if span.node == *node && kinds(span.kind) && span.to_us.is_none() {
                span.to_us = Some(at_us);
            }
        }
    }
}

fn push<T>(list: &mut VecDeque<T>, value: T) {
    if list.len() >= MARKS_MAX {
        list.pop_front();
    }
    list.push_back(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_has_the_glyphs() {
        use MarkKind::{Back, Candidate, Crowned, Cut, Deadlock, Exited, Healed, Paused, Waited, WriteLost};
        for kind in [Candidate, Crowned, Cut, Healed, Exited, Paused, Back, Deadlock, Waited, WriteLost] {
            for glyph in kind.glyph().chars() {
                // Up to the arrows after the dingbats: the mathematical signs behind them are in few fonts.
                assert!(glyph <= '\u{27ff}', "{kind:?} is drawn as {glyph}, which few fonts have");
            }
        }
    }
}
