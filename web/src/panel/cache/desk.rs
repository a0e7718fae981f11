//! What the page does with the coherent cache: reads, writes and deletes one line, or loads it with random ones.

use leptos::prelude::*;
use leptos::task::spawn_local;
use orrery_base::ids::NodeName;
use orrery_cache::Address;
use smol_str::{SmolStr, format_smolstr};

use super::words::WORDS;
use crate::actions::{Actions, now_ms};
use crate::request::cache::{CacheAsk, CacheOperation};
use crate::request::{new_key_of, sleep_ms};

/// A load ends by itself after so many requests.
const LOAD_MAX: u64 = 3_000;
/// Lines that a load reads and writes, and how many of a hundred requests write.
const LOAD_LINES: u64 = 6;
const WRITES_PERCENT: u64 = 5;

/// A load, as far as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Its number on this page: a stop and a new start are another one.
    pub number: u64,
    pub on: bool,
    /// Requests that were answered.
    pub done: u64,
    /// Requests that were not, or with an error.
    pub failed: u64,
}

/// The form's fields. `Copy`; a context of the whole page.
#[derive(Clone, Copy)]
pub struct CacheDesk {
    actions: Actions,
    pub address: RwSignal<String>,
    /// What is written. A number grows by one with each write, so that every write is another one.
    pub value: RwSignal<String>,
    /// Writes are answered before they are committed.
    pub write_back: RwSignal<bool>,
    /// The cell that was clicked last: its node. Its line is the address.
    pub cell: RwSignal<Option<NodeName>>,
    /// A click on a cell writes; otherwise it reads.
    pub click_writes: RwSignal<bool>,
    /// Requests of a load per second.
    pub rate: RwSignal<u64>,
    pub load: RwSignal<Load>,
}

impl CacheDesk {
    /// Makes it and provides it as a context; [`Actions`] come first.
    pub fn provide() {
        provide_context(CacheDesk {
            actions: Actions::expect(),
            address: RwSignal::new("price".to_owned()),
            value: RwSignal::new("900".to_owned()),
            write_back: RwSignal::new(false),
            cell: RwSignal::new(None),
            click_writes: RwSignal::new(false),
            rate: RwSignal::new(5),
            load: RwSignal::new(Load::default()),
        });
    }

    /// The page's desk; [`CacheDesk::provide`] comes first.
    pub fn expect() -> CacheDesk {
        expect_context()
    }

    /// Chooses a line: for the form, the stage and the diagram.
    pub fn choose(self, address: &Address) {
        self.address.set(address.to_string());
        self.actions.ui.line.set(Some(address.clone()));
    }

    /// Reads or writes a line at a node, as the form says what a click does.
    pub fn click(self, address: &Address, node: &NodeName) {
        self.choose(address);
        let node = Some(node.clone());
        if self.click_writes.get_untracked() {
            self.write_at(node)
        } else {
            self.ask(CacheOperation::Read, node)
        }
    }

    /// Reads the line of the form.
    pub fn read(self) {
        self.ask(CacheOperation::Read, self.whom());
    }

    pub fn write(self) {
        self.write_at(self.whom());
    }

    pub fn delete(self) {
        self.ask(CacheOperation::Delete, self.whom());
    }

    fn whom(self) -> Option<NodeName> {
        self.actions.ui.ask.get_untracked()
    }

    fn write_at(self, node: Option<NodeName>) {
        let value = self.value.get_untracked();
        if let Some(next) = value.trim().parse::<u64>().ok().and_then(|number| number.checked_add(1)) {
            self.value.set(next.to_string());
        }
        self.ask(CacheOperation::Write { value, write_back: self.write_back.get_untracked() }, node);
    }

    fn ask(self, operation: CacheOperation, node: Option<NodeName>) {
        let ui = self.actions.ui;
        let address = SmolStr::from(self.address.get_untracked().trim());
        if address.is_empty() {
            let words = WORDS.of(ui.lang.get_untracked());
            self.actions.notice.set(Some(words.choose_address.to_owned()));
            return;
        }
        self.actions.notice.set(None);
        ui.line.set(Some(address.clone()));
        self.cell.set(node.clone());
        let ask = CacheAsk { operation, address, client: ui.client.get_untracked() };
        spawn_local(async move {
            let key = new_key_of(&ask.client);
            self.actions.send_cache(ask, node, key).await;
        });
    }

    /// Starts a load, or stops it.
    pub fn toggle_load(self) {
        let before = self.load.get_untracked();
        let now = if before.on {
            Load { on: false, ..before }
        } else {
            Load { number: before.number + 1, on: true, done: 0, failed: 0 }
        };
        self.load.set(now);
        if now.on {
            // One line stays in view, whatever the load does to the others.
            self.actions.ui.line.set(Some(line_of(1)));
            self.cell.set(None);
            spawn_local(self.run(now.number));
        }
    }

    /// One after the other, so that there is never more than one on its way: where the cluster is slower than the rate,
    /// the load is slower too.
    async fn run(self, number: u64) {
        for count in 1..=LOAD_MAX {
            let begun = now_ms();
            let ask = self.random(count);
            let key = new_key_of(&ask.client);
            let answered = match self.actions.any() {
                Some((_, base)) => ask.send(&base, &key).await.is_ok(),
                None => false,
            };
            self.load.update(|load| {
                if load.number == number {
                    load.done += u64::from(answered);
                    load.failed += u64::from(!answered);
                }
            });
            let every_ms = 1e3 / self.rate.get_untracked().max(1) as f64;
            sleep_ms((every_ms - (now_ms() - begun)).max(0.0) as u64).await;
            let load = self.load.get_untracked();
            if load.number != number || !load.on {
                return;
            }
        }
        self.load.update(|load| load.on &= load.number != number);
    }

    /// The first requests give every line a value; then most are reads.
    fn random(self, count: u64) -> CacheAsk {
        let dice = |sides: u64| (js_sys::Math::random() * sides as f64) as u64;
        let (line, writes) = match count {
            1..=LOAD_LINES => (count, true),
            _ => (dice(LOAD_LINES) + 1, dice(100) < WRITES_PERCENT),
        };
        let write_back = self.write_back.get_untracked();
        let operation = match writes {
            true => CacheOperation::Write { value: count.to_string(), write_back },
            false => CacheOperation::Read,
        };
        CacheAsk { operation, address: line_of(line), client: self.actions.ui.client.get_untracked() }
    }
}

fn line_of(number: u64) -> Address {
    format_smolstr!("item-{number}")
}
