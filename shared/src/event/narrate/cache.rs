//! The coherent cache: copies that come and go, whom a home waits for, what is committed.

use super::{Said, Topic, list, seconds};
use crate::cache::{CacheFact, Cause, HomeFact, How, LineFact, State, Wants};
use crate::event::view::View;
use crate::ids::{GroupId, NodeName};

/// What was committed. That a tenure began, its home says itself.
pub(super) fn committed(fact: &CacheFact) -> Option<Said> {
    match fact {
        CacheFact::Committed { address, version, deleted: true, by, .. } => Some(
            Said::new(
                Topic::Cache,
                format!("{address} is deleted at {by}: version {version}, on a majority's disks"),
                format!("{address} dihapus di {by}: versi {version}, di disk mayoritas"),
            )
            .alike("committed line"),
        ),
        CacheFact::Committed { address, version, by, write_back: true, preview, .. } => Some(
            Said::new(
                Topic::Cache,
                format!("{by} writes {address} = {preview} back: committed as version {version}"),
                format!("{by} menulis balik {address} = {preview}: ter-commit sebagai versi {version}"),
            )
            .alike("write-back"),
        ),
        CacheFact::Committed { address, version, by, preview, .. } => Some(
            Said::new(
                Topic::Cache,
                format!("{address} = {preview} is committed as version {version}, written at {by}"),
                format!("{address} = {preview} ter-commit sebagai versi {version}, ditulis di {by}"),
            )
            .alike("committed line"),
        ),
        CacheFact::Revoked { address, version } => Some(
            Said::new(
                Topic::Cache,
                format!(
                    "The owner of {address} did not answer until its lease was over: what is committed counts, as version {version}"
                ),
                format!(
                    "Pemilik {address} tidak menjawab sampai masa pinjamnya habis: yang berlaku nilai ter-commit, sebagai versi {version}"
                ),
            )
            .bad(),
        ),
        CacheFact::Begun { .. } | CacheFact::Opened { .. } => None,
    }
}

/// What happened to a line of a node.
pub(super) fn line(node: &NodeName, fact: &LineFact) -> Option<Said> {
    match fact {
        LineFact::Changed { address, from, to, cause, .. } => {
            Some(changed(node, address, (*from, *to), *cause))
        }
        LineFact::Lost { address, .. } => Some(
            Said::new(
                Topic::Cache,
                format!("What {node} wrote to {address} is lost: it was answered as not durable"),
                format!("Tulisan {node} di {address} hilang: jawabannya dulu “belum tahan lama”"),
            )
            .bad(),
        ),
        LineFact::Hit { address, state, write } => {
            let words = if *write {
                (
                    format!("{node} writes {address} in its own copy ({state}), without a message"),
                    format!("{node} menulis {address} di salinannya sendiri ({state}), tanpa pesan"),
                )
            } else {
                (
                    format!("{node} reads {address} from its own copy ({state}), without a message"),
                    format!("{node} membaca {address} dari salinannya sendiri ({state}), tanpa pesan"),
                )
            };
            Some(Said::new(Topic::Cache, words.0, words.1).alike("hit"))
        }
    }
}

fn changed(node: &NodeName, address: &str, (from, to): (State, State), cause: Cause) -> Said {
    let (english, indonesian) = match (cause, to) {
        (Cause::LocalRead, State::E) => (
            format!("{node} fetches {address} to read it; nobody else has it: {to}"),
            format!("{node} mengambil {address} untuk dibaca; tak ada node lain yang punya: {to}"),
        ),
        (Cause::LocalRead, _) => (
            format!("{node} fetches {address} to read it; others may have it too: {to}"),
            format!("{node} mengambil {address} untuk dibaca; node lain mungkin punya juga: {to}"),
        ),
        (Cause::LocalWrite, State::M) => (
            format!(
                "{node} owns {address} and writes it in its copy, to be committed later: {from} becomes {to}"
            ),
            format!(
                "{node} memiliki {address} dan menulis di salinannya, di-commit nanti: {from} menjadi {to}"
            ),
        ),
        (Cause::LocalWrite, _) => (
            format!("{node} wrote {address}, which is committed, and owns it: {from} becomes {to}"),
            format!("{node} menulis {address}, sudah ter-commit, dan memilikinya: {from} menjadi {to}"),
        ),
        (Cause::Evict, _) => (
            format!("{node} needs the room: its copy of {address} goes"),
            format!("{node} perlu tempat: salinan {address} miliknya dibuang"),
        ),
        (Cause::Inv, _) => (
            format!("{node} drops its copy of {address}, because somebody else writes: {from} becomes {to}"),
            format!("{node} membuang salinan {address} karena ada yang menulis: {from} menjadi {to}"),
        ),
        (Cause::Fetch, _) => (
            format!("{node} gives {address} to the home and shares it from now on: {from} becomes {to}"),
            format!("{node} memberikan {address} kepada home dan kini berbagi: {from} menjadi {to}"),
        ),
        (Cause::FetchInv, _) => (
            format!("{node} gives {address} up, because somebody else writes: {from} becomes {to}"),
            format!("{node} melepas {address} karena ada yang menulis: {from} menjadi {to}"),
        ),
        (Cause::LeaseOut, _) => (
            format!("{node}'s lease is over: from now on it may not read its copy of {address}"),
            format!("Masa pinjam {node} habis: mulai kini ia tak boleh membaca salinan {address}"),
        ),
        (Cause::WriteBack, _) => (
            format!("What {node} wrote to {address} is committed: {from} becomes {to}"),
            format!("Tulisan {node} di {address} ter-commit: {from} menjadi {to}"),
        ),
        (Cause::Registered, _) => (
            format!("The home knows of {node}'s copy of {address} again: {to}"),
            format!("Home mengenal lagi salinan {address} di {node}: {to}"),
        ),
        (Cause::Refused, _) => (
            format!("The home does not know of {node}'s copy of {address}: it goes"),
            format!("Home tidak mengenal salinan {address} di {node}: salinan itu dibuang"),
        ),
        (Cause::Unknown, _) => (
            format!("Nobody knows what became of {node}'s write to {address}: its copy goes"),
            format!("Tak ada yang tahu nasib tulisan {node} di {address}: salinannya dibuang"),
        ),
    };
    let said = Said::new(Topic::Cache, english, indonesian).alike(match cause {
        Cause::LocalRead => "fill",
        Cause::LocalWrite => "written",
        Cause::Evict => "evicted",
        Cause::Inv | Cause::Fetch | Cause::FetchInv => "recalled copy",
        Cause::LeaseOut => "lease over",
        Cause::WriteBack => "written back",
        Cause::Registered | Cause::Refused => "registered",
        Cause::Unknown => "unknown write",
    });
    if matches!(cause, Cause::LeaseOut | Cause::Refused | Cause::Unknown) { said.bad() } else { said }
}

/// What happened at the home of a shard's lines. `view` is the view before it. Who holds a line is seen, and not told.
pub(super) fn home(view: &View, node: &NodeName, shard: GroupId, fact: &HomeFact) -> Option<Said> {
    let said = match fact {
        HomeFact::Window { left_us, .. } => {
            let left = seconds(*left_us);
            Said::new(
                Topic::Cache,
                format!(
                    "{node} is the new home of {shard}'s lines, and grants nothing for {} s: leases of the home before may last so long",
                    left[0]
                ),
                format!(
                    "{node} menjadi home baru untuk baris {shard}, dan {} d tidak memberi apa pun: masa pinjam dari home lama bisa selama itu",
                    left[1]
                ),
            )
            .alike("window")
        }
        HomeFact::Open { .. } => Said::new(
            Topic::Cache,
            format!("{node} is the home of {shard}'s lines and grants copies from now on"),
            format!("{node} adalah home untuk baris {shard} dan mulai memberi salinan"),
        )
        .alike("open"),
        HomeFact::Ended { .. } => Said::new(
            Topic::Cache,
            format!("{node} is the home of {shard}'s lines no more: who holds what, the next one has to find out"),
            format!("{node} bukan lagi home untuk baris {shard}: siapa memegang apa harus dicari tahu oleh penggantinya"),
        )
        .alike("home ended"),
        HomeFact::Recalling { address, asker, wants, of, .. } => {
            let whom: Vec<&NodeName> = of.iter().map(|waited| &waited.node).collect();
            recalling(node, address, (asker, *wants), &whom)
        }
        HomeFact::Recalled { question, address, node: who, how } => {
            let home = view.cache.homes.get(&shard).filter(|home| home.node == *node);
            let recalls = home.and_then(|home| home.recalls.get(question));
            let count = recalls.map(|recalls| format!(": {}/{}", recalls.ended() + 1, recalls.of.len()));
            recalled(address, who, *how, &count.unwrap_or_default())
        }
        HomeFact::Held { .. } => return None,
    };
    Some(said)
}

fn recalling(home: &NodeName, address: &str, (asker, wants): (&NodeName, Wants), whom: &[&NodeName]) -> Said {
    let (them, mereka) = (list(whom, "and"), list(whom, "dan"));
    let words = match wants {
        Wants::Read => (
            format!("{asker} wants to read {address}: {home}, its home, fetches it from {them}"),
            format!("{asker} ingin membaca {address}: {home}, home-nya, mengambilnya dari {mereka}"),
        ),
        Wants::Own | Wants::Write => (
            format!(
                "{asker} wants to write {address}: {home}, its home, first takes the copies of {them} away"
            ),
            format!("{asker} ingin menulis {address}: {home}, home-nya, lebih dulu menarik salinan {mereka}"),
        ),
    };
    Said::new(Topic::Cache, words.0, words.1).alike("recalling")
}

fn recalled(address: &str, who: &NodeName, how: How, count: &str) -> Said {
    let (english, indonesian) = match how {
        How::Acknowledged => (
            format!("{who} acknowledges that its copy of {address} is gone{count}"),
            format!("{who} mengakui bahwa salinan {address} sudah dibuang{count}"),
        ),
        How::Clean => (
            format!("{who} gave {address} up and had written nothing new{count}"),
            format!("{who} melepas {address} dan tidak menulis hal baru{count}"),
        ),
        How::Dirty => (
            format!("{who} gave {address} up with what it wrote, which is committed first{count}"),
            format!("{who} melepas {address} beserta tulisannya, yang di-commit lebih dulu{count}"),
        ),
        How::NotHeld => (
            format!("{who} has no copy of {address} any more{count}"),
            format!("{who} sudah tidak punya salinan {address}{count}"),
        ),
        How::LeaseOver => (
            format!(
                "{who} did not answer, but its lease is over: it cannot read its copy of {address} any more{count}"
            ),
            format!(
                "{who} tidak menjawab, tetapi masa pinjamnya habis: ia tak bisa lagi membaca salinan {address}{count}"
            ),
        ),
        How::Rebooted => (
            format!("{who} was started anew and has no copy of {address}{count}"),
            format!("{who} telah dimulai ulang dan tidak punya salinan {address}{count}"),
        ),
    };
    let said = Said::new(Topic::Cache, english, indonesian).alike("recalled");
    if how == How::LeaseOver { said.bad() } else { said }
}
