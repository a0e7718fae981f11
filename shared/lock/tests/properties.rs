//! Random histories of the lock manager against a naive model, and what must hold after every command.
#![allow(clippy::unwrap_used)]

mod model;

use std::collections::{BTreeMap, BTreeSet};

use model::{Model, cycle_in, reached_on};
use orrery_base::hlc::Hlc;
use orrery_base::ids::GroupId;
use orrery_base::key::{IdempotencyKey, RequestKey};
use orrery_event::{Event, Fact};
use orrery_lock::fact::NewHold;
use orrery_lock::{
    Holder, LockCommand, LockFact, LockReply, Mode, SessionCommand, SessionId, SessionReply, Wait, WaitEdge,
    WaitId,
};
use orrery_machine::{Applied, Command, Machine, Mutation, Reply, ServiceFact};
use orrery_projection::view::View;
use proptest::prelude::*;

const RESOURCES: [&str; 4] = ["a", "b", "c", "d"];
const CLIENTS: [&str; 8] = ["Ayu", "Budi", "Citra", "Dewi", "Eka", "Fajar", "Gita", "Hana"];
/// Few clients meet more often.
const FEW: usize = 4;

/// One move. Numbers are picked from what is there when it is made.
#[derive(Clone, Debug)]
enum Move {
    Acquire {
        resource: usize,
        who: Who,
        shared: bool,
        ttl: u64,
        wait: Wait,
        keyed: Keyed,
    },
    Release {
        resource: usize,
        who: Who,
        token: Option<u64>,
    },
    Renew {
        resource: usize,
        who: Who,
        ttl: Option<u64>,
    },
    Cancel {
        resource: usize,
        who: Who,
        wait: Option<usize>,
    },
    Open {
        client: usize,
        ttl: u64,
        keyed: bool,
    },
    Keep {
        session: usize,
    },
    Close {
        session: usize,
    },
    /// Under the present token, where none is given.
    Transfer {
        resource: usize,
        who: Who,
        to: Who,
        token: Option<u64>,
        keyed: bool,
    },
    Advance {
        by: u64,
    },
    ToDeadline,
    Retry {
        which: usize,
    },
    /// The long poll of an earlier request ends.
    Withdraw {
        which: usize,
    },
    Snapshot,
}

/// Under which key a command comes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Keyed {
    No,
    Next,
    /// A number that was left out before.
    Late {
        by: u64,
    },
}

fn a_key() -> impl Strategy<Value = Keyed> {
    prop_oneof![
        4 => Just(Keyed::No),
        4 => Just(Keyed::Next),
        1 => (0..12_u64).prop_map(|by| Keyed::Late { by }),
    ]
}

#[derive(Clone, Debug)]
struct Who {
    client: usize,
    session: Option<usize>,
}

fn who() -> impl Strategy<Value = Who> {
    (0..FEW, prop_oneof![4 => Just(None), 1 => (0..3_usize).prop_map(Some)])
        .prop_map(|(client, session)| Who { client, session })
}

fn a_wait() -> impl Strategy<Value = Wait> {
    prop_oneof![
        1 => Just(Wait::No),
        3 => (50..3_000_u64).prop_map(|deadline_ms| Wait::LongPoll { deadline_ms }),
        3 => (50..3_000_u64).prop_map(|deadline_ms| Wait::Queue { deadline_ms }),
    ]
}

fn a_move() -> impl Strategy<Value = Move> {
    let resource = 0..RESOURCES.len();
    prop_oneof![
        20 => (resource.clone(), who(), any::<bool>(), 100..4_000_u64, a_wait(), a_key()).prop_map(
            |(resource, who, shared, ttl, wait, keyed)| Move::Acquire { resource, who, shared, ttl, wait, keyed }
        ),
        8 => (resource.clone(), who(), prop_oneof![5 => Just(None), 1 => (1..30_u64).prop_map(Some)])
            .prop_map(|(resource, who, token)| Move::Release { resource, who, token }),
        2 => (resource.clone(), who(), prop::option::of(100..4_000_u64))
            .prop_map(|(resource, who, ttl)| Move::Renew { resource, who, ttl }),
        3 => (resource, who(), prop::option::of(0..4_usize))
            .prop_map(|(resource, who, wait)| Move::Cancel { resource, who, wait }),
        2 => (0..FEW, 100..4_000_u64, any::<bool>())
            .prop_map(|(client, ttl, keyed)| Move::Open { client, ttl, keyed }),
        1 => (0..3_usize).prop_map(|session| Move::Keep { session }),
        1 => (0..3_usize).prop_map(|session| Move::Close { session }),
        5 => (0..RESOURCES.len(), who(), who(), prop_oneof![5 => Just(None), 1 => (1..30_u64).prop_map(Some)], any::<bool>())
            .prop_map(|(resource, who, to, token, keyed)| Move::Transfer { resource, who, to, token, keyed }),
        3 => (0..900_u64).prop_map(|by| Move::Advance { by }),
        1 => Just(Move::ToDeadline),
        3 => any::<usize>().prop_map(|which| Move::Retry { which }),
        2 => any::<usize>().prop_map(|which| Move::Withdraw { which }),
        1 => Just(Move::Snapshot),
    ]
}

/// Many clients that wait for several locks each, long queues, nothing ends by itself: long cycles.
fn a_crowd_move() -> impl Strategy<Value = Move> {
    let who = (0..CLIENTS.len()).prop_map(|client| Who { client, session: None });
    let wait = Wait::LongPoll { deadline_ms: 1_000_000 };
    prop_oneof![
        6 => (0..RESOURCES.len(), who.clone(), any::<bool>()).prop_map(move |(resource, who, shared)| {
            Move::Acquire { resource, who, shared, ttl: 1_000_000, wait, keyed: Keyed::No }
        }),
        1 => (0..RESOURCES.len(), who.clone())
            .prop_map(|(resource, who)| Move::Release { resource, who, token: None }),
        1 => (0..RESOURCES.len(), who.clone(), who).prop_map(|(resource, who, to)| {
            Move::Transfer { resource, who, to, token: None, keyed: false }
        }),
    ]
}

/// A command that was sent under a key, and what is known of its outcome.
#[derive(Clone)]
struct Sent {
    command: Command,
    first: Reply,
    /// What became of its wait, once somebody was told.
    told: Option<LockReply>,
}

struct Run {
    machine: Machine,
    twin: Machine,
    model: Model,
    view: View,
    index: u64,
    seq: u64,
    token: u64,
    sent: Vec<Sent>,
    /// Grants that ended a wait, and refusals.
    granted: BTreeMap<WaitId, u64>,
    refused: BTreeMap<WaitId, ServiceFact>,
    /// Tokens that their holders were told of.
    told: BTreeSet<u64>,
}

impl Run {
    fn new() -> Run {
        Run {
            machine: Machine::default(),
            twin: Machine::default(),
            model: Model::default(),
            view: View::default(),
            index: 0,
            seq: 0,
            token: 0,
            sent: Vec::new(),
            granted: BTreeMap::new(),
            refused: BTreeMap::new(),
            told: BTreeSet::new(),
        }
    }

    fn play(&mut self, step: &Move) {
        match step {
            Move::Snapshot => self.machine = Machine::decode(&self.machine.encode()).unwrap(),
            Move::Retry { which } if !self.sent.is_empty() => {
                self.retry(which % self.sent.len());
            }
            Move::Withdraw { which } if !self.sent.is_empty() => {
                self.withdraw(which % self.sent.len());
            }
            other => {
                if let Some((mutation, keyed)) = self.mutation(other) {
                    self.first(mutation, keyed);
                }
            }
        }
        self.check();
    }

    /// The command of a move, with numbers picked from what is there.
    fn mutation(&self, step: &Move) -> Option<(Mutation, Keyed)> {
        let name = |resource: &usize| RESOURCES[*resource].into();
        let pick =
            |session: &usize| self.model.sessions.get(*session).map_or(SessionId(9_999), |open| open.id);
        Some(match step {
            Move::Acquire { resource, who, shared, ttl, wait, keyed } => {
                let mode = if *shared { Mode::Shared } else { Mode::Exclusive };
                let (resource, holder) = (name(resource), self.holder(who));
                let command = LockCommand::Acquire { resource, holder, mode, ttl_ms: *ttl, wait: *wait };
                (Mutation::Lock(command), *keyed)
            }
            Move::Release { resource, who, token } => {
                let (resource, holder) = (name(resource), self.holder(who));
                (Mutation::Lock(LockCommand::Release { resource, holder, fencing_token: *token }), Keyed::No)
            }
            Move::Renew { resource, who, ttl } => {
                let (resource, holder) = (name(resource), self.holder(who));
                let command = LockCommand::Renew { resource, holder, fencing_token: None, ttl_ms: *ttl };
                (Mutation::Lock(command), Keyed::Next)
            }
            Move::Cancel { resource, who, wait } => {
                let wait = wait.map(|at| self.model.waits.get(at).map_or(WaitId(3), |waiting| waiting.id));
                let (resource, holder) = (name(resource), self.holder(who));
                (Mutation::Lock(LockCommand::Cancel { resource, holder, wait }), Keyed::No)
            }
            Move::Open { client, ttl, keyed } => {
                let command = SessionCommand::Open { client: CLIENTS[*client].into(), ttl_ms: *ttl };
                (Mutation::Session(command), if *keyed { Keyed::Next } else { Keyed::No })
            }
            Move::Keep { session } => {
                (Mutation::Session(SessionCommand::Renew { session: pick(session) }), Keyed::No)
            }
            Move::Close { session } => {
                (Mutation::Session(SessionCommand::Close { session: pick(session) }), Keyed::No)
            }
            Move::Transfer { resource, who, to, token, keyed } => {
                let (holder, to) = (self.holder(who), self.holder(to));
                let present = self.model.lock_of(RESOURCES[*resource], &holder).map(|lock| lock.token);
                let fencing_token = token.or(present)?;
                if holder == to {
                    // No client may ask for that.
                    return None;
                }
                let command = LockCommand::Transfer { resource: name(resource), holder, fencing_token, to };
                (Mutation::Lock(command), if *keyed { Keyed::Next } else { Keyed::No })
            }
            Move::Advance { by } => (Mutation::AdvanceClock { to_ms: self.model.clock + by }, Keyed::No),
            Move::ToDeadline => (Mutation::AdvanceClock { to_ms: self.model.next_deadline()? }, Keyed::No),
            Move::Retry { .. } | Move::Withdraw { .. } | Move::Snapshot => return None,
        })
    }

    /// A client, or one of the open sessions (of whatever client that is).
    fn holder(&self, who: &Who) -> Holder {
        match who.session.and_then(|at| self.model.sessions.get(at)) {
            Some(open) => Holder { client: open.client.clone(), session: Some(open.id) },
            None => {
                Holder { client: CLIENTS[who.client].into(), session: who.session.map(|_| SessionId(9_999)) }
            }
        }
    }

    fn first(&mut self, mutation: Mutation, keyed: Keyed) {
        let number = match keyed {
            Keyed::No => None,
            Keyed::Next => Some(self.index * 2),
            Keyed::Late { by } => Some((self.index.saturating_sub(by)) * 2 + 1),
        };
        let key = number.map(|number| IdempotencyKey { client: "k".into(), number }.into());
        if key.is_some() && self.sent.iter().any(|sent| sent.command.key == key) {
            return;
        }
        let keyed = key.is_some();
        let command = Command { key, mutation };
        let applied = self.apply(&command);
        let expected = self.model.apply(self.index, &command, &applied.facts);
        assert_eq!(applied.reply, expected, "{command:?}");
        if matches!(command.mutation, Mutation::Lock(LockCommand::Acquire { .. })) {
            self.agree(&applied);
        }
        if keyed {
            self.sent.push(Sent { command, first: applied.reply, told: None });
        }
    }

    /// An answer and its fact say the same, and a holder that was told of a token is never told that it is news.
    fn agree(&mut self, applied: &Applied) {
        let Reply::Lock(LockReply::Acquired { fencing_token, reentrant, .. }) = &applied.reply else {
            return;
        };
        for fact in &applied.facts {
            if let ServiceFact::Lock(LockFact::Granted { fencing_token: token, reentrant: again, .. }) = fact
                && token == fencing_token
            {
                assert_eq!(reentrant, again, "{applied:?}");
            }
        }
        assert!(*reentrant || !self.told.contains(fencing_token), "told before: {applied:?}");
        self.told.insert(*fencing_token);
    }

    /// The node that serves a request does not wait any more.
    fn withdraw(&mut self, which: usize) {
        let Sent { command, first, .. } = self.sent[which].clone();
        let (Mutation::Lock(LockCommand::Acquire { resource, holder, .. }), Some(key)) =
            (command.mutation, command.key)
        else {
            return;
        };
        let key = key.shown();
        let Reply::Lock(LockReply::Waiting { wait, .. }) = first else { return };
        let others: Vec<_> = self.model.waits.iter().filter(|other| other.id != wait).map(|w| w.id).collect();
        let newest =
            self.model.waits.iter().any(|waiting| waiting.id == wait && waiting.key.as_ref() != Some(&key));
        let settled = self.machine.remembers(&key) && !self.machine.remembers_waiting(&key);
        let withdraw = LockCommand::Withdraw { resource, holder, wait, key };
        let command = Command { key: None, mutation: Mutation::Lock(withdraw) };
        let applied = self.apply(&command);
        if settled {
            // It came to something before, and comes to nothing else.
            let Reply::Lock(reply) = applied.reply else { panic!("{applied:?}") };
            assert!(applied.facts.is_empty(), "{:?}", applied.facts);
            let again = self.machine.clone().apply(self.index + 1, &self.sent[which].command);
            assert_eq!(again.reply, Reply::Lock(reply.clone()), "a retry is told the same");
            if let LockReply::Acquired { fencing_token, .. } = reply {
                self.model.read(fencing_token);
            }
            return self.tell(which, reply);
        }
        let expected = self.model.apply(self.index, &command, &applied.facts);
        let (Reply::Lock(reply), Reply::Lock(expected)) = (&applied.reply, expected) else {
            panic!("{applied:?}")
        };
        assert_eq!(*reply, expected, "{command:?}");
        if newest {
            assert!(applied.facts.is_empty(), "a newer request goes on waiting: {applied:?}");
            assert!(self.model.waits.iter().any(|waiting| waiting.id == wait) || others.is_empty());
        }
        if !matches!(reply, LockReply::NotWaiting | LockReply::SessionExpired) {
            self.tell(which, reply.clone());
        }
    }

    /// A definite answer under a key is the same each time, but for what is left of a lease.
    fn tell(&mut self, which: usize, reply: LockReply) {
        let bare = |reply: &LockReply| match reply.clone() {
            LockReply::Acquired { fencing_token, mode, reentrant, .. } => {
                LockReply::Acquired { fencing_token, mode, reentrant, expires_in_ms: 0 }
            }
            other => other,
        };
        if let LockReply::Acquired { fencing_token, .. } = &reply {
            self.told.insert(*fencing_token);
        }
        if let Some(told) = &self.sent[which].told {
            assert_eq!(bare(told), bare(&reply), "{:?}", self.sent[which].command);
        }
        self.sent[which].told = Some(reply);
    }

    fn apply(&mut self, command: &Command) -> Applied {
        self.index += 1;
        let applied = self.machine.apply(self.index, command);
        assert_eq!(applied, self.twin.apply(self.index, command), "the same everywhere");
        for (n, fact) in applied.facts.iter().enumerate() {
            self.note(fact);
            self.seq += 1;
            let fact = Fact::Service {
                group: GroupId::CONTROL,
                index: self.index,
                n: n as u32,
                clock_ms: self.machine.clock_ms(),
                fact: fact.clone(),
            };
            let event = Event { seq: self.seq, hlc: Hlc::new(self.seq, 0), wall_us: self.seq, fact };
            self.view.apply(&"node1".into(), 1, &event);
        }
        applied
    }

    fn note(&mut self, fact: &ServiceFact) {
        match fact {
            ServiceFact::Lock(fact) if fact.new_hold().is_some_and(|hold| !hold.reentrant) => {
                let NewHold { fencing_token, wait, .. } = fact.new_hold().unwrap();
                assert!(fencing_token > self.token, "tokens grow");
                self.token = fencing_token;
                if let Some(wait) = wait {
                    self.granted.insert(wait, fencing_token);
                }
            }
            ServiceFact::Lock(LockFact::Deadlock { wait, .. }) => {
                self.refused.insert(*wait, fact.clone());
            }
            _ => {}
        }
    }

    /// The same number again: no fact, and the first outcome.
    fn retry(&mut self, which: usize) {
        let sent = self.sent[which].clone();
        let applied = self.apply(&sent.command);
        assert!(applied.facts.is_empty(), "a retry does nothing");
        match (&applied.reply, &sent.first) {
            (
                Reply::Lock(LockReply::Acquired { fencing_token, expires_in_ms, mode, reentrant }),
                Reply::Lock(LockReply::Acquired {
                    fencing_token: token, mode: had, reentrant: again, ..
                }),
            ) => {
                assert_eq!((fencing_token, mode, reentrant), (token, had, again));
                assert_eq!(*expires_in_ms, self.model.left(*token));
                self.model.read(*token);
            }
            (
                Reply::Lock(LockReply::Renewed { fencing_token, expires_in_ms }),
                Reply::Lock(LockReply::Renewed { fencing_token: token, .. }),
            )
            | (
                Reply::Lock(LockReply::Transferred { fencing_token, expires_in_ms }),
                Reply::Lock(LockReply::Transferred { fencing_token: token, .. }),
            ) => {
                assert_eq!(fencing_token, token);
                assert_eq!(*expires_in_ms, self.model.left(*token));
            }
            (
                Reply::Session(SessionReply::Opened { session, .. }),
                Reply::Session(SessionReply::Opened { session: first, .. }),
            ) => assert_eq!(session, first),
            (Reply::Lock(now), Reply::Lock(LockReply::Waiting { wait, .. })) => {
                match &sent.told {
                    None => self.retry_of_wait(&sent.command, now, *wait),
                    Some(LockReply::Deadlock { cycle, .. }) => self.forget_refusal(&sent.command, cycle),
                    Some(_) => assert!(!matches!(now, LockReply::Waiting { .. }), "it was told already"),
                }
                if !matches!(now, LockReply::Waiting { .. }) {
                    self.tell(which, now.clone());
                }
            }
            (again, first) => {
                assert_eq!(again, first);
                if let Reply::Lock(LockReply::Deadlock { cycle, .. }) = first {
                    self.forget_refusal(&sent.command, cycle);
                }
            }
        }
    }

    fn retry_of_wait(&mut self, command: &Command, now: &LockReply, id: WaitId) {
        let pending = self.model.waits.iter().find(|waiting| waiting.id == id).cloned();
        if let Some(pending) = pending {
            if let Mutation::Lock(LockCommand::Acquire { wait, .. }) = &command.mutation
                && pending.key == command.key.as_ref().map(RequestKey::shown)
            {
                self.model.renew_wait(id, *wait, pending.key.as_ref());
            }
            let place = self.model.waiters(&pending.resource).iter().position(|waiting| waiting.id == id);
            let position = place.unwrap() as u32 + 1;
            assert_eq!(*now, LockReply::Waiting { wait: id, position });
            return;
        }
        match now {
            LockReply::Acquired { fencing_token, reentrant: false, expires_in_ms, .. } => {
                assert_eq!(self.granted.get(&id), Some(fencing_token), "the grant that ended this wait");
                assert_eq!(*expires_in_ms, self.model.left(*fencing_token));
                self.model.read(*fencing_token);
            }
            LockReply::Deadlock { cycle, victim } => {
                let fact = ServiceFact::Lock(LockFact::Deadlock {
                    cycle: cycle.clone(),
                    victim: victim.clone(),
                    wait: id,
                });
                assert_eq!(self.refused.get(&id), Some(&fact));
                self.forget_refusal(command, cycle);
            }
            LockReply::Cancelled => {
                assert!(!self.granted.contains_key(&id) && !self.refused.contains_key(&id));
            }
            // Only where a later poll took the answer over.
            LockReply::NotWaiting => {}
            other => panic!("not an outcome of a wait: {other:?}"),
        }
    }

    fn forget_refusal(&mut self, command: &Command, cycle: &[WaitEdge]) {
        if let Mutation::Lock(LockCommand::Acquire { resource, holder, .. }) = &command.mutation {
            self.model.refused.retain(|refused| {
                refused.resource != *resource || refused.holder != *holder || refused.cycle != cycle
            });
        }
    }

    fn check(&self) {
        let table = self.machine.locks().view(None, None);
        assert_eq!(table, self.model.table());
        for at in &table.resources {
            let exclusive = at.holders.iter().filter(|held| held.mode == Mode::Exclusive).count();
            assert!(exclusive == 0 || at.holders.len() == 1, "exclusive and another: {at:?}");
            if let Some(first) = at.waiters.first() {
                assert!(!self.model.free_for(&at.resource, &first.holder, first.mode), "forgotten: {at:?}");
            }
            assert_eq!(
                at.waiters.iter().filter(|waiter| waiter.upgrade).count().min(2),
                usize::from(at.waiters.first().is_some_and(|w| w.upgrade))
            );
        }
        let (listed, all) = (self.machine.locks().edges(), self.model.edges());
        let edges: BTreeSet<_> = listed.iter().cloned().collect();
        assert_eq!(edges.len(), listed.len(), "each edge once");
        assert!(edges.is_subset(&all), "only edges that exist");
        for resource in RESOURCES {
            assert_eq!(reached_on(&edges, resource), reached_on(&all, resource), "the rest follows");
        }
        assert!(!cycle_in(&all), "a deadlock is left: {all:?}");
        assert_eq!(self.machine.next_deadline(), self.model.next_deadline());
        // Who only heard the facts knows the same.
        assert_eq!(self.view.lock_table().resources, table.resources);
        assert_eq!(self.view.lock_table().sessions, table.sessions);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn as_the_model_does(moves in prop::collection::vec(a_move(), 1..120)) {
        let mut run = Run::new();
        for step in &moves {
            run.play(step);
        }
        prop_assert_eq!(&run.machine, &run.twin, "snapshots in between made no difference");
        prop_assert_eq!(&Machine::decode(&run.machine.encode()).unwrap(), &run.machine);
    }

    #[test]
    fn as_the_model_does_in_a_crowd(moves in prop::collection::vec(a_crowd_move(), 1..60)) {
        let mut run = Run::new();
        for step in &moves {
            run.play(step);
        }
    }
}
