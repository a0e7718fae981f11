//! The words of the cache panel.

use orrery_api::cache::{ReadAnswer, ReadSource, WriteAnswer, WriteStatus};
use orrery_cache::table::{Action, Stimulus};
use orrery_cache::{Cause, State};

use crate::i18n::Both;
use crate::request::cache::{CacheAnswer, CacheAsk};

pub struct Words {
    pub name: &'static str,
    pub address: &'static str,
    pub value: &'static str,
    pub read: &'static str,
    pub write: &'static str,
    pub delete: &'static str,
    pub durable: &'static str,
    pub durable_hint: &'static str,
    pub write_back: &'static str,
    pub write_back_hint: &'static str,
    pub at_node: &'static str,
    pub any: &'static str,
    pub click: &'static str,
    pub click_hint: &'static str,
    pub load: &'static str,
    pub load_hint: &'static str,
    pub loaded: fn(&str, u64) -> String,
    pub choose_address: &'static str,
    pub lines: &'static str,
    pub owns: &'static str,
    pub shares: &'static str,
    pub home_of: &'static str,
    pub lost: &'static str,
    pub opening: &'static str,
    pub no_value: &'static str,
    pub empty: &'static str,
    pub state: fn(Option<State>) -> &'static str,
    pub cell_label: fn(&str, &str, &str) -> String,
    pub acknowledged: fn(usize, usize) -> String,
    pub diagram: &'static str,
    pub edge: fn(&str, &str, &str) -> String,
    pub no_edge: &'static str,
    pub hit: &'static str,
    pub cause: fn(Cause) -> &'static str,
    pub table: &'static str,
    pub event: &'static str,
    pub stimulus: fn(Stimulus) -> &'static str,
    pub action: fn(Action) -> &'static str,
    pub rates: &'static str,
    pub hits: &'static str,
    pub invalidations: &'static str,
    pub last_minute: &'static str,
    pub write_backs: &'static str,
    pub evictions: &'static str,
    pub letters: &'static str,
    /// What the service answered, as a sentence.
    pub answer: fn(&CacheAsk, &CacheAnswer) -> String,
}

pub static WORDS: Both<Words> = Both {
    en: Words {
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
        owns: "owner, says the home",
        shares: "sharer, says the home",
        home_of: "home of this line",
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
        invalidations: "taken",
        last_minute: "1 min",
        write_backs: "back",
        evictions: "evicted",
        letters: "with the cache panel: read, write, delete, load",
        answer: answer_in_english,
    },
    id: Words {
        name: "Cache",
        address: "Alamat",
        value: "Nilai",
        read: "Baca",
        write: "Tulis",
        delete: "Hapus",
        durable: "tahan lama",
        durable_hint: "Dijawab setelah mayoritas menyimpannya di disk",
        write_back: "tulis balik",
        write_back_hint: "Dijawab langsung dari salinan (M), ditetapkan kemudian: bisa hilang",
        at_node: "Di node mana",
        any: "bebas",
        click: "Klik",
        click_hint: "Yang dilakukan klik pada sebuah sel tabel, di node-nya",
        load: "Beban",
        load_hint: "Baris acak di node acak: 95 dari 100 membaca",
        loaded: |done, failed| match failed {
            0 => format!("{done} selesai"),
            _ => format!("{done} selesai, {failed} gagal"),
        },
        choose_address: "Sebutkan alamatnya dulu.",
        lines: "baris",
        owns: "pemilik, menurut home",
        shares: "pembagi, menurut home",
        home_of: "home baris ini",
        lost: "sebuah tulisan hilang di sini",
        opening: "home menunggu sewa lama",
        no_value: "tanpa nilai",
        empty: "Belum ada baris. Tulis satu untuk melihat hurufnya.",
        state: |state| match state {
            Some(State::M) => "M, dimiliki dan ditulis, belum ditetapkan",
            Some(State::E) => "E, dimiliki dan ditetapkan",
            Some(State::S) => "S, dibagi",
            Some(State::I) => "I, tanpa salinan yang boleh dibaca",
            None => "tanpa salinan",
        },
        cell_label: |address, node, state| format!("{address} di {node}: {state}"),
        acknowledged: |done, all| format!("{done} dari {all} salinan sudah hilang"),
        diagram: "Perubahan terakhir",
        edge: |node, address, cause| format!("**{node}** · {address} · {cause}"),
        no_edge: "Belum ada yang berubah.",
        hit: "kena: tanpa pesan",
        cause: |cause| match cause {
            Cause::LocalRead => "klien membaca di sini",
            Cause::LocalWrite => "klien menulis di sini",
            Cause::Evict => "tempat habis",
            Cause::Inv => "dibatalkan: ada yang menulis",
            Cause::Fetch => "diambil: ada yang membaca",
            Cause::FetchInv => "diambil dan dicabut: ada yang menulis",
            Cause::LeaseOut => "sewanya habis",
            Cause::WriteBack => "ditulis balik",
            Cause::Registered => "home mengenalnya lagi",
            Cause::Refused => "home tidak mengenalnya",
            Cause::Unknown => "hasil tulisan tidak diketahui",
        },
        table: "Tabel lengkap",
        event: "Peristiwa",
        stimulus: |stimulus| match stimulus {
            Stimulus::LocalRead => "baca di sini",
            Stimulus::LocalWrite => "tulis di sini",
            Stimulus::Evict => "gusur",
            Stimulus::GetS => "GetS",
            Stimulus::GetM => "GetM",
            Stimulus::Inv => "Inv",
            Stimulus::Fetch => "Fetch",
            Stimulus::FetchInv => "Fetch-Inv",
            Stimulus::LeaseOut => "sewa habis",
        },
        action: |action| match action {
            Action::Nothing => "",
            Action::Hit => "kena",
            Action::AskShared => "GetS (E bila sendiri)",
            Action::AskOwned => "GetM",
            Action::WriteBack => "tulis balik",
            Action::TellHome => "lapor home",
            Action::Acknowledge => "akui",
            Action::AnswerClean => "bersih",
            Action::AnswerDirty => "nilai",
            Action::AnswerNotHeld => "tak punya",
            Action::SetAside => "disisihkan",
            Action::Impossible => "mustahil",
        },
        rates: "Tingkat kena semenit terakhir",
        hits: "kena",
        invalidations: "dicabut",
        last_minute: "1 mnt",
        write_backs: "balik",
        evictions: "digusur",
        letters: "dengan panel cache: baca, tulis, hapus, beban",
        answer: answer_in_indonesian,
    },
};

fn answer_in_english(ask: &CacheAsk, answer: &CacheAnswer) -> String {
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

fn answer_in_indonesian(ask: &CacheAsk, answer: &CacheAnswer) -> String {
    let line = &ask.address;
    match answer {
        CacheAnswer::Read(ReadAnswer { value: None, .. }) => format!("**{line}** tidak punya nilai."),
        CacheAnswer::Read(ReadAnswer { value: Some(value), state, source, owner, .. }) => {
            let (value, owner) = (value.text(), owner.as_deref().unwrap_or_default());
            let from = match source {
                ReadSource::Local => "dari salinannya sendiri, tanpa pesan".to_owned(),
                ReadSource::Owner => format!("dari {owner}, pemiliknya"),
                ReadSource::Replica => "dari replikanya: bisa usang".to_owned(),
                ReadSource::Home => "dari home".to_owned(),
            };
            format!("**{line}** = **{value}** {from}: **{state}** di sini.")
        }
        CacheAnswer::Written(WriteAnswer { status: WriteStatus::Absent, .. }) => {
            format!("**{line}** memang tidak punya nilai.")
        }
        CacheAnswer::Written(WriteAnswer { status: WriteStatus::Deleted, version, .. }) => {
            format!("**{line}** dihapus, versi {version}.")
        }
        CacheAnswer::Written(WriteAnswer { durable: true, state, version, .. }) => {
            format!("**{line}** ditulis, versi **{version}**, di disk mayoritas: **{state}** di sini.")
        }
        CacheAnswer::Written(WriteAnswer { state, .. }) => {
            format!("**{line}** ditulis di salinan: **{state}** di sini, **belum tahan lama**.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::tests::check;

    #[test]
    fn copies_that_are_gone_are_counted() {
        check(
            &WORDS,
            |t, count| (t.acknowledged)(count, 2),
            [
                ["copies gone: 0 of 2", "0 dari 2 salinan sudah hilang"],
                ["copies gone: 1 of 2", "1 dari 2 salinan sudah hilang"],
                ["copies gone: 2 of 2", "2 dari 2 salinan sudah hilang"],
            ],
        );
    }
}
