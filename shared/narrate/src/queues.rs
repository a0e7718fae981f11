//! Messages published, delivered, acknowledged; dead letters.

use orrery_base::ids::GroupId;
use orrery_queue::fact::{DeadCause, ExpiryCause};
use orrery_queue::{DEAD_SUFFIX, MessageId, PurgeWhat, QueueFact, StartFrom};
use smol_str::ToSmolStr;

use super::words::{self, Words, words};
use super::{Said, Topic, counted};

fn said<const N: usize>(alike: &'static str, words: Words<N>, gaps: &[&str; N]) -> Said {
    words::said(Topic::Queue, words, gaps).alike(alike)
}

/// What happened to a message or a consumer group. `shard` is the message's; a number that only keeps count says nothing.
pub(super) fn say(shard: GroupId, fact: &QueueFact) -> Option<Said> {
    let id = |number: &u64| MessageId { shard, number: *number }.to_smolstr();
    Some(match fact {
        QueueFact::Published { topic, number, key, delayed_until_ms, preview, .. } => {
            let words = match (key, delayed_until_ms) {
                (None, None) => words!["{0} gets {1}: {2}", "{0} menerima {1}: {2}"],
                (Some(_), None) => {
                    words!["{0} gets {1} with key {3}: {2}", "{0} menerima {1} dengan kunci {3}: {2}"]
                }
                (None, Some(_)) => words![
                    "{0} gets {1}, to be delivered after a delay: {2}",
                    "{0} menerima {1}, untuk dikirim setelah ditunda: {2}"
                ],
                (Some(_), Some(_)) => words![
                    "{0} gets {1} with key {3}, to be delivered after a delay: {2}",
                    "{0} menerima {1} dengan kunci {3}, untuk dikirim setelah ditunda: {2}"
                ],
            };
            said("published", words, &[topic, &id(number), preview, key.as_deref().unwrap_or_default()])
        }
        QueueFact::Entered { topic, number } => {
            let words = words![
                "The delay of {0} is over: it is in {1} now",
                "Tundaan {0} selesai: kini ia ada di {1}"
            ];
            said("entered", words, &[&id(number), topic])
        }
        QueueFact::Delivered { topic, number, group, consumer, attempt, .. } => {
            let (alike, words): (_, Words<_>) = if *attempt <= 1 {
                ("delivered", words!["{0} ({1}) gets {2} of {3}", "{0} ({1}) mendapat {2} dari {3}"])
            } else {
                (
                    "redelivered",
                    words![
                        "{0} ({1}) gets {2} of {3}, attempt {4}: nobody acknowledged it before",
                        "{0} ({1}) mendapat {2} dari {3}, percobaan {4}: sebelumnya tak ada yang mengakuinya"
                    ],
                )
            };
            said(alike, words, &[consumer, group, &id(number), topic, &attempt.to_smolstr()])
        }
        QueueFact::Acknowledged { topic, number, group, freed_bytes, .. } => {
            let words = if freed_bytes.is_some() {
                words![
                    "{0} acknowledges {1} of {2}; every group has, so the message goes",
                    "{0} mengakui {1} dari {2}; semua grup sudah, jadi pesannya dihapus"
                ]
            } else {
                words![
                    "{0} acknowledges {1} of {2}; other groups have not yet",
                    "{0} mengakui {1} dari {2}; grup lain belum"
                ]
            };
            said("acknowledged", words, &[group, &id(number), topic])
        }
        QueueFact::Nacked { topic, number, group, delayed_until_ms } => {
            let words = if delayed_until_ms.is_some() {
                words![
                    "{0} gives {1} of {2} back and wants it again only after a delay",
                    "{0} mengembalikan {1} dari {2} dan baru menginginkannya lagi setelah ditunda"
                ]
            } else {
                words![
                    "{0} gives {1} of {2} back: it is ready again",
                    "{0} mengembalikan {1} dari {2}: pesannya siap lagi"
                ]
            };
            said("nacked", words, &[group, &id(number), topic])
        }
        QueueFact::Extended { topic, number, group, .. } => {
            let words = words![
                "The consumer of {0} ({1}, {2}) asks for more time",
                "Konsumen {0} ({1}, {2}) meminta waktu tambahan"
            ];
            said("extended", words, &[&id(number), topic, group])
        }
        QueueFact::RedeliveryDue { topic, number, group, consumer, attempts } => {
            let words = words![
                "{0} did not acknowledge {1} of {2} in time (attempt {3}): it is ready for {4} again",
                "{0} tidak mengakui {1} dari {2} tepat waktu (percobaan {3}): pesannya siap lagi untuk {4}"
            ];
            said("redelivery", words, &[consumer, &id(number), topic, &attempts.to_smolstr(), group]).bad()
        }
        QueueFact::DeadLettered { topic, number, group, attempts, cause, .. } => {
            let words = match cause {
                DeadCause::TimedOut => words![
                    "{5} of {1} to {2} failed, the last one was not acknowledged in time: it is in {3}{4} now",
                    "{0} pengiriman {1} ke {2} gagal, yang terakhir tidak diakui tepat waktu: kini ia ada di {3}{4}"
                ],
                DeadCause::Nacked => words![
                    "{5} of {1} to {2} failed, the last one was given back: it is in {3}{4} now",
                    "{0} pengiriman {1} ke {2} gagal, yang terakhir dikembalikan: kini ia ada di {3}{4}"
                ],
                DeadCause::HungUp => words![
                    "{5} of {1} to {2} failed, and the next consumer hung up: it is in {3}{4} now",
                    "{0} pengiriman {1} ke {2} gagal, dan konsumen berikutnya memutus koneksi: kini ia ada di {3}{4}"
                ],
            };
            let failed = counted(u64::from(*attempts), "delivery", "deliveries");
            let attempts = attempts.to_smolstr();
            said("dead letter", words, &[&attempts, &id(number), group, topic, DEAD_SUFFIX, &failed]).bad()
        }
        QueueFact::Redriven { topic, number, group } => {
            let words = words![
                "{0} comes back from {1}{2}: it waits for {3} again",
                "{0} kembali dari {1}{2}: ia menunggu {3} lagi"
            ];
            said("redriven", words, &[&id(number), topic, DEAD_SUFFIX, group])
        }
        QueueFact::Expired { topic, number, cause, .. } => {
            let words = match cause {
                ExpiryCause::Age => words![
                    "{0} of {1} goes unacknowledged: it is older than messages are kept",
                    "{0} dari {1} dihapus tanpa diakui: umurnya melewati masa simpan"
                ],
                ExpiryCause::Bytes => words![
                    "{0} of {1} goes unacknowledged: the topic has more bytes than are kept",
                    "{0} dari {1} dihapus tanpa diakui: topiknya melewati batas byte yang disimpan"
                ],
                ExpiryCause::DeadLetters => words![
                    "{0} of {1} goes unacknowledged: its group has more dead letters than are kept",
                    "{0} dari {1} dihapus tanpa diakui: grupnya melewati batas dead letter yang disimpan"
                ],
            };
            said("expired", words, &[&id(number), topic]).bad()
        }
        QueueFact::Purged { topic, what, group, waiting, in_flight, dead, delayed, .. } => {
            // What was delivered before may have been read; other groups may still have it.
            let words = match (group, what) {
                (Some(_), PurgeWhat::Dead) => {
                    words![
                        "{3} of {1} in {2} {4} purged for {5}",
                        "{0} dead letter {1} di {2} dibuang untuk {5}"
                    ]
                }
                (Some(_), _) => {
                    words!["{3} of {1} in {2} {4} purged for {5}", "{0} pesan {1} di {2} dibuang untuk {5}"]
                }
                (None, _) => {
                    words![
                        "{3} of {1} in {2} {4} purged, unread",
                        "{0} pesan {1} di {2} dibuang tanpa dibaca"
                    ]
                }
            };
            let count = waiting + in_flight + dead + delayed;
            let gone = match what {
                PurgeWhat::Dead => counted(count, "dead letter", "dead letters"),
                PurgeWhat::Ready | PurgeWhat::All => counted(count, "message", "messages"),
            };
            let are = if count == 1 { "is" } else { "are" };
            let group = group.as_deref().unwrap_or_default();
            said("", words, &[&count.to_smolstr(), topic, &shard.to_smolstr(), &gone, are, group]).bad()
        }
        QueueFact::Freed { topic, freed, .. } => {
            let words = words![
                "{3} of {1} in {2} {4}: only the deleted group had not acknowledged {5}",
                "{0} pesan {1} di {2} dihapus: hanya grup yang dihapus yang belum mengakuinya"
            ];
            let gone = counted(*freed, "message", "messages");
            let (go, them) = if *freed == 1 { ("goes", "it") } else { ("go", "them") };
            said("freed", words, &[&freed.to_smolstr(), topic, &shard.to_smolstr(), &gone, go, them])
        }
        QueueFact::GroupCreated { topic, group, from, waiting } => {
            let words = match from {
                StartFrom::Earliest => words![
                    "{0} begins to read {1} in {2} from its first message: {4}",
                    "{0} mulai membaca {1} di {2} dari pesan pertama: {3} menunggu"
                ],
                StartFrom::Latest => words![
                    "{0} begins to read {1} in {2} with the next message; what is there stays for other groups",
                    "{0} mulai membaca {1} di {2} dari pesan berikutnya; yang sudah ada tetap disimpan untuk grup lain"
                ],
            };
            let wait = match waiting {
                0 => "none waits".to_owned(),
                waiting => counted(*waiting, "waits", "wait"),
            };
            said("group created", words, &[group, topic, &shard.to_smolstr(), &waiting.to_smolstr(), &wait])
        }
        QueueFact::GroupDeleted { topic, group } => {
            let words = words![
                "{0} reads {1} in {2} no longer: the group was deleted",
                "{0} tidak lagi membaca {1} di {2}: grupnya dihapus"
            ];
            said("group deleted", words, &[group, topic, &shard.to_smolstr()])
        }
        QueueFact::Returned { topic, number, group, consumer, .. } => {
            let words = words![
                "{0} hung up before {1} of {2} reached it: it is ready for {3} again, and that was no attempt",
                "{0} memutus koneksi sebelum {1} dari {2} sampai: pesannya siap lagi untuk {3}, dan itu bukan percobaan"
            ];
            said("returned", words, &[consumer, &id(number), topic, group])
        }
        QueueFact::Held { .. } => return None,
    })
}
