//! Every sentence that carries a number or a list, with 0, 1, 2 and many, in both languages. Panels test theirs with the same check.

use super::{Both, STRINGS};

/// Each case in English and in Indonesian.
pub(crate) fn check<W, const N: usize>(
    words: &'static Both<W>,
    say: impl Fn(&'static W, usize) -> String,
    told: [[&str; 2]; N],
) {
    for (case, [english, indonesian]) in told.into_iter().enumerate() {
        assert_eq!(say(&words.en, case), english);
        assert_eq!(say(&words.id, case), indonesian);
    }
}

#[test]
fn nodes_that_are_not_reached_are_one_or_several_and_not_called_dead() {
    let unreached = |heard: bool| {
        move |t: &'static super::Strings, case: usize| {
            let names = ["node3", "node3, node5", "node1, node3, node5"][case];
            (t.trouble.unreached)(names, case + 1, heard)
        }
    };
    check(
        &STRINGS,
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
        &STRINGS,
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
        &STRINGS,
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
        &STRINGS,
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
        &STRINGS,
        |t, there| (t.scenarios.needs_clients)(3, there),
        [
            ["it needs 3 clients: add 3", "perlu 3 klien: tambahkan 3"],
            ["it needs 3 clients: add 2", "perlu 3 klien: tambahkan 2"],
            ["it needs 3 clients: add 1", "perlu 3 klien: tambahkan 1"],
        ],
    );
    check(
        &STRINGS,
        |t, case| (t.cluster.fault_gap)("node3", ["1", "2", "5,000"][case]),
        [
            ["1 event of node3 lost", "1 peristiwa node3 hilang"],
            ["2 events of node3 lost", "2 peristiwa node3 hilang"],
            ["5,000 events of node3 lost", "5,000 peristiwa node3 hilang"],
        ],
    );
    check(
        &STRINGS,
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
        &STRINGS,
        |t, count| (t.ui.more_alike)(count as u32 + 1),
        [
            ["and 1 more of this kind", "dan 1 lagi sejenis"],
            ["and 2 more of this kind", "dan 2 lagi sejenis"],
        ],
    );
}
