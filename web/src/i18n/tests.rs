//! Every sentence of the page that carries a number or a list, with 0, 1, 2 and many, in both languages.

use orrery_api::lock::LockAnswer;
use orrery_base::ids::GroupId;
use orrery_queue::MessageId;
use smol_str::SmolStr;

use super::{Lang, Strings};
use crate::request::queue::{QueueAnswer, QueueAsk, QueueOperation};

/// Each case in English and in Indonesian.
fn check<const N: usize>(say: impl Fn(&'static Strings, usize) -> String, told: [[&str; 2]; N]) {
    for (case, [english, indonesian]) in told.into_iter().enumerate() {
        assert_eq!(say(Lang::En.strings(), case), english);
        assert_eq!(say(Lang::Id.strings(), case), indonesian);
    }
}

fn people(count: usize) -> Vec<SmolStr> {
    ["Ayu", "Budi", "Citra", "Dewi"].into_iter().take(count).map(SmolStr::new_static).collect()
}

#[test]
fn who_has_it_is_nobody_one_or_several() {
    let timeout = |t: &'static Strings, count: usize| {
        let (resource, client) = ("printer".into(), "Eko".into());
        (t.answer)(&LockAnswer::Timeout { resource, client, holders: people(count) })
    };
    check(
        timeout,
        [
            [
                "Eko gave up waiting for **printer**: nobody has it now.",
                "Eko berhenti menunggu **printer**: kini tak ada yang memegangnya.",
            ],
            [
                "Eko gave up waiting for **printer**: Ayu still has it.",
                "Eko berhenti menunggu **printer**: masih dipegang Ayu.",
            ],
            [
                "Eko gave up waiting for **printer**: Ayu and Budi still have it.",
                "Eko berhenti menunggu **printer**: masih dipegang Ayu dan Budi.",
            ],
            [
                "Eko gave up waiting for **printer**: Ayu, Budi and Citra still have it.",
                "Eko berhenti menunggu **printer**: masih dipegang Ayu, Budi dan Citra.",
            ],
        ],
    );
    let not_holder = |client: &'static str| {
        move |t: &'static Strings, count: usize| {
            let (resource, client) = ("printer".into(), client.into());
            let holders = people(count);
            (t.answer)(&LockAnswer::NotHolder { resource, client, holders, message: String::new() })
        }
    };
    check(
        not_holder("Eko"),
        [
            ["Eko does not hold **printer**: it is free.", "Eko tidak memegang **printer**: bebas."],
            ["Eko does not hold **printer**: Ayu does.", "Eko tidak memegang **printer**: dipegang Ayu."],
            [
                "Eko does not hold **printer**: Ayu and Budi do.",
                "Eko tidak memegang **printer**: dipegang Ayu dan Budi.",
            ],
        ],
    );
    // Who has it under another token is not told that it has not.
    let own = not_holder("Budi")(Lang::En.strings(), 2);
    assert_eq!(own, "Budi holds **printer**, but not under that token.");
    let own = not_holder("Budi")(Lang::Id.strings(), 2);
    assert_eq!(own, "Budi memegang **printer**, tetapi bukan dengan token itu.");
}

fn ask() -> QueueAsk {
    let operation = QueueOperation::Redrive { group: "billing".into() };
    QueueAsk { operation, topic: "orders".into(), client: "Ayu".into() }
}

#[test]
fn messages_are_counted() {
    check(
        |t, count| (t.queue_answer)(&ask(), &QueueAnswer::Redriven(count as u64)),
        [
            [
                "**orders** has no dead letter to bring back.",
                "**orders** tidak punya pesan mati untuk diantrekan lagi.",
            ],
            [
                "**1** dead letter of **orders** waits again.",
                "**1** pesan mati dari **orders** menunggu lagi.",
            ],
            [
                "**2** dead letters of **orders** wait again.",
                "**2** pesan mati dari **orders** menunggu lagi.",
            ],
        ],
    );
    let published = |t: &'static Strings, replicas: usize| {
        let replicas = (0..replicas).map(|at| format!("node{at}").into()).collect();
        (t.queue_answer)(
            &ask(),
            &QueueAnswer::Published { id: MessageId { shard: GroupId(1), number: 7 }, replicas },
        )
    };
    check(
        published,
        [
            ["**s1-7** is in **orders**, on disk.", "**s1-7** ada di **orders**, di disk."],
            ["**s1-7** is in **orders**, on disk.", "**s1-7** ada di **orders**, di disk."],
            [
                "**s1-7** is in **orders**, on the disks of 2 of its 2 replicas.",
                "**s1-7** ada di **orders**, di disk 2 dari 2 replikanya.",
            ],
            [
                "**s1-7** is in **orders**, on the disks of 2 of its 3 replicas.",
                "**s1-7** ada di **orders**, di disk 2 dari 3 replikanya.",
            ],
        ],
    );
    check(
        |t, count| (t.queue.behind_key)(count as u64 + 1),
        [
            ["1 behind an earlier message of its key", "1 menunggu pesan sebelumnya dengan kunci yang sama"],
            [
                "2 behind an earlier message of their key",
                "2 menunggu pesan sebelumnya dengan kunci yang sama",
            ],
        ],
    );
    check(
        |t, count| (t.queue.letter_label)(count as u32),
        [
            ["dead letter after 0 attempts", "pesan mati setelah 0 percobaan"],
            ["dead letter after 1 attempt", "pesan mati setelah 1 percobaan"],
            ["dead letter after 2 attempts", "pesan mati setelah 2 percobaan"],
        ],
    );
    check(
        |t, count| (t.queue.streamed)("1", count as u64),
        [["1 sent", "1 terkirim"], ["1 sent, 1 failed", "1 terkirim, 1 gagal"]],
    );
    check(
        |t, count| (t.cache.acknowledged)(count, 2),
        [
            ["copies gone: 0 of 2", "0 dari 2 salinan sudah hilang"],
            ["copies gone: 1 of 2", "1 dari 2 salinan sudah hilang"],
            ["copies gone: 2 of 2", "2 dari 2 salinan sudah hilang"],
        ],
    );
}

#[test]
fn nodes_that_are_not_reached_are_one_or_several_and_not_called_dead() {
    let unreached = |heard: bool| {
        move |t: &'static Strings, case: usize| {
            let names = ["node3", "node3, node5", "node1, node3, node5"][case];
            (t.trouble.unreached)(names, case + 1, heard)
        }
    };
    check(
        unreached(true),
        [
            [
                "This page cannot reach the events of node3; the other nodes hear from it.",
                "Halaman ini tidak dapat menjangkau peristiwa node3; node lain mendengarnya.",
            ],
            [
                "This page cannot reach the events of node3, node5; the other nodes hear from them.",
                "Halaman ini tidak dapat menjangkau peristiwa node3, node5; node lain mendengarnya.",
            ],
        ],
    );
    check(
        unreached(false),
        [
            [
                "This page cannot reach the events of node3; whether it runs is not known here.",
                "Halaman ini tidak dapat menjangkau peristiwa node3; apakah berjalan tidak diketahui di sini.",
            ],
            [
                "This page cannot reach the events of node3, node5; whether they run is not known here.",
                "Halaman ini tidak dapat menjangkau peristiwa node3, node5; apakah berjalan tidak diketahui di sini.",
            ],
        ],
    );
    check(
        |t, case| (t.trouble.stream_broken)(["node3", "node3, node5"][case], case + 1),
        [
            [
                "Events of node3 do not arrive; what is drawn of it may be old. Trying again.",
                "Peristiwa node3 tidak sampai; gambarnya mungkin usang. Mencoba lagi.",
            ],
            [
                "Events of node3, node5 do not arrive; what is drawn of them may be old. Trying again.",
                "Peristiwa node3, node5 tidak sampai; gambarnya mungkin usang. Mencoba lagi.",
            ],
        ],
    );
    check(
        |t, up| (t.trouble.no_quorum)(up, 5, 3),
        [
            ["no quorum: 0 of 5 up, 3 needed", "tanpa kuorum: 0 dari 5 hidup, perlu 3"],
            ["no quorum: 1 of 5 up, 3 needed", "tanpa kuorum: 1 dari 5 hidup, perlu 3"],
            ["no quorum: 2 of 5 up, 3 needed", "tanpa kuorum: 2 dari 5 hidup, perlu 3"],
        ],
    );
}

#[test]
fn what_else_is_counted_fits_its_number() {
    check(
        |t, there| (t.scenarios.needs_clients)(3, there),
        [
            ["it needs 3 clients: add 3", "perlu 3 klien: tambahkan 3"],
            ["it needs 3 clients: add 2", "perlu 3 klien: tambahkan 2"],
            ["it needs 3 clients: add 1", "perlu 3 klien: tambahkan 1"],
        ],
    );
    check(
        |t, case| (t.cluster.fault_gap)("node3", ["1", "2", "5,000"][case]),
        [
            ["1 event of node3 lost", "1 peristiwa node3 hilang"],
            ["2 events of node3 lost", "2 peristiwa node3 hilang"],
            ["5,000 events of node3 lost", "5,000 peristiwa node3 hilang"],
        ],
    );
    check(
        |t, times| (t.trouble.differed)(times as u32 + 1),
        [
            [
                "Once this page showed something else than a node had, and took over the node's state.",
                "1 kali halaman ini menampilkan hal yang bukan milik sebuah node, lalu mengambil keadaannya.",
            ],
            [
                "2 times this page showed something else than a node had, and took over the node's state.",
                "2 kali halaman ini menampilkan hal yang bukan milik sebuah node, lalu mengambil keadaannya.",
            ],
        ],
    );
    check(
        |t, moved| (t.queue.replicas_moved)(moved as u32, 24),
        [
            ["Last change: 0 of 24 replicas moved", "Perubahan terakhir: 0 dari 24 replika berpindah"],
            ["Last change: 1 of 24 replicas moved", "Perubahan terakhir: 1 dari 24 replika berpindah"],
        ],
    );
    check(
        |t, count| (t.ui.more_alike)(count as u32 + 1),
        [
            ["and 1 more of this kind", "dan 1 lagi sejenis"],
            ["and 2 more of this kind", "dan 2 lagi sejenis"],
        ],
    );
}
