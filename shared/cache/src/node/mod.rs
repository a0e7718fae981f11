//! What one node holds: copies of lines of all shards, the leases under which it may read them, and what it asked for.
//!
//! A client's read or write is answered from a copy ([`Looked::Hit`]), or the caller sends an [`Ask`] for it and hands
//! the answer to [`Lines::told`], or it waits until the address is [`Out::Woken`]. Everything that no client waits for
//! (write-backs, renewals, evictions) comes out of [`Lines::poll`], and [`Lines::deadline`] says when to call
//! [`Lines::tick`] again.
//!
//! Invariants:
//! - a copy is readable only while its shard's lease lasts, counted from when the request that was granted was sent, and
//!   from the moment at which a lease ends every copy of the shard is suspended for good, until a home names it again;
//! - one question at a time about one address, and an answer to an earlier one is ignored;
//! - a message of a home that is older than one that the node heard of the same shard changes nothing;
//! - what a client wrote with `write_back` goes only when a home says that it has it or will not take it; where no home
//!   knows the copy any more it is offered ([`offer`]).

mod consistency;
mod flush;
mod lease;
mod local;
mod offer;
mod order;
mod recalled;
pub mod stats;
mod told;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::fact::{Cause, LineFact};
use super::message::{Ask, Source};
use super::{Address, Broken, CacheReply, Stamp, State, Version};
use order::Order;
pub use order::Policy;
use orrery_base::ids::{GroupId, Term};
use stats::Counted;
pub use stats::{LateWrites, Stats};

/// What one node's cache may have, and how long things take there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most lines. A line that has to be written back first goes late.
    pub lines_max: usize,
    /// Most bytes of addresses and values.
    pub bytes_max: u64,
    /// What goes first.
    pub policy: Policy,
    /// How long a lease lasts, microseconds.
    pub lease_us: u64,
    /// How long a value may wait to be written back, microseconds.
    pub flush_us: u64,
    /// A shard's lease is renewed while the node used a line of it so long ago at most, microseconds.
    pub idle_us: u64,
    /// What is broken on purpose.
    pub broken: Broken,
}

#[derive(Clone, Debug)]
pub(super) struct Line {
    pub shard: GroupId,
    pub state: State,
    pub version: Version,
    /// JSON text; none where an owner has not written yet what had no value before.
    pub value: Option<Bytes>,
    /// Of the grant; of the message that made an owner share.
    pub stamp: Stamp,
    /// Local writes under this grant.
    pub writes: u64,
    /// While it is M: when the first write that is not written back was made.
    pub dirty_us: u64,
    /// The lease was over: not readable before a home names it again.
    pub suspended: bool,
    /// It was handed to the home with a write, by the message of this stamp, and is not known to be committed: not readable.
    pub handed: Option<Stamp>,
    /// The write-back that is under way: number of the question, and of the write in it.
    pub flush: Option<(u64, u64)>,
    /// Not before this a write-back is sent again.
    pub flush_after_us: u64,
    /// It goes as soon as it is written back.
    pub leaving: bool,
    /// No home knows the copy any more: what was written is offered until a home takes or refuses it, and not readable.
    pub offered: bool,
    /// The local writes up to this one may have been committed: a home got them, and no answer said what became of them.
    pub in_doubt: u64,
}

impl Line {
    fn bytes(&self, address: &Address) -> u64 {
        (address.len() + self.value.as_ref().map_or(0, Bytes::len)) as u64
    }

    /// Whatever the answer to the write-back under way is, it is not waited for any more.
    fn abandon_flush(&mut self) {
        if let Some((_, write)) = self.flush.take() {
            self.in_doubt = self.in_doubt.max(write);
        }
    }

    /// Has a write that no home is known to have.
    fn unsaved(&self) -> bool {
        self.state == State::M || self.handed.is_some()
    }

    /// As its readers see it.
    fn seen(&self) -> State {
        if self.suspended || self.handed.is_some() && self.state != State::S { State::I } else { self.state }
    }
}

/// Why a question was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Own,
    Write,
}

/// A question of a client that is under way.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub asked: u64,
    pub purpose: Purpose,
    pub shard: GroupId,
    pub sent_us: u64,
    /// What a durable write writes.
    pub value: Option<Bytes>,
    /// The newest message of a home about the address since then.
    pub overtaken: Option<Stamp>,
}

/// What the node knows of one shard's home.
#[derive(Clone, Debug, Default)]
pub(super) struct Home {
    /// The newest term that it heard of.
    pub known: Term,
    /// Term and end of the lease; it may be over.
    pub lease: Option<(Term, u64)>,
    /// A line of it was used last.
    pub used_us: u64,
    /// When the lease is to be renewed.
    pub renew_us: u64,
    /// The renewal that is under way: number, and when it was sent.
    pub renewing: Option<(u64, u64)>,
    /// The new home asked what the node holds.
    pub claim: bool,
    /// The new home was told, and has not said yet what it takes.
    pub claimed: bool,
    /// Lines of it that are here.
    pub held: usize,
}

/// What a client's request finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// This is the answer.
    Hit {
        /// M, E or S.
        state: State,
        /// The version; of an M the one that it is based on.
        version: Version,
        /// JSON text; none to a write.
        value: Option<Bytes>,
    },
    /// Ask the home, and hand its answer to [`Lines::told`] under this number.
    Ask { asked: u64, ask: Ask },
    /// Something is under way: try again when the address is woken.
    Wait,
}

/// What an answer of a home came to, for the client that asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// The value, good for this one read.
    Value {
        /// Version and JSON text; none where there is no value.
        value: Option<(Version, Bytes)>,
        /// The state of the copy that was kept, if any.
        state: State,
        /// Where it came from.
        source: Source,
    },
    /// The node owns the line (or lost it again at once): try the write.
    Owned,
    Written {
        /// What the state machine said.
        reply: CacheReply,
        /// The state of the copy that was kept, if any.
        state: State,
    },
    /// Nothing was done; ask again after so long.
    Again {
        /// 0 where who answered is no home.
        after_us: u64,
    },
    /// Too many wait at the home. Nothing was done.
    Busy,
    /// Nobody knows whether it was written.
    Unknown,
    /// The answer came too late, or twice.
    Ignored,
}

/// What leaves a node by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Out {
    /// Ask this shard's home, and hand its answer to [`Lines::told`]. Without an answer hand in the failure.
    Ask {
        shard: GroupId,
        /// Number of the question.
        asked: u64,
        ask: Ask,
    },
    /// Who waits for this address tries again.
    Woken(Address),
    /// Something happened to a line.
    Fact(GroupId, LineFact),
}

/// Everything that one node holds.
#[derive(Debug)]
pub struct Lines {
    limits: Limits,
    lines: BTreeMap<Address, Line>,
    /// Those with a write that no home is known to have, by shard.
    unsaved: BTreeSet<(GroupId, Address)>,
    order: Order,
    bytes: u64,
    pending: BTreeMap<Address, Pending>,
    homes: BTreeMap<GroupId, Home>,
    /// The offers that are under way, by number.
    offers: BTreeMap<u64, Address>,
    asked: u64,
    out: VecDeque<Out>,
    counted: Counted,
    /// Everything is to be written back, and nothing new is written here.
    stopping: bool,
    /// How often something changed: which of them are followed by a check of the whole.
    changes: u64,
}

impl Lines {
    pub fn new(limits: Limits) -> Self {
        Lines {
            limits,
            lines: BTreeMap::new(),
            unsaved: BTreeSet::new(),
            order: Order::new(limits.policy),
            bytes: 0,
            pending: BTreeMap::new(),
            homes: BTreeMap::new(),
            offers: BTreeMap::new(),
            asked: 0,
            out: VecDeque::new(),
            counted: Counted::default(),
            stopping: false,
            changes: 0,
        }
    }

    pub fn poll(&mut self) -> Option<Out> {
        self.out.pop_front()
    }

    /// Nothing waits to leave.
    pub fn is_quiet(&self) -> bool {
        self.out.is_empty()
    }

    pub fn stats(&self, now_us: u64) -> Stats {
        self.counted.stats(now_us, self.lines.len(), self.bytes)
    }

    /// And of writes that no home knew any more.
    pub fn late_writes(&self) -> LateWrites {
        self.counted.late
    }

    /// Number of the last question: what is asked under a later one was asked after this moment.
    pub fn last_asked(&self) -> u64 {
        self.asked
    }

    fn number(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    fn tell(&mut self, shard: GroupId, ask: Ask) -> u64 {
        let asked = self.number();
        self.out.push_back(Out::Ask { shard, asked, ask });
        asked
    }

    fn wake(&mut self, address: &Address) {
        self.out.push_back(Out::Woken(address.clone()));
    }

    /// Reports how a line looks now, if its readers see another state than before.
    fn changed(&mut self, address: &Address, shard: GroupId, from: State, cause: Cause, version: Version) {
        let to = self.lines.get(address).map_or(State::I, Line::seen);
        if from != to {
            let address = address.clone();
            self.out.push_back(Out::Fact(shard, LineFact::Changed { address, from, to, cause, version }));
        }
    }

    /// Takes a line out and reports why. A write in it that no home has is lost.
    fn drop_line(&mut self, address: &Address, cause: Cause) -> Option<Line> {
        let line = self.lines.remove(address)?;
        self.order.remove(address);
        self.bytes -= line.bytes(address);
        self.unsaved.remove(&(line.shard, address.clone()));
        self.home(line.shard).held -= 1;
        if line.state == State::M && line.handed.is_none() {
            self.counted.lost += 1;
            let fact = LineFact::Lost { address: address.clone(), version: line.version };
            self.out.push_back(Out::Fact(line.shard, fact));
        }
        self.changed(address, line.shard, line.seen(), cause, line.version);
        self.wake(address);
        Some(line)
    }

    /// Puts a line in, in place of one that may be there, and makes room.
    fn put_line(&mut self, address: &Address, line: Line, cause: Cause) {
        let (shard, version) = (line.shard, line.version);
        let before = self.lines.get(address).map_or(State::I, Line::seen);
        self.bytes += line.bytes(address);
        if let Some(old) = self.lines.insert(address.clone(), line) {
            debug_assert!(old.state != State::M, "a write that is not written back is never replaced");
            self.bytes -= old.bytes(address);
            self.home(old.shard).held -= 1;
        }
        self.home(shard).held += 1;
        self.note_unsaved(address);
        self.order.used(address);
        self.changed(address, shard, before, cause, version);
        self.wake(address);
        self.make_room(address);
    }

    /// Does something with a line that stays, and reports its new state.
    fn change_line(&mut self, address: &Address, cause: Cause, change: impl FnOnce(&mut Line)) {
        let Some(line) = self.lines.get_mut(address) else { return };
        let (before, bytes) = (line.seen(), line.bytes(address));
        change(line);
        let (after, shard, version) = (line.bytes(address), line.shard, line.version);
        self.bytes = self.bytes - bytes + after;
        self.note_unsaved(address);
        self.changed(address, shard, before, cause, version);
    }

    fn note_unsaved(&mut self, address: &Address) {
        let Some(line) = self.lines.get(address) else { return };
        let (place, unsaved) = ((line.shard, address.clone()), line.unsaved());
        if unsaved {
            self.unsaved.insert(place);
        } else {
            self.unsaved.remove(&place);
        }
    }

    /// The lines with a write that no home is known to have.
    fn unsaved_lines(&self) -> impl Iterator<Item = (&Address, &Line)> {
        self.unsaved.iter().filter_map(|(_, address)| self.lines.get_key_value(address))
    }

    fn home(&mut self, shard: GroupId) -> &mut Home {
        self.homes.entry(shard).or_default()
    }

    /// The lease of a shard lasts.
    fn leased(&self, shard: GroupId, now_us: u64) -> bool {
        let lease = self.homes.get(&shard).and_then(|home| home.lease);
        lease.is_some_and(|(_, until_us)| now_us < until_us)
    }

    fn readable(&self, address: &Address, now_us: u64) -> Option<&Line> {
        let line = self.lines.get(address)?;
        let readable = line.seen() != State::I
            && line.handed.is_none()
            && self.leased(line.shard, now_us)
            && !self.writes(address);
        readable.then_some(line)
    }

    /// A read would be a hit. From here on copies whose lease is over are not readable any more.
    pub fn has_readable(&self, address: &Address, now_us: u64) -> bool {
        self.readable(address, now_us).is_some()
    }

    /// A durable write of this node is under way there.
    fn writes(&self, address: &Address) -> bool {
        self.pending.get(address).is_some_and(|pending| matches!(pending.purpose, Purpose::Write))
    }
}

/// A line as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineView {
    pub address: Address,
    pub shard: GroupId,
    /// As its readers see it.
    pub state: State,
    pub version: Version,
    /// A write is not written back.
    pub unsaved: bool,
    /// What is left of the lease, microseconds.
    pub lease_left_us: u64,
    /// Bytes of address and value.
    pub bytes: u64,
    /// JSON text.
    pub value: Option<Bytes>,
}

impl Lines {
    /// The lines: what was used last comes first, what goes next comes last.
    pub fn view(&self, now_us: u64) -> Vec<LineView> {
        let seen = |address: &Address| {
            let line = self.lines.get(address)?;
            let lease = self.homes.get(&line.shard).and_then(|home| home.lease);
            let left_us = lease.map_or(0, |(_, until_us)| until_us.saturating_sub(now_us));
            Some(LineView {
                address: address.clone(),
                shard: line.shard,
                state: if left_us == 0 { State::I } else { line.seen() },
                version: line.version,
                unsaved: line.unsaved(),
                lease_left_us: left_us,
                bytes: line.bytes(address),
                value: line.value.clone(),
            })
        };
        self.order.newest_first().filter_map(seen).collect()
    }

    /// More than twice of what it may have is here: lines that have to be written back first go late. Nobody should write
    /// here without waiting for the commit.
    pub fn is_overfull(&self) -> bool {
        self.lines.len() > 2 * self.limits.lines_max || self.bytes > 2 * self.limits.bytes_max
    }

    /// What it may have.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// A copy, whatever its lease: for readers that take an old value.
    pub fn any_copy(&self, address: &str) -> Option<(Version, Bytes, State)> {
        let line = self.lines.get(address)?;
        Some((line.version, line.value.clone()?, line.seen()))
    }

    /// The copies that a client of this node could read now, for checks.
    pub fn readable_copies(&self, now_us: u64) -> Vec<(Address, State, Version, Option<Bytes>)> {
        let copy = |address: &Address| {
            let line = self.readable(address, now_us)?;
            Some((address.clone(), line.state, line.version, line.value.clone()))
        };
        self.lines.keys().filter_map(copy).collect()
    }
}
