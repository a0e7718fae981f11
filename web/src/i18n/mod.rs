//! Every word on the page, in English and Indonesian. A language is one value of [`Strings`]: a string that
//! a language lacks does not compile.

pub mod cache;
mod en;
mod en_cache;
mod id;
mod id_cache;
pub mod number;
#[cfg(test)]
mod tests;

use orrery_api::lock::LockAnswer;
use orrery_base::error::ErrorCode;
use orrery_event::fact::Role;
use orrery_narrate::Language;

use crate::request::queue::{QueueAnswer, QueueAsk};

/// A language of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    #[default]
    En,
    Id,
}

impl Lang {
    pub fn strings(self) -> &'static Strings {
        match self {
            Lang::En => &en::STRINGS,
            Lang::Id => &id::STRINGS,
        }
    }

    /// The language in which facts are told.
    pub fn language(self) -> Language {
        match self {
            Lang::En => Language::English,
            Lang::Id => Language::Indonesian,
        }
    }

    /// Its BCP 47 tag.
    pub fn tag(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::Id => "id",
        }
    }

    /// The language of a BCP 47 tag, where the page has it.
    pub fn from_tag(tag: &str) -> Option<Lang> {
        match tag.split('-').next() {
            Some("en") => Some(Lang::En),
            Some("id" | "in") => Some(Lang::Id),
            _ => None,
        }
    }
}

/// A pair of a short name and what it means, for the legend and for tooltips.
pub struct Meaning {
    pub name: &'static str,
    pub text: &'static str,
}

/// The words of one language. Sentences mark what is to stand out with `**`.
pub struct Strings {
    pub lang: Lang,
    /// Names of parts of the page.
    pub ui: Ui,
    /// The transport of the view clock.
    pub clock: Clock,
    pub locks: Locks,
    /// The queue panel and the ring.
    pub queue: Queue,
    pub cache: &'static cache::Cache,
    pub cluster: Cluster,
    pub scenarios: Scenarios,
    pub legend: Legend,
    /// States in which there is nothing (or not everything) to show.
    pub trouble: Trouble,
    /// The lock service's answer as a sentence.
    pub answer: fn(&LockAnswer) -> String,
    /// The queues' answer as a sentence.
    pub queue_answer: fn(&QueueAsk, &QueueAnswer) -> String,
    /// What an error code means and what to do about it.
    pub error: fn(ErrorCode) -> &'static str,
}

/// Names of parts of the page.
pub struct Ui {
    pub layers: &'static str,
    pub layer_consensus: &'static str,
    pub layer_locks: &'static str,
    pub layer_queue: &'static str,
    pub scenarios: &'static str,
    pub faults: &'static str,
    pub no_faults: &'static str,
    pub tab_locks: &'static str,
    pub tab_queue: &'static str,
    pub tab_log: &'static str,
    pub tab_inspect: &'static str,
    pub tab_feed: &'static str,
    pub panels: &'static str,
    pub stage: &'static str,
    pub tape: &'static str,
    pub language: &'static str,
    pub theme_light: &'static str,
    pub theme_dark: &'static str,
    pub legend: &'static str,
    pub close: &'static str,
    pub table_title: &'static str,
    pub feed: &'static str,
    pub feed_empty: &'static str,
    pub feed_detail: &'static str,
    pub skip: &'static str,
    pub motion: &'static str,
    pub raw_times: fn(&str, &str) -> String,
    pub shown_slower: fn(u64) -> String,
    pub nothing_yet: &'static str,
    pub more_alike: fn(u32) -> String,
}

/// The transport of the view clock.
pub struct Clock {
    pub transport: &'static str,
    pub back_mark: &'static str,
    pub step_back: &'static str,
    pub step: &'static str,
    pub pause: &'static str,
    pub play: &'static str,
    pub step_forward: &'static str,
    pub to_live: &'static str,
    pub rate: &'static str,
    pub rate_hundredth: &'static str,
    pub rate_director: &'static str,
    pub rate_real: &'static str,
    pub live: &'static str,
    pub behind: fn(&str) -> String,
    pub paused_behind: fn(&str) -> String,
    pub director_hint: &'static str,
}

pub struct Locks {
    pub act_as: &'static str,
    pub add_client: &'static str,
    pub client_name: &'static str,
    pub resource: &'static str,
    pub mode: &'static str,
    pub exclusive: &'static str,
    pub shared: &'static str,
    pub acquire: &'static str,
    pub queue: &'static str,
    pub release: &'static str,
    pub renew: &'static str,
    pub cancel_wait: fn(&str, &str) -> String,
    pub ask_node: &'static str,
    pub any_node: &'static str,
    pub lease: &'static str,
    pub asking: fn(&str, &str) -> String,
    pub answered_by: fn(&str, u16, &str) -> String,
    pub empty: &'static str,
    pub free: &'static str,
    pub token: &'static str,
    pub session_lease: &'static str,
    pub expires_in: fn(&str) -> String,
    pub waits_for: &'static str,
    pub no_waits: &'static str,
    pub no_cycle: &'static str,
    pub cycle_found: &'static str,
    pub refused: &'static str,
    pub wants: fn(usize, &str) -> String,
    pub lane_label: fn(&str, &str, &str) -> String,
    pub upgrade: &'static str,
    pub choose_resource: &'static str,
}

/// The queue panel and the ring.
pub struct Queue {
    pub topic: &'static str,
    pub key: &'static str,
    pub message: &'static str,
    pub publish: &'static str,
    pub stream: &'static str,
    pub stop: &'static str,
    pub rate: &'static str,
    pub per_second: fn(u64) -> String,
    pub streamed: fn(&str, u64) -> String,
    pub group: &'static str,
    pub all_groups: &'static str,
    pub max: &'static str,
    pub visibility: &'static str,
    pub consume: &'static str,
    pub ack: &'static str,
    pub ack_hint: &'static str,
    pub nack: &'static str,
    pub nack_hint: &'static str,
    pub crash: fn(&str) -> String,
    pub crash_hint: &'static str,
    pub visible_again: &'static str,
    pub dead_now: &'static str,
    pub ready: &'static str,
    pub in_flight: &'static str,
    pub delayed: &'static str,
    pub acknowledged: &'static str,
    pub dead: &'static str,
    pub redrive: &'static str,
    pub more: fn(u64) -> String,
    pub behind_key: fn(u64) -> String,
    pub flight_label: fn(&str, &str, u32, &str) -> String,
    pub letter_label: fn(u32) -> String,
    pub empty: &'static str,
    pub choose_topic: &'static str,
    pub ring: &'static str,
    pub shard: &'static str,
    pub token: &'static str,
    pub replicas: &'static str,
    pub preferred: &'static str,
    pub no_majority: &'static str,
    pub no_leader: &'static str,
    pub no_shards: &'static str,
    pub skip_leader: &'static str,
    pub skip_replica: &'static str,
    pub skip_reserved: &'static str,
    pub moved: &'static str,
    pub moved_so_far: &'static str,
    pub ideal: &'static str,
    pub modulo: &'static str,
    pub replicas_moved: fn(u32, u32) -> String,
    pub keys_moved: fn(u32, u32) -> String,
    pub balance: fn(&str, &str) -> String,
    pub no_change: &'static str,
}

pub struct Cluster {
    pub term: &'static str,
    pub leader: &'static str,
    pub no_leader: &'static str,
    pub up_of: fn(usize, usize) -> (String, String),
    pub committed: &'static str,
    pub timing: fn(&str) -> &'static str,
    pub role: fn(Role) -> &'static str,
    pub down: &'static str,
    pub paused: &'static str,
    pub running: &'static str,
    pub unknown: &'static str,
    pub silent: &'static str,
    pub deposed: &'static str,
    pub stale: &'static str,
    pub quorum: &'static str,
    pub leads: fn(&str, &str) -> String,
    pub electing: &'static str,
    pub node: &'static str,
    pub address: &'static str,
    pub boot: &'static str,
    pub status: &'static str,
    pub role_title: &'static str,
    pub voted_for: &'static str,
    pub nobody: &'static str,
    pub follows: &'static str,
    pub last_entry: &'static str,
    pub on_disk: &'static str,
    pub applied: &'static str,
    pub snapshot_through: &'static str,
    pub heard: &'static str,
    pub ago: fn(&str) -> String,
    pub links: &'static str,
    pub link_up: &'static str,
    pub link_down: &'static str,
    pub link_cut: &'static str,
    pub clock_altered: fn(&str) -> String,
    pub kill: &'static str,
    pub start: &'static str,
    pub pause: &'static str,
    pub resume: &'static str,
    pub add: &'static str,
    pub add_hint: &'static str,
    pub remove: &'static str,
    pub remove_hint: &'static str,
    pub make_leader: &'static str,
    pub make_leader_hint: &'static str,
    pub kill_hint: &'static str,
    pub pause_hint: &'static str,
    pub no_supervisor: &'static str,
    pub choose_node: &'static str,
    pub log_hint: &'static str,
    pub log_empty: &'static str,
    pub index: &'static str,
    pub mark_missing: &'static str,
    pub mark_uncommitted: &'static str,
    pub mark_committed: &'static str,
    pub quorum_line: fn(&str) -> String,
    pub flights: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    pub message: &'static str,
    pub sent_at: &'static str,
    pub no_flights: &'static str,
    /// Its name, what is written under it, its role, its process.
    pub node_label: fn(&str, &str, &str, &str) -> String,
    pub fault_killed: fn(&str, &str) -> String,
    pub fault_down: fn(&str, &str) -> String,
    pub fault_paused: fn(&str, &str) -> String,
    pub fault_cut: fn(&str, &str) -> String,
    /// So many of a hundred messages.
    pub loses: &'static str,
    pub fault_gap: fn(&str, &str) -> String,
    pub fault_clock: fn(&str, &str) -> String,
    pub has_left: fn(&str) -> String,
    pub which_log: fn(&str) -> String,
    pub control_group: &'static str,
}

pub struct Scenarios {
    pub leader_crash: Meaning,
    pub deadlock_two: Meaning,
    pub deadlock_three: Meaning,
    pub holder_dies: Meaning,
    pub stale_leader: Meaning,
    pub partial_network: Meaning,
    pub restore: Meaning,
    pub running: fn(&str) -> String,
    pub failed: fn(&str, &str) -> String,
    pub step_kill: fn(&str) -> String,
    pub step_pause: fn(&str) -> String,
    pub step_start: fn(&str) -> String,
    pub step_cut: fn(&str) -> String,
    pub step_heal: fn(&str) -> String,
    pub step_bridge: fn(&str, &str) -> String,
    pub step_take: fn(&str, &str) -> String,
    pub step_want: fn(&str, &str) -> String,
    pub step_silent: fn(&str) -> String,
    pub no_leader: &'static str,
    pub nothing_broken: &'static str,
    pub not_granted: &'static str,
    /// How many it needs, and how many there are.
    pub needs_clients: fn(usize, usize) -> String,
    pub press_again: fn(&str, &str) -> String,
}

pub struct Legend {
    pub title: &'static str,
    pub shapes: &'static str,
    pub keys: &'static str,
    pub follower: &'static str,
    pub candidate: &'static str,
    pub leader: &'static str,
    pub down: &'static str,
    pub paused: &'static str,
    pub deposed: &'static str,
    pub timer: &'static str,
    pub votes: &'static str,
    pub request_vote: &'static str,
    pub append: &'static str,
    pub heartbeat: &'static str,
    pub reply: &'static str,
    pub client_message: &'static str,
    pub queue_message: &'static str,
    pub shard: &'static str,
    pub shard_lost: &'static str,
    pub ghost: &'static str,
    pub virtual_nodes: &'static str,
    pub delivery: &'static str,
    pub lost: &'static str,
    pub cut: &'static str,
    pub impaired: &'static str,
    pub log: &'static str,
    pub lock_exclusive: &'static str,
    pub lock_shared: &'static str,
    pub waiter: &'static str,
    pub clock_bead: &'static str,
    pub key_step: &'static str,
    pub key_pause: &'static str,
    pub key_marks: &'static str,
    pub key_rates: &'static str,
    pub key_layers: &'static str,
    pub key_tabs: &'static str,
    pub key_node: &'static str,
    pub key_process: &'static str,
    pub key_lock: &'static str,
    pub key_queue: &'static str,
    pub key_scenarios: &'static str,
    pub key_language: &'static str,
    pub key_theme: &'static str,
    pub key_legend: &'static str,
}

/// States in which there is nothing (or not everything) to show.
pub struct Trouble {
    pub connecting: &'static str,
    pub connecting_hint: &'static str,
    pub no_cluster: &'static str,
    pub no_cluster_hint: &'static str,
    pub no_quorum: fn(usize, usize, usize) -> String,
    pub no_leader_yet: &'static str,
    /// Names of nodes, and how many they are.
    pub stream_broken: fn(&str, usize) -> String,
    /// Names of nodes, how many they are, and whether other nodes hear all of them.
    pub unreached: fn(&str, usize, bool) -> String,
    pub past: fn(&str) -> String,
    pub differed: fn(u32) -> String,
    pub served_by_node: &'static str,
    pub unreachable: &'static str,
    pub unknown_outcome: fn(&str) -> String,
    pub retry_same_key: &'static str,
    pub no_node: &'static str,
}
