//! What the page does with queues: publishes once or as a stream, consumes, and keeps what was delivered to it until
//! it is acknowledged, given back, or its consumer crashes.

use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use orrery_placement::{hash_parts, shard_of};
use smol_str::SmolStr;

use super::words::WORDS;
use crate::actions::{Actions, now_ms, send_queue_once};
use crate::request::queue::{Delivered, QueueAnswer, QueueAsk, QueueOperation};
use crate::request::{new_key, new_key_of, sleep_ms};
use crate::store::Control;

/// Most deliveries that the page keeps; the oldest are forgotten, as a consumer would that crashed.
const HELD_MAX: usize = 20;

/// What publishes without a partition key are hashed under.
const KEYLESS_DOMAIN: &str = "orrery/keyless";

/// A stream ends by itself after so many messages.
const STREAM_MAX: u64 = 2_000;

/// A message that was delivered to one of the page's clients.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    pub client: SmolStr,
    pub topic: SmolStr,
    pub group: SmolStr,
    pub message: Delivered,
    /// When it is visible to others again, milliseconds of the reader's clock.
    pub until_ms: f64,
    /// It is: an acknowledgement comes late.
    pub late: bool,
}

impl Held {
    /// Whether it is this delivery.
    fn is(&self, other: &Held) -> bool {
        self.message.receipt == other.message.receipt && self.message.id == other.message.id
    }
}

/// A stream of messages, as far as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// Its number on this page: a stop and a new start are another one.
    pub number: u64,
    pub on: bool,
    /// Messages that were published.
    pub sent: u64,
    /// Messages of which that is not known.
    pub failed: u64,
}

/// The forms' fields and what was delivered. `Copy`; a context of the whole page.
#[derive(Clone, Copy)]
pub struct Desk {
    actions: Actions,
    pub topic: RwSignal<String>,
    /// The partition key; empty is none.
    pub key: RwSignal<String>,
    pub message: RwSignal<String>,
    pub group: RwSignal<String>,
    /// At most so many messages at once.
    pub max: RwSignal<u64>,
    /// For so long they are nobody else's.
    pub visibility_ms: RwSignal<u64>,
    /// Messages of a stream per second.
    pub rate: RwSignal<u64>,
    pub stream: RwSignal<Stream>,
    /// Deliveries that are not settled, oldest first.
    pub held: RwSignal<Vec<Arc<Held>>>,
}

impl Desk {
    /// Makes it and provides it as a context; [`Actions`] come first.
    pub fn provide() {
        provide_context(Desk {
            actions: Actions::expect(),
            topic: RwSignal::new("orders".to_owned()),
            key: RwSignal::new(String::new()),
            message: RwSignal::new("tea".to_owned()),
            group: RwSignal::new("default".to_owned()),
            max: RwSignal::new(1),
            visibility_ms: RwSignal::new(30_000),
            rate: RwSignal::new(5),
            stream: RwSignal::new(Stream::default()),
            held: RwSignal::new(Vec::new()),
        });
    }

    /// The page's desk; [`Desk::provide`] comes first.
    pub fn expect() -> Desk {
        expect_context()
    }

    /// An operation in the named topic as the chosen client; none without a topic.
    fn asking(self, operation: QueueOperation) -> Option<QueueAsk> {
        let ui = self.actions.ui;
        let topic = SmolStr::from(self.topic.get_untracked().trim());
        if topic.is_empty() {
            let words = WORDS.of(ui.lang.get_untracked());
            self.actions.notice.set(Some(words.choose_topic.to_owned()));
            return None;
        }
        self.actions.notice.set(None);
        Some(QueueAsk { operation, topic, client: ui.client.get_untracked() })
    }

    fn publishing(self, message: String) -> Option<QueueAsk> {
        let key = SmolStr::from(self.key.get_untracked().trim());
        self.asking(QueueOperation::Publish { key, message })
    }

    /// Publishes the message of the form.
    pub fn publish(self) {
        let Some(ask) = self.publishing(self.message.get_untracked()) else { return };
        spawn_local(async move {
            let key = new_key_of(&ask.client);
            if let Some(answer) = self.actions.send_queue(ask.clone(), key.clone()).await {
                self.note_point(&ask, &key, &answer);
            }
        });
    }

    /// Notes where a publish without a key lies on the ring: its idempotency key placed it, which no fact tells.
    fn note_point(self, ask: &QueueAsk, idempotency: &str, answer: &QueueAnswer) {
        let (QueueOperation::Publish { key, .. }, QueueAnswer::Published { id, .. }) =
            (&ask.operation, answer)
        else {
            return;
        };
        let hash = hash_parts(KEYLESS_DOMAIN, &[&ask.topic, idempotency]);
        let playback = self.actions.playback;
        // A point that would be another shard's is not what placed it.
        let fits = playback.now(|view| shard_of(hash, view.ring.shards()) == id.shard);
        if key.is_empty() && fits {
            playback.control(Control::Published { group: id.shard, number: id.number, hash });
        }
    }

    /// Starts a stream of messages, or stops it.
    pub fn toggle_stream(self) {
        let before = self.stream.get_untracked();
        let now = if before.on {
            Stream { on: false, ..before }
        } else {
            Stream { number: before.number + 1, on: true, sent: 0, failed: 0 }
        };
        self.stream.set(now);
        if now.on {
            spawn_local(self.run_stream(now.number));
        }
    }

    /// One after the other, so that there is never more than one on its way: where the cluster is slower than the
    /// rate, the stream is slower too.
    async fn run_stream(self, number: u64) {
        for count in 1..=STREAM_MAX {
            let begun = now_ms();
            let text = format!("{} {count}", self.message.get_untracked());
            let Some(ask) = self.publishing(text) else { break };
            let key = new_key_of(&ask.client);
            let answer = match self.actions.whom() {
                Some((_, base)) => send_queue_once(&base, &ask, &key).await.ok(),
                None => None,
            };
            let published = answer.is_some();
            if let Some((_, answer)) = answer {
                self.note_point(&ask, &key, &answer);
            }
            self.stream.update(|stream| {
                if stream.number == number {
                    stream.sent += u64::from(published);
                    stream.failed += u64::from(!published);
                }
            });
            let every_ms = 1e3 / self.rate.get_untracked().max(1) as f64;
            sleep_ms((every_ms - (now_ms() - begun)).max(0.0) as u64).await;
            let stream = self.stream.get_untracked();
            if stream.number != number || !stream.on {
                return;
            }
        }
        self.stream.update(|stream| stream.on &= stream.number != number);
    }

    /// Claims messages as the chosen client.
    pub fn consume(self) {
        let group = SmolStr::from(self.group.get_untracked().trim());
        let visibility_ms = self.visibility_ms.get_untracked();
        let max = u32::try_from(self.max.get_untracked()).unwrap_or(u32::MAX);
        let operation = QueueOperation::Consume { group: group.clone(), max, visibility_ms };
        let Some(ask) = self.asking(operation) else { return };
        spawn_local(async move {
            let (client, topic) = (ask.client.clone(), ask.topic.clone());
            let answer = self.actions.send_queue(ask, new_key()).await;
            let Some(QueueAnswer::Delivered(messages)) = answer else { return };
            let until_ms = now_ms() + visibility_ms as f64;
            let held = |message: Delivered| {
                let (client, topic, group) = (client.clone(), topic.clone(), group.clone());
                Arc::new(Held { client, topic, group, message, until_ms, late: false })
            };
            let new: Vec<Arc<Held>> = messages.into_iter().map(held).collect();
            self.held.update(|all| {
                // The same message again: the delivery before does not count any more.
                all.retain(|old| {
                    !new.iter().any(|new| new.message.id == old.message.id && new.group == old.group)
                });
                all.extend(new.iter().cloned());
                let over = all.len().saturating_sub(HELD_MAX);
                all.drain(..over);
            });
            sleep_ms(visibility_ms).await;
            self.held.update(|all| {
                for held in all.iter_mut().filter(|held| new.iter().any(|new| new.is(held))) {
                    *held = Arc::new(Held { late: true, ..Held::clone(held) });
                }
            });
        });
    }

    /// Is done with a delivery, or gives it back.
    pub fn settle(self, held: &Arc<Held>, done: bool) {
        let (group, message) = (held.group.clone(), &held.message);
        let (id, receipt) = (message.id, message.receipt);
        let operation = QueueOperation::Settle { group, id, receipt, done };
        let ask = QueueAsk { operation, topic: held.topic.clone(), client: held.client.clone() };
        let held = held.clone();
        spawn_local(async move {
            if self.actions.send_queue(ask, new_key()).await.is_some() {
                self.held.update(|all| all.retain(|other| !other.is(&held)));
            }
        });
    }

    /// Settles the oldest delivery of the chosen client.
    pub fn settle_first(self, done: bool) {
        let client = self.actions.ui.client.get_untracked();
        let first = self.held.with_untracked(|all| all.iter().find(|held| held.client == client).cloned());
        if let Some(held) = first {
            self.settle(&held, done);
        }
    }

    /// The chosen client forgets everything that was delivered to it: nobody acknowledges it, and it comes back.
    pub fn crash(self) {
        let client = self.actions.ui.client.get_untracked();
        self.held.update(|all| all.retain(|held| held.client != client));
    }

    /// Brings a group's dead letters back.
    pub fn redrive(self, topic: SmolStr, group: SmolStr) {
        let client = self.actions.ui.client.get_untracked();
        let ask = QueueAsk { operation: QueueOperation::Redrive { group }, topic, client };
        spawn_local(async move { drop(self.actions.send_queue(ask, new_key()).await) });
    }
}
