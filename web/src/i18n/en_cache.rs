//! The coherent cache in English.

use orrery_api::cache::{ReadAnswer, ReadSource, WriteAnswer, WriteStatus};
use orrery_cache::table::{Action, Stimulus};
use orrery_cache::{Cause, State};

use super::Meaning;
use super::cache::Cache;
use crate::request::cache::{CacheAnswer, CacheAsk};

pub static CACHE: Cache = Cache {
    name: "Cache",
    address: "Address",
    value: "Value",
    read: "Read",
    write: "Write",
    delete: "Delete",
    durable: "durable",
    durable_hint: "Answered when a majority has it on disk",
    write_back: "write-back",
    write_back_hint: "Answered at once from the copy (M) and committed later: it can be lost",
    at_node: "At which node",
    any: "any",
    click: "Click",
    click_hint: "What a click on a cell of the table does, at its node",
    load: "Load",
    load_hint: "Random lines at random nodes: 95 of 100 are reads",
    loaded: |done, failed| match failed {
        0 => format!("{done} done"),
        _ => format!("{done} done, {failed} failed"),
    },
    choose_address: "Name an address first.",
    lines: "lines",
    line: "line",
    home: "home has",
    owns: "owner, says the home",
    shares: "sharer, says the home",
    home_of: "home of this line",
    stale: "old: somebody wrote what is not committed yet",
    lost: "a write was lost here",
    opening: "the home waits for old leases",
    no_value: "no value",
    empty: "No line yet. Write one to see its letters.",
    state: |state| match state {
        Some(State::M) => "M, owned and written, not committed",
        Some(State::E) => "E, owned and committed",
        Some(State::S) => "S, shared",
        Some(State::I) => "I, no copy that may be read",
        None => "no copy",
    },
    cell_label: |address, node, state| format!("{address} at {node}: {state}"),
    acknowledged: |done, all| format!("copies gone: {done} of {all}"),
    gone_in: |time| format!("waited for, at most {time} more: its lease"),
    diagram: "What changed last",
    edge: |node, address, cause| format!("**{node}** · {address} · {cause}"),
    no_edge: "Nothing has changed yet.",
    hit: "hit: no message",
    cause: |cause| match cause {
        Cause::LocalRead => "a client read here",
        Cause::LocalWrite => "a client wrote here",
        Cause::Evict => "no more room",
        Cause::Inv => "invalidated: somebody writes",
        Cause::Fetch => "fetched: somebody reads",
        Cause::FetchInv => "fetched and taken: somebody writes",
        Cause::LeaseOut => "its lease ran out",
        Cause::WriteBack => "written back",
        Cause::Registered => "the home knows it again",
        Cause::Refused => "the home does not know it",
        Cause::Unknown => "outcome of a write unknown",
    },
    table: "The whole table",
    event: "Event",
    stimulus: |stimulus| match stimulus {
        Stimulus::LocalRead => "read here",
        Stimulus::LocalWrite => "write here",
        Stimulus::Evict => "evict",
        Stimulus::GetS => "GetS",
        Stimulus::GetM => "GetM",
        Stimulus::Inv => "Inv",
        Stimulus::Fetch => "Fetch",
        Stimulus::FetchInv => "Fetch-Inv",
        Stimulus::LeaseOut => "lease out",
    },
    action: |action| match action {
        Action::Nothing => "",
        Action::Hit => "hit",
        Action::AskShared => "GetS (E if alone)",
        Action::AskOwned => "GetM",
        Action::WriteBack => "write back",
        Action::TellHome => "tell home",
        Action::Acknowledge => "ack",
        Action::AnswerClean => "clean",
        Action::AnswerDirty => "value",
        Action::AnswerNotHeld => "not held",
        Action::SetAside => "set aside",
        Action::Impossible => "never",
    },
    rates: "Hit rate of the last minute",
    hits: "hits",
    minute: "60 s",
    invalidations: "taken",
    last_minute: "1 min",
    write_backs: "back",
    evictions: "evicted",
    answer,
    cut_sharer: Meaning {
        name: "Cut this sharer off",
        text: "A node shares a line and is cut off from its home. A write elsewhere waits until the sharer's lease is over; then the link is healed.",
    },
    step_write: |node, address| format!("write {address} at {node}"),
    step_read: |node, address| format!("read {address} at {node}"),
    step_cut: |node, home| format!("cut {node} off from {home}, the home"),
    step_heal: |node, home| format!("heal {node} and {home}"),
    too_few: "it needs three nodes that are there",
    legend_m: "M: owned, written, not committed",
    legend_e: "E: owned, committed",
    legend_s: "S: others may have it too",
    legend_i: "I: no copy that may be read",
    legend_ask: "a node asks a line's home, and the answer",
    legend_invalidation: "invalidation, and fetch from the owner",
    legend_fan: "copies that a write waits for, and how many are gone",
    legend_lease: "silent sharer: its lease drains",
    key: "with the cache panel: read, write, delete, load",
};

fn answer(ask: &CacheAsk, answer: &CacheAnswer) -> String {
    let line = &ask.address;
    match answer {
        CacheAnswer::Read(ReadAnswer { value: None, .. }) => format!("**{line}** has no value."),
        CacheAnswer::Read(ReadAnswer { value: Some(value), state, source, owner, .. }) => {
            let (value, owner) = (value.text(), owner.as_deref().unwrap_or_default());
            let from = match source {
                ReadSource::Local => "from its own copy, without a message".to_owned(),
                ReadSource::Owner => format!("from {owner}, which owned it"),
                ReadSource::Replica => "from its replica: it may be old".to_owned(),
                ReadSource::Home => "from the home".to_owned(),
            };
            format!("**{line}** = **{value}** {from}: **{state}** here.")
        }
        CacheAnswer::Written(WriteAnswer { status: WriteStatus::Absent, .. }) => {
            format!("**{line}** had no value.")
        }
        CacheAnswer::Written(WriteAnswer { status: WriteStatus::Deleted, version, .. }) => {
            format!("**{line}** is deleted, version {version}.")
        }
        CacheAnswer::Written(WriteAnswer { durable: true, state, version, .. }) => {
            format!("**{line}** is written, version **{version}**, on a majority's disks: **{state}** here.")
        }
        CacheAnswer::Written(WriteAnswer { state, .. }) => {
            format!("**{line}** is written in the copy: **{state}** here, **not durable** yet.")
        }
    }
}
