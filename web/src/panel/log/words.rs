//! The words of the log panel.

use crate::i18n::Both;

pub struct Words {
    pub name: &'static str,
    pub which_log: fn(&str) -> String,
    pub control_group: &'static str,
    pub hint: &'static str,
    pub empty: &'static str,
    pub index: &'static str,
    pub missing: &'static str,
    pub uncommitted: &'static str,
    pub committed: &'static str,
    pub quorum_line: fn(&str) -> String,
}

pub static WORDS: Both<Words> = Both {
    en: Words {
        name: "Log",
        which_log: |group| format!("The log of {group}."),
        control_group: "the control group",
        hint: "One row per node, one column per log index.",
        empty: "No log entries yet.",
        index: "index",
        missing: "missing",
        uncommitted: "not committed",
        committed: "committed",
        quorum_line: |index| format!("quorum has entry {index}"),
    },
    id: Words {
        name: "Log",
        which_log: |group| format!("Log {group}."),
        control_group: "grup kontrol",
        hint: "Satu baris tiap node, satu kolom tiap indeks log.",
        empty: "Belum ada entri log.",
        index: "indeks",
        missing: "tidak ada",
        uncommitted: "belum ditetapkan",
        committed: "ditetapkan",
        quorum_line: |index| format!("kuorum memiliki entri {index}"),
    },
};
