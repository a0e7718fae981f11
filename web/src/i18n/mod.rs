//! Words in English and Indonesian: those of the shell and of the stage, and what several panels say. A panel has its own in its folder.
//! All words are in values of [`Both`]: one that a language lacks does not compile.

mod en;
mod id;
pub mod number;
#[cfg(test)]
pub(crate) mod tests;

use orrery_base::error::ErrorCode;
use orrery_event::fact::Role;
use orrery_narrate::Language;

/// A language of the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    #[default]
    En,
    Id,
}

impl Lang {
    pub fn strings(self) -> &'static Strings {
        STRINGS.of(self)
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

/// Words of a part of the page in every language.
pub struct Both<W: 'static> {
    pub en: W,
    pub id: W,
}

impl<W> Both<W> {
    pub fn of(&'static self, lang: Lang) -> &'static W {
        match lang {
            Lang::En => &self.en,
            Lang::Id => &self.id,
        }
    }
}

static STRINGS: Both<Strings> = Both { en: en::STRINGS, id: id::STRINGS };

/// The words of one language. Sentences mark what is to stand out with `**`.
pub struct Strings {
    pub lang: Lang,
    pub ui: Ui,
    pub clock: Clock,
    pub forms: Forms,
    pub ring: Ring,
    pub line: Line,
    pub cluster: Cluster,
    pub scenarios: Scenarios,
    pub legend: Legend,
    pub trouble: Trouble,
    /// What an error code means and what to do about it.
    pub error: fn(ErrorCode) -> &'static str,
}

/// Names of parts of the page.
pub struct Ui {
    pub layers: &'static str,
    pub layer_consensus: &'static str,
    pub layer_locks: &'static str,
    pub layer_queue: &'static str,
    pub layer_cache: &'static str,
    pub scenarios: &'static str,
    pub faults: &'static str,
    pub no_faults: &'static str,
    pub panels: &'static str,
    pub stage: &'static str,
    pub tape: &'static str,
    pub language: &'static str,
    pub theme_light: &'static str,
    pub theme_dark: &'static str,
    pub legend: &'static str,
    pub close: &'static str,
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

/// What the forms of several services have in common.
pub struct Forms {
    pub act_as: &'static str,
    pub add_client: &'static str,
    pub client_name: &'static str,
    pub ask_node: &'static str,
    pub any_node: &'static str,
    pub asking: fn(&str, &str) -> String,
    pub answered_by: fn(&str, u16, &str) -> String,
    pub stop: &'static str,
    pub rate: &'static str,
    pub per_second: fn(u64) -> String,
    pub more: fn(u64) -> String,
}

/// The hash ring: how a shard fares, what a change moved, and what that is measured by.
pub struct Ring {
    pub no_majority: &'static str,
    pub no_leader: &'static str,
    pub moved: &'static str,
    pub moved_so_far: &'static str,
    pub ideal: &'static str,
    pub modulo: &'static str,
}

/// One line of the coherent cache.
pub struct Line {
    pub name: &'static str,
    pub home: &'static str,
    pub stale: &'static str,
    pub gone_in: fn(&str) -> String,
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
    pub quorum: &'static str,
    pub leads: fn(&str, &str) -> String,
    pub electing: &'static str,
    pub node: &'static str,
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
    /// Its name, what is written under it, its role, its process.
    pub node_label: fn(&str, &str, &str, &str) -> String,
    pub fault_killed: fn(&str, &str) -> String,
    pub fault_down: fn(&str, &str) -> String,
    pub fault_paused: fn(&str, &str) -> String,
    pub fault_gap: fn(&str, &str) -> String,
    pub fault_clock: fn(&str, &str) -> String,
}

pub struct Scenarios {
    pub leader_crash: Meaning,
    pub deadlock_two: Meaning,
    pub deadlock_three: Meaning,
    pub holder_dies: Meaning,
    pub stale_leader: Meaning,
    pub partial_network: Meaning,
    pub restore: Meaning,
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
    pub cut_sharer: Meaning,
    pub step_write: fn(&str, &str) -> String,
    pub step_read: fn(&str, &str) -> String,
    pub step_cut_between: fn(&str, &str) -> String,
    pub step_heal_between: fn(&str, &str) -> String,
    pub too_few: &'static str,
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
    pub key_node: &'static str,
    pub key_process: &'static str,
    pub key_scenarios: &'static str,
    pub key_language: &'static str,
    pub key_theme: &'static str,
    pub key_legend: &'static str,
    pub copy_m: &'static str,
    pub copy_e: &'static str,
    pub copy_s: &'static str,
    pub copy_i: &'static str,
    pub cache_ask: &'static str,
    pub invalidation: &'static str,
    pub fan: &'static str,
    pub lease: &'static str,
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
