//! What the leader of a shard, the home of its lines, knows of who holds what; and how its tenure begins and ends.
//!
//! The directory decides and its caller acts: it hands out [`Action`]s and takes in their results. It looks at the state
//! that is applied at the leader; a result is handed in only after it is applied there.
//!
//! A tenure is a term whose `Begin` is applied. What makes it safe:
//! - **Commands** carry their tenure, and the state machine takes only those of the one that began last. So nothing that
//!   an earlier home proposed is applied after a later one began.
//! - **The window.** Where an earlier tenure granted anything, a new one waits for a lease and the margin from its
//!   `Begin` on before it grants anything: an old home can only have granted what a majority confirmed after the question
//!   came, and a lease counts from when the node asked. So every old lease is over then, whichever nodes there are: no
//!   list of nodes is needed, and none that is out of date can miss one.
//! - **Claims.** In the window nodes say what they hold from the last tenure that granted. A claim counts only if nothing
//!   was written since and nothing contradicts it: an owner's claim excludes every other one of the line, and two owners'
//!   exclude each other. What is accepted becomes readable only after the window (a home that does not know yet that it
//!   is deposed may still make another node the owner until the last old lease ends, without asking those who claimed).
//! - **Offers.** An owner whose claim came too late, or that did not answer before its lease was over, may bring what it
//!   wrote at any later time, with the version that it is based on. It is applied like a write, while that is still the
//!   present version.
//! - **Revocation.** So before anybody else *owns* a line of which such an owner may exist ([`Directory::may_be_offered`]),
//!   the line gets a new version: of two nodes that both wrote, only what the later owner wrote is based on the present
//!   one. Until then such a line is granted to readers only.
//! - Whatever ends in the unknown ends the tenure: nobody goes on with a directory that may be wrong.

mod asked;
mod claims;
mod confirm;
mod consistency;
mod grant;
mod offer;
mod recall;
mod told;
mod turn;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use confirm::Rounds;
use orrery_base::ids::{NodeName, Term};
use orrery_base::key::RequestKey;

use super::fact::HomeFact;
use super::message::{Claim, Recall, Recalled, Source, Told};
use super::{Address, Broken, CacheCommand, CacheReply, Holder, Stamp, Values, Version};

/// Most questions that wait or are worked on at one home.
pub const QUESTIONS_MAX: usize = 4_096;

/// Most questions that wait for their turn at one address.
pub const TURNS_MAX: usize = 256;

/// Number of a question at its home.
pub type Question = u64;

/// How long things take at a home, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long a lease lasts.
    pub lease_us: u64,
    /// How much longer a home waits for its end than a node may use it.
    pub margin_us: u64,
    /// What is broken on purpose.
    pub broken: Broken,
}

impl Timing {
    /// Of leases that long: the margin is an eighth, and at least 20 ms.
    pub fn new(lease_us: u64) -> Self {
        Timing { lease_us, margin_us: (lease_us / 8).max(20_000), broken: Broken::default() }
    }
}

/// What the caller has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Let a majority confirm that this node leads, and apply up to what that says. Then [`Directory::confirmed`].
    Confirm {
        round: u64,
    },
    /// Ask a node, for at most so long. Then [`Directory::recalled`].
    Recall {
        question: Question,
        to: Holder,
        recall: Recall,
        /// Microseconds.
        within_us: u64,
    },
    /// Tell a node; nobody waits for the answer.
    Notify {
        to: Holder,
        recall: Recall,
    },
    /// Propose at this node only, and wait until it is known what became of it, however long that takes. Then
    /// [`Directory::committed`].
    Commit {
        /// For which question; none for the tenure itself.
        question: Option<Question>,
        command: CacheCommand,
        key: Option<RequestKey>,
    },
    Answer {
        question: Question,
        told: Told,
    },
    Fact(HomeFact),
    /// The tenure is over: this directory answers nothing any more.
    Ended,
}

/// What became of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    Applied(CacheReply),
    /// It surely was not appended.
    NotApplied,
    Unknown,
}

/// Where a tenure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nobody asked for anything yet.
    Fresh,
    /// Its `Begin` is proposed.
    Beginning,
    /// It waits for the leases of earlier homes.
    Window {
        until_us: u64,
    },
    /// Its `Open` is proposed.
    Opening,
    Open,
    Ended,
}

/// A copy that the directory knows of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub stamp: Stamp,
    /// The earlier stamp under which the node may still know the copy, where it claimed it.
    pub was: Stamp,
    /// The question that it was the answer to.
    pub asked: u64,
}

/// Who may write a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub node: Holder,
    pub held: Held,
    /// Its local writes up to this one are committed.
    pub saved: u64,
}

/// What is known of one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub version: Version,
    pub owner: Option<Owner>,
    pub sharers: BTreeMap<Holder, Held>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    GetS(Address),
    GetM(Address),
    Write { address: Address, value: Option<Bytes>, if_version: Option<Version>, key: RequestKey },
    WriteBack { address: Address, grant: Stamp, write: u64, value: Bytes },
    Offer { address: Address, grant: Stamp, write: u64, value: Bytes, based_on: Version },
    Renew { lease: Option<Term> },
}

/// How far a question is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Confirming,
    Queued,
    Recalling,
    /// What a fetched owner had written is being committed.
    Saving,
    Revoking,
    Writing,
}

/// A question that is worked on.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub from: Holder,
    pub asked: u64,
    pub what: What,
    pub phase: Phase,
    pub waits: BTreeMap<Holder, recall::Waiting>,
    pub source: Source,
}

/// What was counted at a home.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Copies that were taken away from nodes.
    pub invalidations_sent: u64,
    /// Owners that lost a line without an answer.
    pub revocations: u64,
}

impl std::ops::Add for Totals {
    type Output = Totals;

    fn add(self, other: Totals) -> Totals {
        Totals {
            invalidations_sent: self.invalidations_sent + other.invalidations_sent,
            revocations: self.revocations + other.revocations,
        }
    }
}

/// The directory of one shard in one tenure.
#[derive(Debug)]
pub struct Directory {
    term: Term,
    timing: Timing,
    stage: Stage,
    /// The tenure of which claims count.
    claimable: Term,
    /// What was applied when it opened: whatever has a later version was written in this tenure.
    opened_at: Version,
    /// Lines whose owner did not answer in this tenure, and may bring what it wrote later.
    absent: BTreeSet<Address>,
    /// What owners handed over in this tenure when they were asked, under the grant and number that they know.
    fetched: BTreeMap<(Address, Holder), (Stamp, u64)>,
    n: u64,
    lines: BTreeMap<Address, Line>,
    /// Until when a node may be reading what it holds.
    leases: BTreeMap<Holder, u64>,
    claims: BTreeMap<Holder, (u64, Vec<Claim>)>,
    questions: BTreeMap<Question, Asked>,
    /// Who has the turn at an address, and who waits for it.
    turns: BTreeMap<Address, VecDeque<Question>>,
    next: Question,
    rounds: Rounds,
    out: VecDeque<Action>,
    totals: Totals,
    silent: bool,
    /// Lines of which it is not told yet who holds them now.
    touched: BTreeSet<Address>,
    told: BTreeMap<Address, told::Held>,
    /// How often something changed: which of them are followed by a check of the whole.
    changes: u64,
}

impl Directory {
    /// Of a node that leads in this term and has applied its term's first entry.
    pub fn new(term: Term, timing: Timing) -> Self {
        Directory {
            term,
            timing,
            stage: Stage::Fresh,
            claimable: 0,
            opened_at: 0,
            absent: BTreeSet::new(),
            fetched: BTreeMap::new(),
            n: 0,
            lines: BTreeMap::new(),
            leases: BTreeMap::new(),
            claims: BTreeMap::new(),
            questions: BTreeMap::new(),
            turns: BTreeMap::new(),
            next: 0,
            rounds: Rounds::default(),
            out: VecDeque::new(),
            totals: Totals::default(),
            silent: false,
            touched: BTreeSet::new(),
            told: BTreeMap::new(),
            changes: 0,
        }
    }

    /// What to do next.
    pub fn poll(&mut self) -> Option<Action> {
        self.out.pop_front().or_else(|| self.next_held())
    }

    pub fn term(&self) -> Term {
        self.term
    }

    pub fn stage(&self) -> Stage {
        self.stage
    }

    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Begins the tenure: at once where an earlier one granted anything, otherwise with the first question.
    pub fn begin(&mut self) {
        if self.stage == Stage::Fresh {
            self.stage = Stage::Beginning;
            let command = CacheCommand::Begin { tenure: self.term };
            self.out.push_back(Action::Commit { question: None, command, key: None });
        }
    }

    /// When to call [`Directory::tick`] at the latest.
    pub fn deadline(&self) -> Option<u64> {
        let window = match self.stage {
            Stage::Window { until_us } => Some(until_us),
            _ => None,
        };
        window.into_iter().chain(self.recall_deadline()).min()
    }

    /// Does what is due.
    pub fn tick(&mut self, values: &Values, now_us: u64) {
        if let Stage::Window { until_us } = self.stage
            && until_us <= now_us
        {
            self.propose_open();
        }
        self.recall_due(values, now_us);
        self.checked();
    }

    fn propose_open(&mut self) {
        self.stage = Stage::Opening;
        let command = CacheCommand::Open { tenure: self.term };
        self.out.push_back(Action::Commit { question: None, command, key: None });
    }

    /// What became of a proposal.
    pub fn committed(
        &mut self,
        question: Option<Question>,
        outcome: Committed,
        values: &Values,
        now_us: u64,
    ) {
        if self.stage == Stage::Ended {
            return;
        }
        if let Some(question) = question {
            self.committed_for(question, outcome, values, now_us);
            return self.checked();
        }
        match (self.stage, outcome) {
            (Stage::Beginning, Committed::Applied(CacheReply::Begun { opened })) => {
                self.claimable = opened;
                if opened == 0 {
                    // Nobody can hold anything.
                    self.propose_open();
                } else {
                    let left_us = self.timing.lease_us + self.timing.margin_us;
                    self.stage = Stage::Window { until_us: now_us + left_us };
                    self.tell(HomeFact::Window { term: self.term, left_us });
                }
            }
            (Stage::Opening, Committed::Applied(CacheReply::Opened)) => {
                self.stage = Stage::Open;
                self.opened_at = values.last();
                self.tell(HomeFact::Open { term: self.term });
                self.accept_claims(values, now_us);
            }
            _ => self.end(),
        }
        self.checked();
    }

    /// The node leads no more, or something is not known: everything that is asked here is answered, and the directory
    /// is worth nothing from now on.
    pub fn end(&mut self) {
        if self.stage == Stage::Ended {
            return;
        }
        if self.stage != Stage::Fresh {
            self.tell(HomeFact::Ended { term: self.term });
        }
        self.stage = Stage::Ended;
        self.touched.clear();
        let questions = std::mem::take(&mut self.questions);
        let proposed = questions.values().filter(|asked| asked.phase == Phase::Writing);
        let proposed: BTreeSet<_> = proposed.map(|asked| (asked.from.clone(), asked.asked)).collect();
        for (question, asked) in questions {
            // A write that was not proposed yet was not done, and its key makes a retry safe. One that came twice may have been.
            let told = match proposed.contains(&(asked.from, asked.asked)) {
                true => Told::Unknown,
                false => Told::NotHome,
            };
            self.out.push_back(Action::Answer { question, told });
        }
        self.lines.clear();
        self.leases.clear();
        self.claims.clear();
        self.absent.clear();
        self.fetched.clear();
        self.turns.clear();
        self.out.push_back(Action::Ended);
    }

    fn stamp(&mut self) -> Stamp {
        self.n += 1;
        Stamp { term: self.term, n: self.n }
    }

    fn answer(&mut self, question: Question, told: Told) {
        self.questions.remove(&question);
        self.out.push_back(Action::Answer { question, told });
    }

    /// The node may read what it holds.
    fn is_leased(&self, node: &Holder, now_us: u64) -> bool {
        self.leases.get(node).is_some_and(|end_us| now_us < *end_us)
    }

    /// What a node answered to a [`Action::Recall`]; none where no answer came.
    pub fn recalled(
        &mut self,
        question: Question,
        from: &Holder,
        recalled: Option<Recalled>,
        values: &Values,
        now_us: u64,
    ) {
        if self.stage != Stage::Ended {
            self.recall_answered(question, from, recalled, values, now_us);
            self.checked();
        }
    }
}

/// Who holds a line, as the home knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryView {
    /// The owner, and whether its lease lasts.
    pub owner: Option<(NodeName, bool)>,
    /// Those who may read a copy.
    pub sharers: Vec<NodeName>,
}

impl Directory {
    /// Who holds that line.
    pub fn view(&self, address: &str, now_us: u64) -> DirectoryView {
        let Some(line) = self.lines.get(address) else { return DirectoryView::default() };
        let live = |node: &&Holder| self.is_leased(node, now_us);
        DirectoryView {
            owner: line.owner.as_ref().map(|owner| (owner.node.name.clone(), live(&&owner.node))),
            sharers: line.sharers.keys().filter(live).map(|node| node.name.clone()).collect(),
        }
    }
}
