//! The lock table as streams have it: bounded, and followed by facts the same as the machine has it.
#![allow(clippy::unwrap_used)]

use orrery_base::hlc::Hlc;
use orrery_base::ids::GroupId;
use orrery_event::stream::{Frame, NodeSnapshot};
use orrery_event::sums::of_locks;
use orrery_event::{Event, Fact};
use orrery_lock::limits::{CLAIMS_MAX, CLAIMS_PER_CLIENT_MAX};
use orrery_lock::view::{LOCKS_SHOWN_MAX, LockTable, LocksShown};
use orrery_lock::{Holder, LockCommand, Mode, SessionCommand, SessionId, Wait};
use orrery_machine::{Command, Machine, Mutation, Reply, ServiceFact};
use orrery_projection::view::View;

const CONTROL: GroupId = GroupId::CONTROL;

/// Draws by a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[derive(Default)]
struct World {
    machine: Machine,
    index: u64,
    seq: u64,
    /// Who heard every fact, and began with nothing.
    whole: View,
    /// Who began with what was shown somewhere on the way, or got it on the way.
    late: View,
    sessions: Vec<SessionId>,
    /// The table as it was a moment ago: who gives back may come late.
    seen: LockTable,
}

impl World {
    fn say(&mut self, fact: Fact, late_only: bool) {
        self.seq += 1;
        let event = Event { seq: self.seq, hlc: Hlc::new(self.seq, 0), wall_us: self.seq, fact };
        if !late_only {
            self.whole.apply(&"node1".into(), 1, &event);
        }
        self.late.apply(&"node1".into(), 1, &event);
    }

    fn apply(&mut self, mutation: Mutation) {
        self.index += 1;
        let applied = self.machine.apply(self.index, &Command { key: None, mutation });
        if let Reply::Session(orrery_lock::SessionReply::Opened { session, .. }) = applied.reply {
            self.sessions.push(session);
        }
        let (index, clock_ms) = (self.index, self.machine.clock_ms());
        for (n, fact) in (0..).zip(applied.facts) {
            self.say(Fact::Service { group: CONTROL, index, n, clock_ms, fact }, false);
        }
    }

    /// A stream that begins here, or a burst that is over.
    fn show(&mut self) {
        let shown = self.machine.locks().shown(Some(self.index));
        self.say(Fact::locks_resumed(CONTROL, shown), true);
    }

    fn holder(&self, dice: &mut Dice) -> Holder {
        let client = dice.below(3_000);
        let named = |client: u64| format!("client{client}");
        match self.sessions.len() as u64 {
            open if open > 0 && dice.below(4) == 0 => {
                let session = self.sessions[dice.below(open) as usize];
                Holder { client: named(session.0 % 40).as_str().into(), session: Some(session) }
            }
            _ => Holder { client: named(client).as_str().into(), session: None },
        }
    }

    /// `grow` of a hundred take something, the others give something back.
    fn step(&mut self, dice: &mut Dice, grow: u64) {
        let resource = |dice: &mut Dice| match dice.below(3) {
            0 => format!("hot{}", dice.below(25)).as_str().into(),
            _ => format!("r{}", dice.below(4_000)).as_str().into(),
        };
        let holder = self.holder(dice);
        let at = resource(dice);
        if dice.below(100) < grow {
            if dice.below(3) == 0 {
                let client = format!("client{}", (self.index + 1) % 40).as_str().into();
                return self.apply(Mutation::Session(SessionCommand::Open { client, ttl_ms: 600_000 }));
            }
            let mode = if dice.below(2) == 0 { Mode::Shared } else { Mode::Exclusive };
            let wait = Wait::Queue { deadline_ms: 50_000 };
            let acquire = LockCommand::Acquire { resource: at, holder, mode, ttl_ms: 40_000, wait };
            return self.apply(Mutation::Lock(acquire));
        }
        if self.index.is_multiple_of(100) || self.seen.resources.is_empty() {
            self.seen = self.machine.locks().view(None, None);
        }
        let resources = self.seen.resources.len() as u64;
        let Some(found) = self.seen.resources.get(dice.below(resources.max(1)) as usize) else { return };
        let resource = found.resource.clone();
        match dice.below(6) {
            0 if !self.sessions.is_empty() => {
                let gone = dice.below(self.sessions.len() as u64) as usize;
                let session = self.sessions.swap_remove(gone);
                self.apply(Mutation::Session(SessionCommand::Close { session }));
            }
            1 if !self.sessions.is_empty() => {
                let session = self.sessions[dice.below(self.sessions.len() as u64) as usize];
                self.apply(Mutation::Session(SessionCommand::Renew { session }));
            }
            2 | 3 if !found.waiters.is_empty() => {
                let waiter = &found.waiters[dice.below(found.waiters.len() as u64) as usize];
                let holder = waiter.holder.clone();
                self.apply(Mutation::Lock(LockCommand::Cancel { resource, holder, wait: None }));
            }
            _ if !found.holders.is_empty() => {
                let holder = found.holders[dice.below(found.holders.len() as u64) as usize].holder.clone();
                let fencing_token = None;
                let renew = dice.below(4) == 0;
                self.apply(Mutation::Lock(if renew {
                    LockCommand::Renew { resource, holder, fencing_token, ttl_ms: None }
                } else {
                    LockCommand::Release { resource, holder, fencing_token }
                }));
            }
            _ => {}
        }
    }
}

/// What of a whole table a view that is cut off there has.
fn cut(mut table: LockTable, view: &View) -> LockTable {
    let beyond = view.locks.beyond.unwrap_or_default();
    for at in &mut table.resources {
        at.holders.retain(|held| held.fencing_token >= beyond.first_token);
        at.waiters.retain(|waiter| waiter.wait >= beyond.first_wait);
    }
    table.resources.retain(|at| !at.holders.is_empty() || !at.waiters.is_empty());
    table.sessions.retain(|open| open.session >= beyond.first_session);
    table
}

fn rows(table: &LockTable) -> [usize; 3] {
    [
        table.resources.iter().map(|at| at.holders.len()).sum(),
        table.resources.iter().map(|at| at.waiters.len()).sum(),
        table.sessions.len(),
    ]
}

#[test]
fn a_fold_of_a_table_that_is_shown_in_part_equals_that_part() {
    let (mut world, mut dice) = (World::default(), Dice(0x9e37_79b9));
    let (mut most, mut parts) = ([0; 3], 0);
    // Far beyond what is shown, and back.
    for (steps, grow) in [(9_000, 97), (500, 50), (5_000, 3)] {
        for step in 0..steps {
            world.step(&mut dice, grow);
            if dice.below(700) == 0 {
                world.show();
            }
            if dice.below(300) == 0 {
                let to_ms = world.machine.clock_ms() + dice.below(900);
                world.apply(Mutation::AdvanceClock { to_ms });
            }
            if step % 1_000 == 0 {
                let table = world.machine.locks().view(None, None);
                let counts = world.machine.locks().counts();
                for view in [&world.whole, &world.late] {
                    let is = view.lock_table();
                    let should = cut(table.clone(), view);
                    assert_eq!(is.resources, should.resources, "step {step}");
                    assert_eq!(is.sessions, should.sessions, "step {step}");
                    let rows = rows(is);
                    assert!(rows.iter().all(|rows| *rows <= 2 * LOCKS_SHOWN_MAX), "{rows:?}");
                    let all = view.locks.beyond.map_or(counts, |beyond| beyond.counts);
                    assert_eq!(all, counts, "what is not shown is counted");
                    parts += usize::from(view.locks.beyond.is_some());
                    most = std::array::from_fn(|at| most[at].max(rows[at]));
                }
            }
        }
    }
    assert!(most.iter().all(|most| *most > LOCKS_SHOWN_MAX), "never beyond: {most:?}");
    assert!(parts > 10, "{parts}");
}

/// The one who takes a lock now is seen, however many were taken before.
#[test]
fn what_is_new_is_always_shown_and_only_a_whole_table_is_compared() {
    let mut world = World::default();
    let acquire = |resource: String, client: String| {
        Mutation::Lock(LockCommand::Acquire {
            resource: resource.as_str().into(),
            holder: Holder { client: client.as_str().into(), session: None },
            mode: Mode::Exclusive,
            ttl_ms: 60_000,
            wait: Wait::No,
        })
    };
    for n in 0..LOCKS_SHOWN_MAX {
        world.apply(acquire(format!("r{n:05}"), "loop".into()));
    }
    world.show();
    let sums = |view: &View| view.sums(CONTROL).unwrap().1.locks;
    let node = of_locks(&world.machine.locks().shown(Some(world.index)));
    assert!(node.is_some() && node == sums(&world.late) && node == sums(&world.whole));
    for n in 0..5_000 {
        world.apply(acquire(format!("a{n:05}"), "loop".into()));
    }
    world.show();
    world.apply(acquire("printer".into(), "Ayu".into()));
    for view in [&world.whole, &world.late] {
        let printer = view.lock_table().resources.iter().find(|at| at.resource == "printer").unwrap();
        assert_eq!(printer.holders[0].holder.client, "Ayu");
        assert_eq!(view.locks.beyond.unwrap().counts.locks, LOCKS_SHOWN_MAX as u64 + 5_001);
        assert_eq!(sums(view), None);
    }
    assert_eq!(of_locks(&world.machine.locks().shown(Some(world.index))), None);
}

/// A table at its bound: nothing of it that goes through a stream grows with it.
#[test]
fn a_snapshot_of_a_full_table_is_bounded() {
    let mut world = World::default();
    let mut index = 0;
    for n in 0..CLAIMS_MAX {
        index += 1;
        let client = format!("student{}", n / CLAIMS_PER_CLIENT_MAX);
        let acquire = LockCommand::Acquire {
            resource: format!("resource-{n:06}").as_str().into(),
            holder: Holder { client: client.as_str().into(), session: None },
            mode: Mode::Exclusive,
            ttl_ms: 60_000,
            wait: Wait::No,
        };
        let applied = world.machine.apply(index, &Command { key: None, mutation: Mutation::Lock(acquire) });
        assert!(applied.facts.len() <= 2, "one fact, and how many there are now");
        let counted = applied.facts.iter().any(|fact| matches!(fact, ServiceFact::LocksCounted { .. }));
        assert_eq!(counted, n >= LOCKS_SHOWN_MAX, "only where a part is shown");
    }
    let sizes = |shown: LocksShown| {
        let snapshot = NodeSnapshot {
            node: "node1".into(),
            boot: 1,
            seq: 1,
            hlc: Hlc::default(),
            locks: shown.table,
            locks_beyond: shown.beyond,
            ..NodeSnapshot::default()
        };
        let frame = Frame::Snapshot(Box::new(snapshot));
        (serde_json::to_vec(&frame).unwrap().len(), postcard::to_stdvec(&frame).unwrap().len())
    };
    let whole = LocksShown { table: world.machine.locks().view(Some(index), None), beyond: None };
    let shown = world.machine.locks().shown(Some(index));
    assert_eq!(rows(&shown.table), [LOCKS_SHOWN_MAX, 0, 0]);
    assert_eq!(shown.beyond.unwrap().counts.locks, CLAIMS_MAX as u64);
    let (whole, shown) = (sizes(whole), sizes(shown));
    println!("{CLAIMS_MAX} locks in a snapshot, JSON and postcard: whole {whole:?}, shown {shown:?} bytes");
    assert!(whole.0 > 15_000_000 && shown.0 < 256 << 10 && shown.1 < 64 << 10, "{shown:?}");
}
