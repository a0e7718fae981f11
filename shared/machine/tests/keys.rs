//! What a group remembers under idempotency keys: for how long, for whom, and what happens at the bounds.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use orrery_base::ids::GroupId;
use orrery_base::key::{IdempotencyKey, KeyName, RequestKey};
use orrery_lock::{Holder, LockCommand, LockReply, Mode, Wait};
use orrery_machine::replies::{
    IDLE_CLIENTS_MAX, KEYS_BYTES_MAX, KEYS_PER_CLIENT_BYTES_MAX, MINTED_BYTES_MAX, TEXT_KEYS_BYTES_MAX,
};
use orrery_machine::{Command, Machine, Mutation, Reply};
use orrery_queue::{QueueCommand, QueueReply};

const HOLD_MS: u64 = 600_000;

struct Group {
    machine: Machine,
    index: u64,
}

impl Group {
    fn new(id: u16) -> Self {
        Group { machine: Machine::of(GroupId(id)), index: 0 }
    }

    fn apply(&mut self, key: Option<RequestKey>, mutation: Mutation) -> Reply {
        self.index += 1;
        self.machine.apply(self.index, &Command { key, mutation }).reply
    }

    fn keyed(&mut self, key: &str, mutation: Mutation) -> Reply {
        self.apply(Some(RequestKey::new(IdempotencyKey::of(key), HOLD_MS)), mutation)
    }

    fn minted(&mut self, number: u64, settled: u64, mutation: Mutation) -> Reply {
        let name = KeyName::Minted { origin: 0xfeed, number, settled };
        self.apply(Some(RequestKey { name, hold_ms: HOLD_MS }), mutation)
    }

    fn clock(&mut self, to_ms: u64) {
        self.apply(None, Mutation::AdvanceClock { to_ms });
    }

    /// The same state after it went through a snapshot.
    fn again(self) -> Self {
        let machine = Machine::decode(&self.machine.encode()).unwrap();
        assert!(machine == self.machine, "a snapshot holds everything");
        Group { machine, ..self }
    }
}

fn acquire(resource: &str) -> Mutation {
    Mutation::Lock(LockCommand::Acquire {
        resource: resource.into(),
        holder: Holder { client: "Ayu".into(), session: None },
        mode: Mode::Exclusive,
        ttl_ms: 1_000,
        wait: Wait::No,
    })
}

fn publish(text: &str) -> Mutation {
    Mutation::Queue(QueueCommand::Publish {
        topic: "orders".into(),
        key: None,
        message: Bytes::copy_from_slice(text.as_bytes()),
        delay_ms: 0,
        wall_ms: 0,
    })
}

fn number(reply: &Reply) -> u64 {
    match reply {
        Reply::Queue(QueueReply::Published { number, .. }) => *number,
        other => panic!("{other:?}"),
    }
}

fn token(reply: &Reply) -> u64 {
    match reply {
        Reply::Lock(LockReply::Acquired { fencing_token, .. }) => *fencing_token,
        other => panic!("{other:?}"),
    }
}

#[test]
fn others_push_no_key_out_and_it_goes_when_its_time_is_over() {
    let mut shard = Group::new(3);
    let (numbered, text) = (shard.keyed("Ayu/1", publish("1")), shard.keyed("any text", publish("2")));
    for n in 0..40_000 {
        number(&shard.keyed(&format!("c{}/{n}", n / 1_000), publish("x")));
        number(&shard.minted(n + 1, n, publish("x")));
    }
    let mut shard = shard.again();
    for at_ms in [0, 1, HOLD_MS - 1] {
        shard.clock(at_ms);
        assert_eq!(shard.keyed("Ayu/1", publish("1")), numbered, "at {at_ms}");
        assert_eq!(shard.keyed("any text", publish("2")), text, "at {at_ms}");
        assert_eq!(shard.keyed("Ayu/1", publish("2")), Reply::KeyReused);
        assert_eq!(shard.keyed("any text", publish("1")), Reply::KeyReused);
    }
    let depth = |shard: &Group| shard.machine.queue().unwrap().stats()[0].ready;
    let before = depth(&shard);
    shard.clock(HOLD_MS);
    assert_eq!(shard.keyed("Ayu/1", publish("1")), Reply::KeyForgotten, "a number is never applied again");
    let again = shard.keyed("any text", publish("1"));
    assert!(number(&again) > number(&text), "a text may be used again, for anything");
    assert_eq!(shard.keyed("any text", publish("1")), again);
    assert_eq!(depth(&shard), before + 1);
    let mut shard = shard.again();
    assert_eq!(shard.keyed("Ayu/1", publish("1")), Reply::KeyForgotten);
    number(&shard.keyed("Ayu/2", publish("1")));
    // A busy group forgets all of it with its next commands.
    for _ in 0..60 {
        shard.clock(HOLD_MS);
    }
    assert_eq!(shard.machine.remembered().0, 2, "what came after");
    drop(shard.again());
}

#[test]
fn the_control_group_keeps_the_same_promise() {
    let mut control = Group::new(0);
    let token_of = token(&control.keyed("Ayu/1", acquire("printer")));
    for n in 0..40_000 {
        control.keyed(&format!("c{}/{n}", n / 1_000), acquire("other"));
    }
    control.clock(HOLD_MS - 1);
    assert_eq!(token(&control.keyed("Ayu/1", acquire("printer"))), token_of, "although the lease ran out");
    control.clock(HOLD_MS);
    assert_eq!(control.keyed("Ayu/1", acquire("printer")), Reply::KeyForgotten);
}

#[test]
fn an_idle_group_forgets_nothing_early_and_each_key_has_its_own_time() {
    let mut shard = Group::new(1);
    shard.clock(5_000);
    let first = shard.keyed("Ayu/1", publish("1"));
    // Another node has another setting.
    let short = RequestKey::new(IdempotencyKey::of("Budi/1"), 1_000);
    shard.apply(Some(short.clone()), publish("2"));
    // Nothing moves the clock: for years, for all the group knows.
    assert_eq!(shard.keyed("Ayu/1", publish("1")), first);
    shard.clock(6_000);
    assert_eq!(shard.apply(Some(short), publish("2")), Reply::KeyForgotten);
    assert_eq!(shard.keyed("Ayu/1", publish("1")), first);
    // The messages' own retention, in a week, is all that is due.
    let due = shard.machine.next_deadline();
    assert!(due > Some(6_000 + 2 * HOLD_MS), "no move of the clock is due for a key: {due:?}");
}

#[test]
fn at_a_bound_new_keys_are_refused_and_no_old_one_is_forgotten() {
    let refused = |reply: Reply| matches!(reply, Reply::TooManyKeys { .. });
    let mut shard = Group::new(1);
    let (first, text) = (shard.keyed("Ayu/0", publish("1")), shard.keyed("text", publish("1")));

    // One client's part.
    let mut n = 1;
    while !refused(shard.keyed(&format!("Ayu/{n}"), publish("x"))) {
        n += 1;
    }
    let (_, bytes) = shard.machine.remembered();
    assert!((KEYS_PER_CLIENT_BYTES_MAX..KEYS_PER_CLIENT_BYTES_MAX + 4_096).contains(&bytes), "{bytes}");
    assert_eq!(shard.keyed("Ayu/0", publish("1")), first);
    number(&shard.keyed("Budi/1", publish("x")));

    // That of texts.
    n = 0;
    while !refused(shard.keyed(&format!("text {n}"), publish("x"))) {
        n += 1;
    }
    let (_, bytes) = shard.machine.remembered();
    assert!(bytes < KEYS_PER_CLIENT_BYTES_MAX + TEXT_KEYS_BYTES_MAX + 4_096, "{bytes}");

    // All of it: by clients with long names and one number each.
    let long = "x".repeat(200);
    n = 0;
    while !refused(shard.keyed(&format!("{long}{n}/1"), publish("x"))) {
        n += 1;
    }
    let (_, bytes) = shard.machine.remembered();
    assert!((KEYS_BYTES_MAX..KEYS_BYTES_MAX + 4_096).contains(&bytes), "{bytes}");
    let before = shard.machine.clone();
    shard.index += 1;
    let one_more = Command {
        key: Some(RequestKey::new(IdempotencyKey::of("Citra/1"), HOLD_MS)),
        mutation: publish("x"),
    };
    let applied = shard.machine.apply(shard.index, &one_more);
    assert!(refused(applied.reply) && applied.facts.is_empty());
    assert!(before == shard.machine, "not one byte changed");
    // So it need not go through the log, but for what is remembered, and once something is over that would go.
    assert!(shard.machine.refusal(&one_more, HOLD_MS - 1).is_some_and(refused));
    assert_eq!(shard.machine.refusal(&one_more, HOLD_MS), None);
    let again = Command { key: Some(RequestKey::new(IdempotencyKey::of("Ayu/0"), HOLD_MS)), ..one_more };
    assert_eq!(shard.machine.refusal(&again, 0), None);

    // Whoever brings no key does not notice, and every promise holds.
    number(&shard.apply(None, publish("x")));
    number(&shard.minted(1, 0, publish("x")));
    let mut shard = shard.again();
    assert_eq!(shard.keyed("Ayu/0", publish("1")), first);
    assert_eq!(shard.keyed("text", publish("1")), text);
    shard.clock(HOLD_MS);
    number(&shard.keyed("Citra/1", publish("x")));
    assert_eq!(shard.keyed("Ayu/0", publish("1")), Reply::KeyForgotten);
}

#[test]
fn answers_under_minted_keys_go_when_their_nodes_have_told_them() {
    let mut shard = Group::new(1);
    let first = shard.minted(1, 0, publish("1"));
    assert_eq!(shard.minted(1, 0, publish("1")), first, "the node tries again");
    for n in 2..100_000 {
        // Of each hundred some are under way.
        number(&shard.minted(n, n.saturating_sub(100), publish("x")));
    }
    let (answers, bytes) = shard.machine.remembered();
    assert!(answers <= 100 && bytes < 20_000, "{answers} answers, {bytes} bytes");
    assert_eq!(shard.minted(1, 0, publish("1")), Reply::KeyForgotten, "a late copy is not applied again");
    assert_eq!(shard.minted(1, 0, publish("2")), Reply::KeyForgotten);

    // One that a client was told: its node goes on under another origin.
    let told = shard.minted(100_000, 99_999, publish("told"));
    let other = |number| RequestKey {
        name: KeyName::Minted { origin: 7, number, settled: number - 1 },
        hold_ms: HOLD_MS,
    };
    for n in 1..50_000 {
        number(&shard.apply(Some(other(n)), publish("x")));
    }
    let mut shard = shard.again();
    shard.clock(HOLD_MS - 1);
    assert_eq!(
        shard.keyed("orrery-000000000000feed/100000", publish("told")),
        told,
        "as its client sends it"
    );
    assert_eq!(shard.keyed("orrery-000000000000feed/100000", publish("x")), Reply::KeyReused);
    assert!(shard.machine.remembers(&IdempotencyKey::of("orrery-000000000000feed/100000")));
    number(&shard.apply(Some(other(50_000)), publish("x")));
    shard.clock(HOLD_MS);
    assert!(!shard.machine.remembers(&IdempotencyKey::of("orrery-000000000000feed/100000")));
    assert_eq!(shard.machine.remembered().0, 1, "the origin that goes on");
    assert_eq!(shard.apply(Some(other(49_999)), publish("x")), Reply::KeyForgotten);
    drop(shard.again());
}

#[test]
fn so_much_that_ends_unknown_is_refused_and_not_forgotten() {
    let mut shard = Group::new(1);
    let first = shard.minted(1, 0, publish("1"));
    let mut n = 2;
    while !matches!(shard.minted(n, 0, publish("x")), Reply::TooManyKeys { .. }) {
        n += 1;
    }
    let (answers, bytes) = shard.machine.remembered();
    assert!((MINTED_BYTES_MAX..MINTED_BYTES_MAX + 4_096).contains(&bytes), "{bytes}");
    assert!(answers > 100_000, "{answers}");
    assert_eq!(shard.minted(1, 0, publish("1")), first);
    number(&shard.keyed("Ayu/1", publish("x")));
    // Its node has them.
    number(&shard.minted(n + 1, n, publish("x")));
    assert_eq!(shard.machine.remembered().0, 2);
}

#[test]
fn a_client_keeps_its_floor_while_it_has_no_number_in_the_window() {
    let mut shard = Group::new(1);
    number(&shard.keyed("Ayu/5", publish("x")));
    shard.clock(HOLD_MS);
    shard.clock(HOLD_MS + 1);
    for n in 0..IDLE_CLIENTS_MAX - 1 {
        number(&shard.keyed(&format!("c{n}/1"), publish("x")));
    }
    for _ in 0..20 {
        shard.clock(3 * HOLD_MS);
    }
    assert_eq!(shard.machine.remembered().0, 0);
    let mut shard = shard.again();
    assert_eq!(shard.keyed("Ayu/4", publish("x")), Reply::KeyForgotten);
    number(&shard.keyed("Ayu/6", publish("x")));
}
#[test]
fn commands_of_older_versions_are_read_and_the_new_keys_come_back() {
    #[derive(serde::Serialize)]
    struct Older {
        key: Option<IdempotencyKey>,
        mutation: Mutation,
    }
    let mutation = || Mutation::AdvanceClock { to_ms: 4 };
    let client = IdempotencyKey::of("Ayu/7");
    for key in [None, Some(client.clone())] {
        let older = Older { key: key.clone(), mutation: mutation() };
        let bytes = postcard::to_stdvec(&older).expect("it encodes");
        let read: Command = postcard::from_bytes(&bytes).expect("it is read");
        assert_eq!(read, Command { key: key.map(RequestKey::from), mutation: mutation() });
    }
    let minted = RequestKey { name: KeyName::Minted { origin: 1, number: 10, settled: 9 }, hold_ms: 3 };
    for key in [RequestKey::new(client, 20), RequestKey::new(IdempotencyKey::of("any"), 20), minted] {
        let command = Command { key: Some(key), mutation: mutation() };
        let bytes = postcard::to_stdvec(&command).expect("it encodes");
        assert_eq!(postcard::from_bytes::<Command>(&bytes).expect("it is read"), command);
    }
}
