//! Faults of links in words: all of them are here, those of the feed, of the list of what is broken and of the legend.

use orrery_base::fault::{Fault, FaultKind};
use orrery_base::ids::NodeName;
use orrery_event::Fact;
use orrery_event::fault;
use orrery_projection::view::View;
use smol_str::ToSmolStr;

use super::words::{self, Words, words};
use super::{Language, Said, Topic};

const CUT: Words<2> = words!["The link from {0} to {1} was cut", "Jalur dari {0} ke {1} diputus"];
const WHOLE: Words<2> = words!["The link from {0} to {1} is whole again", "Jalur dari {0} ke {1} pulih"];
const UNIMPAIRED: Words<2> = words![
    "Messages from {0} to {1} are no longer slowed or lost on purpose",
    "Pesan dari {0} ke {1} tidak lagi sengaja diperlambat atau dihilangkan"
];
const CUT_LISTED: Words<2> = words!["⚡ {0} → {1} cut", "⚡ {0} → {1} dipotong"];
const LEGEND: Words<0> =
    words!["link made slow or lossy", "sambungan yang diperlambat atau kehilangan pesan"];

/// Words of a kind: `{0}` to `{1}` is the direction, `{2}` the amount.
struct KindWords {
    /// As a sentence.
    first: Words<3>,
    /// As a later part of a sentence.
    also: Words<3>,
    /// In the list of what is broken.
    listed: Words<3>,
}

/// What is said of a kind; nothing of a cut, which has sentences of its own.
fn of(kind: FaultKind) -> Option<KindWords> {
    match kind {
        FaultKind::Cut => None,
        FaultKind::Delay => Some(KindWords {
            first: words![
                "Messages from {0} to {1} take {2} ms longer",
                "Pesan dari {0} ke {1} lebih lama {2} ms"
            ],
            also: words!["they take {2} ms longer", "pesannya lebih lama {2} ms"],
            listed: words!["+{2} ms", "+{2} ms"],
        }),
        FaultKind::Loss => Some(KindWords {
            first: words![
                "{2} of 100 messages from {0} to {1} get lost",
                "{2} dari 100 pesan dari {0} ke {1} hilang"
            ],
            also: words!["{2} of 100 get lost", "{2} dari 100 hilang"],
            listed: words!["loses {2} %", "hilang {2} %"],
        }),
    }
}

/// What is said of each kind that a fault has, with the amount.
fn parts(fault: &Fault) -> impl Iterator<Item = (KindWords, u32)> {
    let amounts = FaultKind::ALL.map(|kind| (kind, fault.amount(kind)));
    amounts
        .into_iter()
        .filter(|(_, amount)| *amount > 0)
        .filter_map(|(kind, amount)| Some((of(kind)?, amount)))
}

/// The sentence of the feed.
pub(super) fn say(view: &View, at: &NodeName, fact: &Fact) -> Option<Said> {
    let (peer, now) = fault::after(fact, |peer| view.link(at, peer).fault)?;
    Some(match fact {
        Fact::LinkFault { cut: true, .. } => words::said(Topic::Link, CUT, &[at, peer]).bad(),
        Fact::LinkFault { .. } => words::said(Topic::Link, WHOLE, &[at, peer]),
        _ if !now.is_impaired() => words::said(Topic::Link, UNIMPAIRED, &[at, peer]),
        _ => {
            let [english, indonesian] =
                [(0, "and"), (1, "dan")].map(|(language, and)| sentence(at, peer, &now, language, and));
            Said::new(Topic::Link, english, indonesian).bad()
        }
    })
}

fn sentence(at: &NodeName, peer: &NodeName, fault: &Fault, language: usize, and: &str) -> String {
    let part = |(place, (words, amount)): (usize, (KindWords, u32))| {
        let words = if place == 0 { words.first } else { words.also };
        words.fill(language, &[at, peer, &amount.to_smolstr()])
    };
    let parts: Vec<String> = parts(fault).enumerate().map(part).collect();
    match parts.split_last() {
        Some((last, before)) if !before.is_empty() => [&before.join(", "), ", ", and, " ", last].concat(),
        _ => parts.concat(),
    }
}

/// What is wrong with the link from one node to another, for the list of what is broken: `⚡ node1 → node2 cut`.
pub fn listed(from: &NodeName, to: &NodeName, fault: &Fault, language: Language) -> String {
    let language = language as usize;
    if fault.cut {
        return CUT_LISTED.fill(language, &[from, to]);
    }
    let part =
        |(words, amount): (KindWords, u32)| words.listed.fill(language, &[from, to, &amount.to_smolstr()]);
    let parts: Vec<String> = parts(fault).map(part).collect();
    ["… ", from, " → ", to, " ", &parts.join(", ")].concat()
}

/// What the legend says of a link that is drawn as impaired.
pub fn impaired(language: Language) -> &'static str {
    LEGEND.plain(language as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_a_cut_or_everything_else() {
        let (node1, node2) = (NodeName::from("node1"), NodeName::from("node2"));
        let listed = |fault: &Fault| {
            [Language::English, Language::Indonesian].map(|language| listed(&node1, &node2, fault, language))
        };
        let slow = Fault { delay_ms: 40, ..Fault::NONE };
        let lossy = Fault { loss_percent: 5, ..Fault::NONE };
        assert_eq!(listed(&slow), ["… node1 → node2 +40 ms"; 2]);
        assert_eq!(listed(&lossy), ["… node1 → node2 loses 5 %", "… node1 → node2 hilang 5 %"]);
        assert_eq!(
            listed(&slow.combine(lossy)),
            ["… node1 → node2 +40 ms, loses 5 %", "… node1 → node2 +40 ms, hilang 5 %"]
        );
        assert_eq!(listed(&slow.combine(Fault::CUT)), ["⚡ node1 → node2 cut", "⚡ node1 → node2 dipotong"]);
    }
}
