//! The coherent cache in Indonesian.

use orrery_api::cache::{ReadAnswer, ReadSource, WriteAnswer, WriteStatus};
use orrery_cache::table::{Action, Stimulus};
use orrery_cache::{Cause, State};

use super::Meaning;
use super::cache::Cache;
use crate::request::cache::{CacheAnswer, CacheAsk};

pub static CACHE: Cache = Cache {
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
    line: "baris",
    home: "di home",
    owns: "pemilik, menurut home",
    shares: "pembagi, menurut home",
    home_of: "home baris ini",
    stale: "lama: ada tulisan yang belum ditetapkan",
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
    gone_in: |time| format!("ditunggu, paling lama {time} lagi: sewanya"),
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
    minute: "60 d",
    invalidations: "dicabut",
    last_minute: "1 mnt",
    write_backs: "balik",
    evictions: "digusur",
    answer,
    cut_sharer: Meaning {
        name: "Putuskan pembagi ini",
        text: "Sebuah node berbagi satu baris lalu diputus dari home-nya. Tulisan di node lain menunggu sewa pembagi itu habis; lalu sambungan dipulihkan.",
    },
    step_write: |node, address| format!("tulis {address} di {node}"),
    step_read: |node, address| format!("baca {address} di {node}"),
    step_cut: |node, home| format!("putuskan {node} dari {home}, home-nya"),
    step_heal: |node, home| format!("pulihkan {node} dan {home}"),
    too_few: "perlu tiga node yang hidup",
    legend_m: "M: dimiliki, ditulis, belum ditetapkan",
    legend_e: "E: dimiliki, ditetapkan",
    legend_s: "S: node lain mungkin punya juga",
    legend_i: "I: tanpa salinan yang boleh dibaca",
    legend_ask: "node bertanya kepada home sebuah baris, dan jawabannya",
    legend_invalidation: "pembatalan, dan pengambilan dari pemilik",
    legend_fan: "salinan yang ditunggu sebuah tulisan, dan berapa yang hilang",
    legend_lease: "pembagi yang diam: sewanya berkurang",
    key: "dengan panel cache: baca, tulis, hapus, beban",
};

fn answer(ask: &CacheAsk, answer: &CacheAnswer) -> String {
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
