//! The words of the feed.

use crate::i18n::Both;

pub struct Words {
    pub name: &'static str,
    pub title: &'static str,
    pub empty: &'static str,
    pub detail: &'static str,
}

pub static WORDS: Both<Words> = Both {
    en: Words {
        name: "Events",
        title: "What happened",
        empty: "Nothing has happened yet.",
        detail: "every message and entry",
    },
    id: Words {
        name: "Peristiwa",
        title: "Yang terjadi",
        empty: "Belum terjadi apa-apa.",
        detail: "setiap pesan dan entri",
    },
};
