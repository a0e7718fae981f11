//! The words of the queue panel.

use orrery_api::queue::Settlement;

use crate::i18n::Both;
use crate::request::queue::{QueueAnswer, QueueAsk};

pub struct Words {
    pub name: &'static str,
    pub topic: &'static str,
    pub key: &'static str,
    pub message: &'static str,
    pub publish: &'static str,
    pub stream: &'static str,
    pub streamed: fn(&str, u64) -> String,
    pub group: &'static str,
    pub all_groups: &'static str,
    pub max: &'static str,
    pub visibility: &'static str,
    pub consume: &'static str,
    pub ack: &'static str,
    pub ack_hint: &'static str,
    pub nack: &'static str,
    pub nack_hint: &'static str,
    pub crash: fn(&str) -> String,
    pub crash_hint: &'static str,
    pub visible_again: &'static str,
    pub dead_now: &'static str,
    pub ready: &'static str,
    pub in_flight: &'static str,
    pub delayed: &'static str,
    pub acknowledged: &'static str,
    pub dead: &'static str,
    pub redrive: &'static str,
    pub behind_key: fn(u64) -> String,
    pub flight_label: fn(&str, &str, u32, &str) -> String,
    pub letter_label: fn(u32) -> String,
    pub empty: &'static str,
    pub choose_topic: &'static str,
    pub ring: &'static str,
    pub shard: &'static str,
    pub token: &'static str,
    pub replicas: &'static str,
    pub preferred: &'static str,
    pub no_shards: &'static str,
    pub skip_leader: &'static str,
    pub skip_replica: &'static str,
    pub skip_reserved: &'static str,
    pub replicas_moved: fn(u32, u32) -> String,
    pub keys_moved: fn(u32, u32) -> String,
    pub balance: fn(&str, &str) -> String,
    pub no_change: &'static str,
    /// What its letters do.
    pub letters: &'static str,
    /// What the service answered, as a sentence.
    pub answer: fn(&QueueAsk, &QueueAnswer) -> String,
}

pub static WORDS: Both<Words> = Both {
    en: Words {
        name: "Queue",
        topic: "Topic",
        key: "Key (optional)",
        message: "Message",
        publish: "Publish",
        stream: "Stream",
        streamed: |sent, failed| match failed {
            0 => format!("{sent} sent"),
            _ => format!("{sent} sent, {failed} failed"),
        },
        group: "Group",
        all_groups: "all",
        max: "At most",
        visibility: "Hidden for",
        consume: "Consume",
        ack: "Ack",
        ack_hint: "Acknowledge: the group is done with it",
        nack: "Nack",
        nack_hint: "Give it back: it is delivered again",
        crash: |consumer| format!("{consumer} crashes"),
        crash_hint: "It never acknowledges: its messages come back when they are visible again",
        visible_again: "visible again",
        dead_now: "dead letter",
        ready: "ready",
        in_flight: "in flight",
        delayed: "delayed",
        acknowledged: "acknowledged",
        dead: "dead",
        redrive: "Redrive",
        behind_key: |count| match count {
            1 => "1 behind an earlier message of its key".to_owned(),
            _ => format!("{count} behind an earlier message of their key"),
        },
        flight_label: |consumer, id, attempt, rest| {
            format!("{consumer} has {id}, attempt {attempt}; visible again in {rest}")
        },
        letter_label: |attempts| match attempts {
            1 => "dead letter after 1 attempt".to_owned(),
            _ => format!("dead letter after {attempts} attempts"),
        },
        empty: "No topic yet. Publish a message to see its bins.",
        choose_topic: "Name a topic first.",
        ring: "The ring",
        shard: "Shard",
        token: "Token",
        replicas: "Replicas, ★ preferred leader",
        preferred: "preferred leader",
        no_shards: "This cluster has no shards.",
        skip_leader: "leads as many shards as it may",
        skip_replica: "has as many replicas as it may",
        skip_reserved: "its room is kept for later shards",
        replicas_moved: |moved, total| format!("Last change: {moved} of {total} replicas moved"),
        keys_moved: |sets, leaders| {
            format!(
                "Of all keys {sets}\u{a0}% have another replica set, {leaders}\u{a0}% another preferred leader."
            )
        },
        balance: |before, after| {
            format!("Most replicas of a node over the mean: {before} before, {after} now.")
        },
        no_change: "No change of the ring was seen yet: add or remove a node.",
        letters: "with the queue panel: publish, consume, ack, nack",
        answer: answer_in_english,
    },
    id: Words {
        name: "Antrean",
        topic: "Topik",
        key: "Kunci partisi",
        message: "Pesan",
        publish: "Terbitkan",
        stream: "Aliran",
        streamed: |sent, failed| match failed {
            0 => format!("{sent} terkirim"),
            _ => format!("{sent} terkirim, {failed} gagal"),
        },
        group: "Grup",
        all_groups: "semua",
        max: "Paling banyak",
        visibility: "Tersembunyi",
        consume: "Konsumsi",
        ack: "Ack",
        ack_hint: "Akui: grup selesai dengannya",
        nack: "Nack",
        nack_hint: "Kembalikan: pesan dikirim lagi",
        crash: |consumer| format!("{consumer} macet"),
        crash_hint: "Tidak pernah mengakui: pesannya kembali setelah terlihat lagi",
        visible_again: "terlihat lagi",
        dead_now: "pesan mati",
        ready: "siap",
        in_flight: "dibawa",
        delayed: "ditunda",
        acknowledged: "diakui",
        dead: "mati",
        redrive: "Antrekan lagi",
        behind_key: |count| format!("{count} menunggu pesan sebelumnya dengan kunci yang sama"),
        flight_label: |consumer, id, attempt, rest| {
            format!("{consumer} memegang {id}, percobaan {attempt}; terlihat lagi dalam {rest}")
        },
        letter_label: |attempts| format!("pesan mati setelah {attempts} percobaan"),
        empty: "Belum ada topik. Terbitkan pesan untuk melihat wadahnya.",
        choose_topic: "Sebutkan topik dahulu.",
        ring: "Cincin hash",
        shard: "Shard",
        token: "Token",
        replicas: "Replika, ★ pemimpin utama",
        preferred: "pemimpin yang diutamakan",
        no_shards: "Klaster ini tidak punya shard.",
        skip_leader: "sudah memimpin sebanyak batasnya",
        skip_replica: "sudah memegang replika sebanyak batasnya",
        skip_reserved: "tempatnya disimpan untuk shard berikutnya",
        replicas_moved: |moved, total| format!("Perubahan terakhir: {moved} dari {total} replika berpindah"),
        keys_moved: |sets, leaders| {
            format!(
                "Dari semua kunci, {sets}\u{a0}% berganti himpunan replika, {leaders}\u{a0}% berganti pemimpin utama."
            )
        },
        balance: |before, after| {
            format!("Replika terbanyak satu node dibanding rata-rata: {before} sebelumnya, {after} sekarang.")
        },
        no_change: "Belum ada perubahan cincin yang terlihat: tambah atau keluarkan node.",
        letters: "dengan panel antrean: terbitkan, konsumsi, ack, nack",
        answer: answer_in_indonesian,
    },
};

fn answer_in_english(ask: &QueueAsk, answer: &QueueAnswer) -> String {
    let QueueAsk { topic, client, .. } = ask;
    match answer {
        QueueAnswer::Published { id, replicas } => {
            // The answer says whose replicas there are, and not who of them has it already.
            match replicas.len() {
                0 | 1 => format!("**{id}** is in **{topic}**, on disk."),
                all => format!(
                    "**{id}** is in **{topic}**, on the disks of {} of its {all} replicas.",
                    all / 2 + 1
                ),
            }
        }
        QueueAnswer::Delivered(messages) => match messages.as_slice() {
            [] => format!("Nothing is ready for {client} in **{topic}**."),
            [one] if one.attempt > 1 => format!("{client} got **{}**, attempt **{}**.", one.id, one.attempt),
            [one] => format!("{client} got **{}** from **{topic}**.", one.id),
            more => format!("{client} got **{}** messages from **{topic}**.", more.len()),
        },
        QueueAnswer::Settled { id, status } => match status {
            Settlement::Acknowledged => format!("{client} acknowledged **{id}**."),
            Settlement::AlreadyAcknowledged => format!("**{id}** was acknowledged before."),
            Settlement::Nacked => format!("{client} gave **{id}** back: it is ready again."),
            Settlement::DeadLettered => format!("That was the last attempt: **{id}** is a dead letter now."),
            Settlement::Late => {
                format!("Too late: **{id}** was visible again, this delivery does not count any more.")
            }
            Settlement::Gone => format!("**{id}** was there and is gone: it expired or was purged."),
            _ => format!("**{id}** is not with {client}."),
        },
        QueueAnswer::Redriven(0) => format!("**{topic}** has no dead letter to bring back."),
        QueueAnswer::Redriven(1) => format!("**1** dead letter of **{topic}** waits again."),
        QueueAnswer::Redriven(count) => format!("**{count}** dead letters of **{topic}** wait again."),
    }
}

fn answer_in_indonesian(ask: &QueueAsk, answer: &QueueAnswer) -> String {
    let QueueAsk { topic, client, .. } = ask;
    match answer {
        QueueAnswer::Published { id, replicas } => match replicas.len() {
            0 | 1 => format!("**{id}** ada di **{topic}**, di disk."),
            all => format!("**{id}** ada di **{topic}**, di disk {} dari {all} replikanya.", all / 2 + 1),
        },
        QueueAnswer::Delivered(messages) => match messages.as_slice() {
            [] => format!("Tidak ada yang siap untuk {client} di **{topic}**."),
            [one] if one.attempt > 1 => {
                format!("{client} menerima **{}**, percobaan **{}**.", one.id, one.attempt)
            }
            [one] => format!("{client} menerima **{}** dari **{topic}**.", one.id),
            more => format!("{client} menerima **{}** pesan dari **{topic}**.", more.len()),
        },
        QueueAnswer::Settled { id, status } => match status {
            Settlement::Acknowledged => format!("{client} mengakui **{id}**."),
            Settlement::AlreadyAcknowledged => format!("**{id}** sudah diakui sebelumnya."),
            Settlement::Nacked => format!("{client} mengembalikan **{id}**: siap lagi."),
            Settlement::DeadLettered => format!("Itu percobaan terakhir: **{id}** sekarang pesan mati."),
            Settlement::Late => {
                format!("Terlambat: **{id}** sudah terlihat lagi, kiriman ini tidak dihitung lagi.")
            }
            Settlement::Gone => format!("**{id}** pernah ada dan sudah hilang: kedaluwarsa atau dibuang."),
            _ => format!("**{id}** tidak ada pada {client}."),
        },
        QueueAnswer::Redriven(0) => format!("**{topic}** tidak punya pesan mati untuk diantrekan lagi."),
        QueueAnswer::Redriven(count) => format!("**{count}** pesan mati dari **{topic}** menunggu lagi."),
    }
}

#[cfg(test)]
mod tests {
    use orrery_base::ids::GroupId;
    use orrery_queue::MessageId;

    use super::*;
    use crate::i18n::tests::check;
    use crate::request::queue::QueueOperation;

    fn ask() -> QueueAsk {
        let operation = QueueOperation::Redrive { group: "billing".into() };
        QueueAsk { operation, topic: "orders".into(), client: "Ayu".into() }
    }

    #[test]
    fn messages_are_counted() {
        check(
            &WORDS,
            |t, count| (t.answer)(&ask(), &QueueAnswer::Redriven(count as u64)),
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
        let published = |t: &'static Words, replicas: usize| {
            let replicas = (0..replicas).map(|at| format!("node{at}").into()).collect();
            (t.answer)(
                &ask(),
                &QueueAnswer::Published { id: MessageId { shard: GroupId(1), number: 7 }, replicas },
            )
        };
        check(
            &WORDS,
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
            &WORDS,
            |t, count| (t.behind_key)(count as u64 + 1),
            [
                [
                    "1 behind an earlier message of its key",
                    "1 menunggu pesan sebelumnya dengan kunci yang sama",
                ],
                [
                    "2 behind an earlier message of their key",
                    "2 menunggu pesan sebelumnya dengan kunci yang sama",
                ],
            ],
        );
        check(
            &WORDS,
            |t, count| (t.letter_label)(count as u32),
            [
                ["dead letter after 0 attempts", "pesan mati setelah 0 percobaan"],
                ["dead letter after 1 attempt", "pesan mati setelah 1 percobaan"],
                ["dead letter after 2 attempts", "pesan mati setelah 2 percobaan"],
            ],
        );
        check(
            &WORDS,
            |t, count| (t.streamed)("1", count as u64),
            [["1 sent", "1 terkirim"], ["1 sent, 1 failed", "1 terkirim, 1 gagal"]],
        );
        check(
            &WORDS,
            |t, moved| (t.replicas_moved)(moved as u32, 24),
            [
                ["Last change: 0 of 24 replicas moved", "Perubahan terakhir: 0 dari 24 replika berpindah"],
                ["Last change: 1 of 24 replicas moved", "Perubahan terakhir: 1 dari 24 replika berpindah"],
            ],
        );
    }
}
