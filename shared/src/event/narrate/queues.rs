//! Messages published, delivered, acknowledged; dead letters.

use super::{Said, Topic};
use crate::ids::{GroupId, LogIndex};
use crate::queue::fact::{DeadCause, ExpiryCause};
use crate::queue::{DEAD_SUFFIX, MessageId, PartitionKey, QueueFact, StartFrom};

/// What happened to a message or a consumer group. `shard` is the message's; a number that only keeps count says nothing.
pub(super) fn say(shard: GroupId, fact: &QueueFact) -> Option<Said> {
    let id = |number: &LogIndex| MessageId { shard, number: *number };
    match fact {
        QueueFact::Published { topic, number, key, delayed_until_ms, preview, .. } => {
            Some(published(topic, id(number), key.as_ref(), delayed_until_ms.is_some(), preview))
        }
        QueueFact::Entered { topic, number } => Some(
            Said::new(
                Topic::Queue,
                format!("The delay of {} is over: it is in {topic} now", id(number)),
                format!("Tundaan {} selesai: kini ia ada di {topic}", id(number)),
            )
            .alike("entered"),
        ),
        QueueFact::Delivered { .. } => delivered(shard, fact),
        QueueFact::Acknowledged { topic, number, group, freed_bytes, .. } => {
            Some(acknowledged(topic, id(number), group, freed_bytes.is_some()))
        }
        QueueFact::Nacked { topic, number, group, delayed_until_ms } => {
            Some(nacked(topic, id(number), group, delayed_until_ms.is_some()))
        }
        QueueFact::Extended { topic, number, group, .. } => Some(
            Said::new(
                Topic::Queue,
                format!("The consumer of {} ({topic}, {group}) asks for more time", id(number)),
                format!("Konsumen {} ({topic}, {group}) meminta waktu tambahan", id(number)),
            )
            .alike("extended"),
        ),
        QueueFact::RedeliveryDue { topic, number, group, consumer, attempts } => Some(
            Said::new(
                Topic::Queue,
                format!(
                    "{consumer} did not acknowledge {} of {topic} in time (attempt {attempts}): {group} gets it again",
                    id(number)
                ),
                format!(
                    "{consumer} tidak mengakui {} dari {topic} tepat waktu (percobaan {attempts}): {group} menerimanya lagi",
                    id(number)
                ),
            )
            .bad()
            .alike("redelivery"),
        ),
        QueueFact::DeadLettered { topic, number, group, attempts, cause, .. } => {
            Some(dead(topic, id(number), group, *attempts, *cause))
        }
        QueueFact::Redriven { topic, number, group } => Some(
            Said::new(
                Topic::Queue,
                format!("{} comes back from {topic}{DEAD_SUFFIX}: it waits for {group} again", id(number)),
                format!("{} kembali dari {topic}{DEAD_SUFFIX}: ia menunggu {group} lagi", id(number)),
            )
            .alike("redriven"),
        ),
        QueueFact::Expired { topic, number, cause, .. } => Some(expired(topic, id(number), *cause)),
        QueueFact::Purged { topic, waiting, in_flight, dead, delayed, .. } => {
            let count = waiting + in_flight + dead + delayed;
            Some(
                Said::new(
                    Topic::Queue,
                    format!("{count} messages of {topic} in {shard} are purged, unread"),
                    format!("{count} pesan {topic} di {shard} dibuang tanpa dibaca"),
                )
                .bad(),
            )
        }
        QueueFact::Freed { topic, freed, .. } => Some(
            Said::new(
                Topic::Queue,
                format!("{freed} messages of {topic} in {shard} go: no consumer group wants them any more"),
                format!("{freed} pesan {topic} di {shard} dihapus: tak ada lagi grup konsumen yang memerlukannya"),
            )
            .alike("freed"),
        ),
        QueueFact::GroupCreated { topic, group, from, waiting } => Some(created(topic, group, *from, *waiting, shard)),
        QueueFact::GroupDeleted { topic, group } => Some(
            Said::new(
                Topic::Queue,
                format!("{group} reads {topic} in {shard} no longer: the group was deleted"),
                format!("{group} tidak lagi membaca {topic} di {shard}: grupnya dihapus"),
            )
            .alike("group deleted"),
        ),
        QueueFact::Held { .. } => None,
    }
}

fn published(topic: &str, id: MessageId, key: Option<&PartitionKey>, delayed: bool, preview: &str) -> Said {
    let key = key.map(|key| [format!(" with key {key}"), format!(" dengan kunci {key}")]).unwrap_or_default();
    let words = if delayed {
        (
            format!("{topic} gets {id}{}, to be delivered after a delay: {preview}", key[0]),
            format!("{topic} menerima {id}{}, untuk dikirim setelah ditunda: {preview}", key[1]),
        )
    } else {
        (
            format!("{topic} gets {id}{}: {preview}", key[0]),
            format!("{topic} menerima {id}{}: {preview}", key[1]),
        )
    };
    Said::new(Topic::Queue, words.0, words.1).alike("published")
}

fn delivered(shard: GroupId, fact: &QueueFact) -> Option<Said> {
    let QueueFact::Delivered { topic, number, group, consumer, attempt, .. } = fact else { return None };
    let id = MessageId { shard, number: *number };
    if *attempt <= 1 {
        let said = Said::new(
            Topic::Queue,
            format!("{consumer} ({group}) gets {id} of {topic}"),
            format!("{consumer} ({group}) mendapat {id} dari {topic}"),
        );
        return Some(said.alike("delivered"));
    }
    let said = Said::new(
        Topic::Queue,
        format!("{consumer} ({group}) gets {id} of {topic} again, attempt {attempt}: nobody acknowledged it"),
        format!(
            "{consumer} ({group}) mendapat {id} dari {topic} lagi, percobaan {attempt}: belum ada yang mengakuinya"
        ),
    );
    Some(said.alike("redelivered"))
}

fn acknowledged(topic: &str, id: MessageId, group: &str, gone: bool) -> Said {
    let words = if gone {
        (
            format!("{group} acknowledges {id} of {topic}; every group has, so the message goes"),
            format!("{group} mengakui {id} dari {topic}; semua grup sudah, jadi pesannya dihapus"),
        )
    } else {
        (
            format!("{group} acknowledges {id} of {topic}; other groups have not yet"),
            format!("{group} mengakui {id} dari {topic}; grup lain belum"),
        )
    };
    Said::new(Topic::Queue, words.0, words.1).alike("acknowledged")
}

fn nacked(topic: &str, id: MessageId, group: &str, delayed: bool) -> Said {
    let words = if delayed {
        (
            format!("{group} gives {id} of {topic} back and wants it again only after a delay"),
            format!("{group} mengembalikan {id} dari {topic} dan baru menginginkannya lagi setelah ditunda"),
        )
    } else {
        (
            format!("{group} gives {id} of {topic} back: it is ready again"),
            format!("{group} mengembalikan {id} dari {topic}: pesannya siap lagi"),
        )
    };
    Said::new(Topic::Queue, words.0, words.1).alike("nacked")
}

fn dead(topic: &str, id: MessageId, group: &str, attempts: u32, cause: DeadCause) -> Said {
    let why = match cause {
        DeadCause::TimedOut => {
            ["the last one was not acknowledged in time", "yang terakhir tidak diakui tepat waktu"]
        }
        DeadCause::Nacked => ["the last one was given back", "yang terakhir dikembalikan"],
    };
    Said::new(
        Topic::Queue,
        format!(
            "{attempts} deliveries of {id} to {group} failed, {}: it is in {topic}{DEAD_SUFFIX} now",
            why[0]
        ),
        format!(
            "{attempts} pengiriman {id} ke {group} gagal, {}: kini ia ada di {topic}{DEAD_SUFFIX}",
            why[1]
        ),
    )
    .bad()
    .alike("dead letter")
}

fn expired(topic: &str, id: MessageId, cause: ExpiryCause) -> Said {
    let why = match cause {
        ExpiryCause::Age => ["it is older than messages are kept", "umurnya melewati masa simpan"],
        ExpiryCause::Bytes => {
            ["the topic has more bytes than are kept", "topiknya melewati batas byte yang disimpan"]
        }
        ExpiryCause::DeadLetters => [
            "its group has more dead letters than are kept",
            "grupnya melewati batas dead letter yang disimpan",
        ],
    };
    Said::new(
        Topic::Queue,
        format!("{id} of {topic} goes unacknowledged: {}", why[0]),
        format!("{id} dari {topic} dihapus tanpa diakui: {}", why[1]),
    )
    .bad()
    .alike("expired")
}

fn created(topic: &str, group: &str, from: StartFrom, waiting: u64, shard: GroupId) -> Said {
    let words = match from {
        StartFrom::Earliest => (
            format!("{group} begins to read {topic} in {shard} from its first message: {waiting} wait"),
            format!("{group} mulai membaca {topic} di {shard} dari pesan pertama: {waiting} menunggu"),
        ),
        StartFrom::Latest => (
            format!("{group} begins to read {topic} in {shard} with the next message"),
            format!("{group} mulai membaca {topic} di {shard} dari pesan berikutnya"),
        ),
    };
    Said::new(Topic::Queue, words.0, words.1).alike("group created")
}
