//! The coherent cache: copies that come and go, whom a home waits for, what is committed.

use orrery_base::ids::{GroupId, NodeName};
use orrery_cache::{CacheFact, Cause, HomeFact, How, LineFact, State, Wants};
use orrery_projection::view::View;
use smol_str::{SmolStr, ToSmolStr};

use super::words::{self, Words, words};
use super::{Said, Topic, list, seconds};

fn said<const N: usize>(alike: &'static str, words: Words<N>, gaps: &[&str; N]) -> Said {
    words::said(Topic::Cache, words, gaps).alike(alike)
}

/// What was committed. That a tenure began, its home says itself.
pub(super) fn committed(fact: &CacheFact) -> Option<Said> {
    match fact {
        CacheFact::Committed { address, version, deleted, by, write_back, preview } => {
            let (alike, words): (_, Words<_>) = match (deleted, write_back) {
                (true, _) => (
                    "committed line",
                    words![
                        "{0} is deleted at {3}: version {2}, on a majority's disks",
                        "{0} dihapus di {3}: versi {2}, di disk mayoritas"
                    ],
                ),
                (_, true) => (
                    "write-back",
                    words![
                        "{3} writes {0} = {1} back: committed as version {2}",
                        "{3} menulis balik {0} = {1}: ter-commit sebagai versi {2}"
                    ],
                ),
                _ => (
                    "committed line",
                    words![
                        "{0} = {1} is committed as version {2}, written at {3}",
                        "{0} = {1} ter-commit sebagai versi {2}, ditulis di {3}"
                    ],
                ),
            };
            Some(said(alike, words, &[address, preview, &version.to_smolstr(), by]))
        }
        CacheFact::Revoked { address, version } => {
            let words = words![
                "What is committed of {0} is version {1} now: whatever an owner that cannot be asked still has is refused",
                "Yang ter-commit dari {0} kini versi {1}: tulisan pemilik yang tak bisa ditanya akan ditolak"
            ];
            Some(said("", words, &[address, &version.to_smolstr()]))
        }
        CacheFact::Begun { .. } | CacheFact::Opened { .. } => None,
    }
}

/// What happened to a line of a node.
pub(super) fn line(node: &NodeName, fact: &LineFact) -> Option<Said> {
    Some(match fact {
        LineFact::Changed { address, from, to, cause, .. } => changed(node, address, (*from, *to), *cause),
        LineFact::Lost { address, .. } => {
            let words = words![
                "What {0} wrote to {1} is lost: it was answered as not durable",
                "Tulisan {0} di {1} hilang: jawabannya dulu “belum tahan lama”"
            ];
            said("", words, &[node, address]).bad()
        }
        LineFact::Unresolved { address, .. } => {
            let words = words![
                "{1} was written elsewhere: whether what {0} had written there took effect before is not known",
                "{1} sudah ditulis di tempat lain: tidak diketahui apakah tulisan {0} sempat berlaku sebelumnya"
            ];
            said("", words, &[node, address]).bad()
        }
        LineFact::Hit { address, state, write } => {
            let words = if *write {
                words![
                    "{0} writes {1} in its own copy ({2}), without a message",
                    "{0} menulis {1} di salinannya sendiri ({2}), tanpa pesan"
                ]
            } else {
                words![
                    "{0} reads {1} from its own copy ({2}), without a message",
                    "{0} membaca {1} dari salinannya sendiri ({2}), tanpa pesan"
                ]
            };
            said("hit", words, &[node, address, state.letter()])
        }
    })
}

fn changed(node: &NodeName, address: &str, (from, to): (State, State), cause: Cause) -> Said {
    let (alike, words): (_, Words<_>) = match (cause, to) {
        (Cause::LocalRead, State::E) => (
            "fill",
            words![
                "{0} fetches {1} to read it; nobody else has it: {3}",
                "{0} mengambil {1} untuk dibaca; tak ada node lain yang punya: {3}"
            ],
        ),
        (Cause::LocalRead, _) => (
            "fill",
            words![
                "{0} fetches {1} to read it; others may have it too: {3}",
                "{0} mengambil {1} untuk dibaca; node lain mungkin punya juga: {3}"
            ],
        ),
        (Cause::LocalWrite, State::M) => (
            "written",
            words![
                "{0} owns {1} and writes it in its copy, to be committed later: {2} becomes {3}",
                "{0} memiliki {1} dan menulis di salinannya, di-commit nanti: {2} menjadi {3}"
            ],
        ),
        (Cause::LocalWrite, _) => (
            "written",
            words![
                "{0} wrote {1}, which is committed, and owns it: {2} becomes {3}",
                "{0} menulis {1}, sudah ter-commit, dan memilikinya: {2} menjadi {3}"
            ],
        ),
        (Cause::Evict, _) => (
            "evicted",
            words![
                "{0} needs the room: its copy of {1} goes",
                "{0} perlu tempat: salinan {1} miliknya dibuang"
            ],
        ),
        (Cause::Inv, _) => (
            "recalled copy",
            words![
                "{0} drops its copy of {1}, because somebody else writes: {2} becomes {3}",
                "{0} membuang salinan {1} karena ada yang menulis: {2} menjadi {3}"
            ],
        ),
        (Cause::Fetch, _) => (
            "recalled copy",
            words![
                "{0} gives {1} to the home and shares it from now on: {2} becomes {3}",
                "{0} memberikan {1} kepada home dan kini berbagi: {2} menjadi {3}"
            ],
        ),
        (Cause::FetchInv, _) => (
            "recalled copy",
            words![
                "{0} gives {1} up, because somebody else writes: {2} becomes {3}",
                "{0} melepas {1} karena ada yang menulis: {2} menjadi {3}"
            ],
        ),
        (Cause::LeaseOut, _) => (
            "lease over",
            words![
                "{0}'s lease is over: from now on it may not read its copy of {1}",
                "Masa pinjam {0} habis: mulai kini ia tak boleh membaca salinan {1}"
            ],
        ),
        (Cause::WriteBack, State::I) => (
            "written back",
            words![
                "What {0} wrote to {1} is committed, and its copy is gone",
                "Tulisan {0} di {1} ter-commit, dan salinannya sudah tak ada"
            ],
        ),
        (Cause::WriteBack, _) => (
            "written back",
            words![
                "What {0} wrote to {1} is committed: {2} becomes {3}",
                "Tulisan {0} di {1} ter-commit: {2} menjadi {3}"
            ],
        ),
        (Cause::Registered, _) => (
            "registered",
            words![
                "The home knows of {0}'s copy of {1} again: {3}",
                "Home mengenal lagi salinan {1} di {0}: {3}"
            ],
        ),
        (Cause::Refused, _) => (
            "registered",
            words![
                "The home does not know of {0}'s copy of {1}: it goes",
                "Home tidak mengenal salinan {1} di {0}: salinan itu dibuang"
            ],
        ),
        (Cause::Unknown, _) => (
            "unknown write",
            words![
                "Nobody knows what became of {0}'s write to {1}: its copy goes",
                "Tak ada yang tahu nasib tulisan {0} di {1}: salinannya dibuang"
            ],
        ),
    };
    let told = said(alike, words, &[node, address, from.letter(), to.letter()]);
    if matches!(cause, Cause::LeaseOut | Cause::Refused | Cause::Unknown) { told.bad() } else { told }
}

/// What happened at the home of a shard's lines. `view` is the view before it. Who holds a line is seen, and not told.
pub(super) fn home(view: &View, node: &NodeName, shard: GroupId, fact: &HomeFact) -> Option<Said> {
    let lines = shard.to_smolstr();
    Some(match fact {
        HomeFact::Window { left_us, .. } => {
            let told = words![
                "{0} is the new home of {1}'s lines, and grants nothing for {2} s: leases of the home before may last so long",
                "{0} menjadi home baru untuk baris {1}, dan {2} d tidak memberi apa pun: masa pinjam dari home lama bisa selama itu"
            ];
            let [left, sisa] = seconds(*left_us);
            words::filled(Topic::Cache, told, [&[node, &lines, &left], &[node, &lines, &sisa]])
                .alike("window")
        }
        HomeFact::Open { .. } => {
            let words = words![
                "{0} is the home of {1}'s lines and grants copies from now on",
                "{0} adalah home untuk baris {1} dan mulai memberi salinan"
            ];
            said("open", words, &[node, &lines])
        }
        HomeFact::Ended { .. } => {
            let words = words![
                "{0} is the home of {1}'s lines no more: who holds what, the next one has to find out",
                "{0} bukan lagi home untuk baris {1}: siapa memegang apa harus dicari tahu oleh penggantinya"
            ];
            said("home ended", words, &[node, &lines])
        }
        HomeFact::Recalling { address, asker, wants, of, .. } => {
            let whom: Vec<&NodeName> = of.iter().map(|waited| &waited.node).collect();
            let told = match (wants, whom.len()) {
                (_, 0) => words![
                    "{0} asks {2}, the home of {1}: nobody has a copy to be taken away",
                    "{0} bertanya kepada {2}, home {1}: tak ada salinan yang perlu ditarik"
                ],
                (Wants::Read, _) => words![
                    "{0} wants to read {1}: {2}, its home, fetches it from {3}",
                    "{0} ingin membaca {1}: {2}, home-nya, mengambilnya dari {3}"
                ],
                (Wants::Own | Wants::Write, 1) => words![
                    "{0} wants to write {1}: {2}, its home, first takes the copy of {3} away",
                    "{0} ingin menulis {1}: {2}, home-nya, lebih dulu menarik salinan {3}"
                ],
                (Wants::Own | Wants::Write, _) => words![
                    "{0} wants to write {1}: {2}, its home, first takes the copies of {3} away",
                    "{0} ingin menulis {1}: {2}, home-nya, lebih dulu menarik salinan {3}"
                ],
            };
            let (them, mereka) = (list(&whom, "and"), list(&whom, "dan"));
            words::filled(
                Topic::Cache,
                told,
                [&[asker, address, node, &them], &[asker, address, node, &mereka]],
            )
            .alike("recalling")
        }
        HomeFact::Recalled { question, address, node: who, how } => {
            let home = view.cache.homes.get(&shard).filter(|home| home.node == *node);
            let recalls = home.and_then(|home| home.recalls.get(question));
            let count = recalls.map(|recalls| {
                // The view is the one before: this one counts, unless it was counted already.
                let news = recalls.of_node(who).is_some_and(|one| one.ended.is_none());
                let (gone, all) =
                    ((recalls.ended() + usize::from(news)).to_smolstr(), recalls.of.len().to_smolstr());
                SmolStr::from([": ", &gone, "/", &all].concat())
            });
            recalled(address, who, *how, &count.unwrap_or_default())
        }
        HomeFact::Held { .. } => return None,
    })
}

fn recalled(address: &str, who: &NodeName, how: How, count: &str) -> Said {
    let words = match how {
        How::Acknowledged => words![
            "{0} acknowledges that its copy of {1} is gone{2}",
            "{0} mengakui bahwa salinan {1} sudah dibuang{2}"
        ],
        How::Clean => words![
            "{0} gave {1} up and had written nothing new{2}",
            "{0} melepas {1} dan tidak menulis hal baru{2}"
        ],
        How::Dirty => words![
            "{0} gave {1} up with what it wrote, which is committed first{2}",
            "{0} melepas {1} beserta tulisannya, yang di-commit lebih dulu{2}"
        ],
        How::NotHeld => words!["{0} has no copy of {1} any more{2}", "{0} sudah tidak punya salinan {1}{2}"],
        How::LeaseOver => words![
            "{0} did not answer, but its lease is over: it cannot read its copy of {1} any more{2}",
            "{0} tidak menjawab, tetapi masa pinjamnya habis: ia tak bisa lagi membaca salinan {1}{2}"
        ],
        How::Rebooted => words![
            "{0} was started anew and has no copy of {1}{2}",
            "{0} telah dimulai ulang dan tidak punya salinan {1}{2}"
        ],
    };
    let told = said("recalled", words, &[who, address, count]);
    if how == How::LeaseOver { told.bad() } else { told }
}
