//! Numbers of a node's requests, the keys under which they go into a log, and what is known of the attempts under each key.
//!
//! A request without a key gets one that the node mints: a number in a lane. Each minted key says up to which number of its
//! lane every request has its answer, so the groups forget those. A request whose outcome is not known tells its client the
//! key, and closes its lane: nothing that was open in it is forgotten before its time, and the requests after it go on in a
//! new one. Requests that wait for long have lanes of their own, so that they hold up nobody else's.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orrery_base::ids::GroupId;
use orrery_base::key::{IdempotencyKey, KeyName, RequestKey};

use crate::config::EngineConfig;
use crate::local::Local;
use crate::sync::lock;

/// Requests that may wait at most so long share a lane; those that may wait longer have the last one.
const LANES_S: [u64; 3] = [0, 10, 60];

/// Keys of clients of which it is remembered that an attempt here ended unknown; the oldest goes first. Forgetting one makes
/// an answer less exact, and never wrong.
const UNKNOWN_MAX: usize = 4_096;

/// How old the lease clock may be when a key's time begins, and how late a leader may be to move it.
const CLOCK_SLACK_MS: u64 = 1_500;

/// Counts a boot's requests and mints its keys.
#[derive(Debug)]
pub struct Requests {
    next: AtomicU64,
    lanes: [Arc<Lane>; LANES_S.len() + 1],
    attempts: Arc<Attempts>,
    /// For how long a client's key holds.
    window_ms: u64,
    /// Longest time from minting a key to telling it, without the request's waiting.
    request_ms: u64,
}

impl Requests {
    /// None yet.
    pub fn new(local: &Local, config: &EngineConfig, random: u64) -> Self {
        // A node that lost its disk begins with boot 1 again; the random part keeps its keys apart.
        let seed = random ^ u64::from(local.boot).rotate_left(32);
        let lane = |number: usize| {
            let mut lane = Open { seed: mixed(seed.wrapping_add(number as u64)), ..Open::default() };
            lane.begin();
            Arc::new(Lane(Mutex::new(lane)))
        };
        Requests {
            next: AtomicU64::new(1),
            lanes: std::array::from_fn(lane),
            attempts: Arc::default(),
            window_ms: config.retry_window.as_millis() as u64,
            request_ms: 2 * config.request_timeout.as_millis() as u64,
        }
    }

    /// The next request's number; starts at 1.
    pub fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The key of a request that may wait for so long: the client's, or a new one.
    pub fn key(&self, given: Option<IdempotencyKey>, wait: Duration) -> Key {
        match given {
            Some(given) => self.of_client(given),
            None => self.mint(wait),
        }
    }

    /// A key for a command that no client asked for, or that is only a part of what one asked for.
    pub fn own(&self) -> Key {
        self.mint(Duration::ZERO)
    }

    fn of_client(&self, given: IdempotencyKey) -> Key {
        let request = RequestKey::new(given, self.window_ms.saturating_add(CLOCK_SLACK_MS));
        // A client knows a minted key only from an answer that did not know the outcome.
        let tried = matches!(request.name, KeyName::Minted { .. });
        let attempt = Attempt::begin(&self.attempts, request.shown(), tried);
        Key { request, window_ms: self.window_ms, whose: Whose::Client(Arc::new(attempt)) }
    }

    fn mint(&self, wait: Duration) -> Key {
        let class = LANES_S.iter().position(|most| wait.as_secs() <= *most && (*most > 0 || wait.is_zero()));
        let lane = &self.lanes[class.unwrap_or(LANES_S.len())];
        let ticket = Lane::ticket(lane);
        let (origin, number, settled) = (ticket.origin, ticket.number, ticket.settled);
        // It is told at the end of the request, and holds for a whole window from then.
        let hold_ms = self.window_ms + self.request_ms + wait.as_millis() as u64 + CLOCK_SLACK_MS;
        let request = RequestKey { name: KeyName::Minted { origin, number, settled }, hold_ms };
        Key { request, window_ms: self.window_ms, whose: Whose::Minted(Arc::new(ticket)) }
    }
}

/// The key of one request. Its clones are the same request's; it ends with the last of them.
#[derive(Clone, Debug)]
pub struct Key {
    request: RequestKey,
    window_ms: u64,
    whose: Whose,
}

#[derive(Clone, Debug)]
enum Whose {
    Client(Arc<Attempt>),
    Minted(Arc<Ticket>),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.request.fmt(f)
    }
}

impl Key {
    pub fn request(&self) -> &RequestKey {
        &self.request
    }

    /// As the client sees it.
    pub fn shown(&self) -> IdempotencyKey {
        self.request.shown()
    }

    /// An attempt goes out to that group. In another group the key is another one.
    pub fn sent(&self, group: GroupId) {
        if let Whose::Client(attempt) = &self.whose {
            lock(&attempt.sent).insert(group);
        }
    }

    /// The attempt has its answer, or surely came to nothing.
    pub fn answered(&self, group: GroupId) {
        if let Whose::Client(attempt) = &self.whose {
            lock(&attempt.sent).remove(&group);
        }
    }

    /// Nobody knows what the attempt came to, and its client is told the key. For how many seconds from now it holds.
    pub fn unknown(&self, group: GroupId) -> u64 {
        match &self.whose {
            Whose::Client(attempt) => {
                lock(&attempt.sent).remove(&group);
                lock(&attempt.attempts.0).note_unknown(group, &attempt.key);
            }
            Whose::Minted(ticket) => ticket.tell(group),
        }
        self.window_ms / 1_000
    }

    /// What may have been done in that group under this key by attempts other than one that surely came to nothing.
    pub fn others(&self, group: GroupId) -> Others {
        match &self.whose {
            Whose::Client(attempt) => attempt.others(group),
            Whose::Minted(ticket) if lock(&ticket.told).contains(&group) => Others::Unknown,
            Whose::Minted(_) => Others::None,
        }
    }
}

/// The other attempts under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// There are none: nobody else has the key.
    None,
    /// None is known here. The client may have sent it before, or elsewhere.
    NotKnownHere,
    /// One is under way here, or ended unknown.
    Unknown,
}

/// Requests that are forgotten in the order of their numbers.
#[derive(Debug)]
struct Lane(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    seed: u64,
    origin: u64,
    last: u64,
    /// Those that have no answer yet.
    open: BTreeSet<u64>,
}

impl Open {
    fn begin(&mut self) {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.origin = mixed(self.seed);
        self.last = 0;
        self.open.clear();
    }
}

impl Lane {
    fn ticket(lane: &Arc<Lane>) -> Ticket {
        let mut open = lock(&lane.0);
        let settled = open.open.first().map_or(open.last, |first| first - 1);
        open.last += 1;
        let (origin, number) = (open.origin, open.last);
        open.open.insert(number);
        Ticket { lane: lane.clone(), origin, number, settled, told: Mutex::default() }
    }
}

/// One minted number, while its request is under way.
#[derive(Debug)]
struct Ticket {
    lane: Arc<Lane>,
    origin: u64,
    number: u64,
    settled: u64,
    /// By which groups it ended unknown.
    told: Mutex<BTreeSet<GroupId>>,
}

impl Ticket {
    fn tell(&self, group: GroupId) {
        lock(&self.told).insert(group);
        let mut open = lock(&self.lane.0);
        // It may be closed already.
        if open.origin == self.origin {
            open.begin();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut open = lock(&self.lane.0);
        if open.origin == self.origin {
            open.open.remove(&self.number);
        }
    }
}

/// What is known here of attempts under clients' keys.
#[derive(Debug, Default)]
struct Attempts(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Those under way, by key.
    open: BTreeMap<IdempotencyKey, u32>,
    unknown: BTreeSet<(GroupId, IdempotencyKey)>,
    /// The same, oldest first.
    order: VecDeque<(GroupId, IdempotencyKey)>,
}

impl Known {
    fn note_unknown(&mut self, group: GroupId, key: &IdempotencyKey) {
        let noted = (group, key.clone());
        if !self.unknown.insert(noted.clone()) {
            return;
        }
        self.order.push_back(noted);
        if self.order.len() > UNKNOWN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.unknown.remove(&oldest);
        }
    }
}

/// One attempt under a client's key, while it is under way.
#[derive(Debug)]
struct Attempt {
    attempts: Arc<Attempts>,
    key: IdempotencyKey,
    /// Others were before, wherever that was.
    tried: bool,
    /// The groups that have not answered.
    sent: Mutex<BTreeSet<GroupId>>,
}

impl Attempt {
    fn begin(attempts: &Arc<Attempts>, key: IdempotencyKey, tried: bool) -> Attempt {
        *lock(&attempts.0).open.entry(key.clone()).or_default() += 1;
        Attempt { attempts: attempts.clone(), key, tried, sent: Mutex::default() }
    }

    fn others(&self, group: GroupId) -> Others {
        let known = lock(&self.attempts.0);
        let under_way = known.open.get(&self.key).is_some_and(|open| *open > 1);
        let in_doubt = self.tried || under_way || known.unknown.contains(&(group, self.key.clone()));
        if in_doubt { Others::Unknown } else { Others::NotKnownHere }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let lost = std::mem::take(&mut *lock(&self.sent));
        let mut known = lock(&self.attempts.0);
        for group in lost {
            // Its client hung up.
            known.note_unknown(group, &self.key);
        }
        if let Some(open) = known.open.get_mut(&self.key) {
            *open -= 1;
            if *open == 0 {
                known.open.remove(&self.key);
            }
        }
    }
}

/// SplitMix64: neighbours become unlike each other.
fn mixed(seed: u64) -> u64 {
    let seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    seed ^ (seed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Profile;

    const GROUP: GroupId = GroupId(3);

    fn requests() -> Requests {
        let local = Local { name: "node1".into(), address: String::new(), boot: 1, peers: Vec::new() };
        Requests::new(&local, &EngineConfig::new(Profile::Realistic), 7)
    }

    fn of(key: &Key) -> (u64, u64, u64) {
        match key.request().name {
            KeyName::Minted { origin, number, settled } => (origin, number, settled),
            KeyName::Client(_) => panic!("a client's key"),
        }
    }

    #[test]
    fn a_minted_key_says_which_ones_before_it_have_their_answers() {
        let requests = requests();
        let (first, second) = (requests.own(), requests.own());
        let origin = of(&first).0;
        assert_eq!((of(&first), of(&second)), ((origin, 1, 0), (origin, 2, 0)));
        let again = second.clone();
        drop((second, again));
        assert_eq!(of(&requests.own()), (origin, 3, 0), "the first has none yet");
        drop(first);
        assert_eq!(of(&requests.own()), (origin, 4, 3));
        // Who waits holds up only who waits about as long.
        let waits = requests.key(None, Duration::from_secs(600));
        assert_ne!(of(&waits).0, origin);
        assert_eq!(of(&requests.own()), (origin, 5, 4));
        assert!(waits.request().hold_ms >= 1_200_000, "a window from when it may be told");
    }

    #[test]
    fn a_key_that_was_told_is_never_settled() {
        let requests = requests();
        let (told, open) = (requests.own(), requests.own());
        assert_eq!(told.others(GROUP), Others::None);
        assert_eq!(told.unknown(GROUP), 600);
        assert_eq!(told.others(GROUP), Others::Unknown);
        let origin = of(&told).0;
        let next = requests.own();
        assert_ne!(of(&next).0, origin, "in a new lane");
        drop((told, open, next));
        let (later, number, settled) = of(&requests.own());
        assert!(later != origin && (number, settled) == (2, 1));
    }

    #[test]
    fn what_is_known_of_a_clients_key_is_of_all_its_attempts_here() {
        let requests = requests();
        let key = |text| requests.key(Some(IdempotencyKey::of(text)), Duration::ZERO);
        let first = key("Ayu/1");
        first.sent(GROUP);
        assert_eq!(first.others(GROUP), Others::NotKnownHere);
        let second = key("Ayu/1");
        assert_eq!(
            (first.others(GROUP), second.others(GROUP)),
            (Others::Unknown, Others::Unknown),
            "at once"
        );
        first.answered(GROUP);
        drop(first);
        assert_eq!(second.others(GROUP), Others::NotKnownHere);
        second.unknown(GROUP);
        drop(second);
        assert_eq!(key("Ayu/1").others(GROUP), Others::Unknown);
        assert_eq!(key("Ayu/1").others(GroupId(4)), Others::NotKnownHere, "another group, another key");
        assert_eq!(key("Ayu/2").others(GROUP), Others::NotKnownHere);
        let hung_up = key("Ayu/2");
        hung_up.sent(GROUP);
        drop(hung_up);
        assert_eq!(key("Ayu/2").others(GROUP), Others::Unknown);
        assert_eq!(key("orrery-000000000000feed/3").others(GROUP), Others::Unknown, "somebody was told it");
    }
}
