//! The words of the lock panel.

use orrery_api::lock::LockAnswer;
use smol_str::SmolStr;

use crate::i18n::number::duration;
use crate::i18n::{Both, Lang};

pub struct Words {
    pub name: &'static str,
    pub resource: &'static str,
    pub mode: &'static str,
    pub exclusive: &'static str,
    pub shared: &'static str,
    pub acquire: &'static str,
    pub queue: &'static str,
    pub release: &'static str,
    pub renew: &'static str,
    pub lease: &'static str,
    pub hand_to: &'static str,
    pub hand_over: &'static str,
    pub hand_over_title: &'static str,
    pub choose_resource: &'static str,
    pub free: &'static str,
    pub token: &'static str,
    pub expires_in: fn(&str) -> String,
    pub upgrade: &'static str,
    pub cancel_wait: fn(&str, &str) -> String,
    pub lane_label: fn(&str, &str, &str) -> String,
    pub waits_for: &'static str,
    pub no_waits: &'static str,
    pub no_cycle: &'static str,
    pub cycle_found: &'static str,
    pub refused: &'static str,
    pub wants: fn(usize, &str) -> String,
    /// What its letters do.
    pub letters: &'static str,
    pub nobody: &'static str,
    /// What the service answered, as a sentence.
    pub answer: fn(&LockAnswer) -> String,
}

pub static WORDS: Both<Words> = Both {
    en: Words {
        name: "Locks",
        resource: "Resource",
        mode: "Mode",
        exclusive: "exclusive",
        shared: "shared",
        acquire: "Acquire",
        queue: "Queue",
        release: "Release",
        renew: "Renew",
        lease: "Lease",
        hand_to: "Hand to",
        hand_over: "Hand over",
        hand_over_title: "The lock goes to that client, ahead of all who wait, under a new token",
        choose_resource: "Name a resource first.",
        free: "free",
        token: "token",
        expires_in: |time| format!("{time} of the lease left"),
        upgrade: "upgrade",
        cancel_wait: |client, resource| format!("End {client}'s wait for {resource}"),
        lane_label: |resource, holders, waiters| {
            format!("{resource}: held by {holders}; waiting, in order: {waiters}")
        },
        waits_for: "Waits for",
        no_waits: "Nobody waits for anybody.",
        no_cycle: "no cycle",
        cycle_found: "cycle found",
        refused: "refused",
        wants: |number, resource| format!("{number} wants {resource}"),
        letters: "acquire, queue, release, renew",
        nobody: "nobody",
        answer: answer_in_english,
    },
    id: Words {
        name: "Kunci",
        resource: "Sumber daya",
        mode: "Mode",
        exclusive: "eksklusif",
        shared: "bersama",
        acquire: "Ambil",
        queue: "Antre",
        release: "Lepas",
        renew: "Perpanjang",
        lease: "Sewa",
        hand_to: "Serahkan kepada",
        hand_over: "Serahkan",
        hand_over_title: "Kunci diberikan kepada klien itu, mendahului semua yang menunggu, dengan token baru",
        choose_resource: "Beri nama sumber daya dulu.",
        free: "bebas",
        token: "token",
        expires_in: |time| format!("sisa sewa {time}"),
        upgrade: "naik",
        cancel_wait: |client, resource| format!("Akhiri penantian {client} untuk {resource}"),
        lane_label: |resource, holders, waiters| {
            format!("{resource}: dipegang {holders}; menunggu, berurutan: {waiters}")
        },
        waits_for: "Menunggu",
        no_waits: "Tidak ada yang saling menunggu.",
        no_cycle: "tanpa siklus",
        cycle_found: "siklus ditemukan",
        refused: "ditolak",
        wants: |number, resource| format!("{number} ingin {resource}"),
        letters: "ambil, antre, lepas, perpanjang",
        nobody: "tidak ada",
        answer: answer_in_indonesian,
    },
};

fn names_in_english(names: &[SmolStr]) -> String {
    match names {
        [] => "nobody".to_owned(),
        [one] => one.to_string(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn answer_in_english(answer: &LockAnswer) -> String {
    use LockAnswer as A;
    match answer {
        A::Acquired { resource, client, mode, fencing_token, expires_in_ms, reentrant } => {
            let how = if mode.letter() == "X" { "exclusively" } else { "shared" };
            let left = duration(expires_in_ms * 1_000, Lang::En);
            if *reentrant {
                format!(
                    "{client} already holds **{resource}** {how}: same token **{fencing_token}**, {left} left."
                )
            } else {
                format!("{client} holds **{resource}** {how}, token **{fencing_token}**, for {left}.")
            }
        }
        A::Waiting { resource, client, position } => {
            format!("{client} waits for **{resource}**, place **{position}**.")
        }
        A::Timeout { resource, client, holders } if holders.is_empty() => {
            format!("{client} gave up waiting for **{resource}**: nobody has it now.")
        }
        A::Timeout { resource, client, holders } => {
            let have = if holders.len() > 1 { "have" } else { "has" };
            format!(
                "{client} gave up waiting for **{resource}**: {} still {have} it.",
                names_in_english(holders)
            )
        }
        A::Deadlock { resource, cycle, victim, .. } => format!(
            "Deadlock: {} wait in a circle. **{victim}** is refused **{resource}**, because its wait is the youngest.",
            names_in_english(cycle)
        ),
        A::Released { resource, client, fencing_token } => {
            format!("{client} released **{resource}** (token {fencing_token}).")
        }
        A::Renewed { resource, client, expires_in_ms, .. } => {
            format!(
                "{client} keeps **{resource}** for another {}.",
                duration(expires_in_ms * 1_000, Lang::En)
            )
        }
        A::Cancelled { resource, client } => format!("{client} no longer waits for **{resource}**."),
        A::Transferred { resource, client, to, fencing_token, .. } => {
            format!("{client} handed **{resource}** to **{to}**, token **{fencing_token}**.")
        }
        A::NotHolder { resource, client, holders, .. } if holders.is_empty() => {
            format!("{client} does not hold **{resource}**: it is free.")
        }
        A::NotHolder { resource, client, holders, .. } if holders.contains(client) => {
            format!("{client} holds **{resource}**, but not under that token.")
        }
        A::NotHolder { resource, client, holders, .. } => {
            let hold = if holders.len() > 1 { "do" } else { "does" };
            format!("{client} does not hold **{resource}**: {} {hold}.", names_in_english(holders))
        }
        A::NotWaiting { resource, client } => format!("{client} does not wait for **{resource}**."),
    }
}

fn names_in_indonesian(names: &[SmolStr]) -> String {
    match names {
        [] => "tidak ada".to_owned(),
        [one] => one.to_string(),
        [first @ .., last] => format!("{} dan {last}", first.join(", ")),
    }
}

fn answer_in_indonesian(answer: &LockAnswer) -> String {
    use LockAnswer as A;
    match answer {
        A::Acquired { resource, client, mode, fencing_token, expires_in_ms, reentrant } => {
            let how = if mode.letter() == "X" { "secara eksklusif" } else { "bersama" };
            let left = duration(expires_in_ms * 1_000, Lang::Id);
            if *reentrant {
                format!(
                    "{client} sudah memegang **{resource}** {how}: token sama **{fencing_token}**, sisa {left}."
                )
            } else {
                format!("{client} memegang **{resource}** {how}, token **{fencing_token}**, selama {left}.")
            }
        }
        A::Waiting { resource, client, position } => {
            format!("{client} menunggu **{resource}**, urutan **{position}**.")
        }
        A::Timeout { resource, client, holders } if holders.is_empty() => {
            format!("{client} berhenti menunggu **{resource}**: kini tak ada yang memegangnya.")
        }
        A::Timeout { resource, client, holders } => {
            format!(
                "{client} berhenti menunggu **{resource}**: masih dipegang {}.",
                names_in_indonesian(holders)
            )
        }
        A::Deadlock { resource, cycle, victim, .. } => format!(
            "Kebuntuan: {} menunggu melingkar. **{victim}** ditolak untuk **{resource}**, karena penantiannya termuda.",
            names_in_indonesian(cycle)
        ),
        A::Released { resource, client, fencing_token } => {
            format!("{client} melepas **{resource}** (token {fencing_token}).")
        }
        A::Renewed { resource, client, expires_in_ms, .. } => {
            format!(
                "{client} memegang **{resource}** selama {} lagi.",
                duration(expires_in_ms * 1_000, Lang::Id)
            )
        }
        A::Cancelled { resource, client } => format!("{client} tidak lagi menunggu **{resource}**."),
        A::Transferred { resource, client, to, fencing_token, .. } => {
            format!("{client} menyerahkan **{resource}** kepada **{to}**, token **{fencing_token}**.")
        }
        A::NotHolder { resource, client, holders, .. } if holders.is_empty() => {
            format!("{client} tidak memegang **{resource}**: bebas.")
        }
        A::NotHolder { resource, client, holders, .. } if holders.contains(client) => {
            format!("{client} memegang **{resource}**, tetapi bukan dengan token itu.")
        }
        A::NotHolder { resource, client, holders, .. } => {
            format!("{client} tidak memegang **{resource}**: dipegang {}.", names_in_indonesian(holders))
        }
        A::NotWaiting { resource, client } => format!("{client} tidak menunggu **{resource}**."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::tests::check;

    fn people(count: usize) -> Vec<SmolStr> {
        ["Ayu", "Budi", "Citra", "Dewi"].into_iter().take(count).map(SmolStr::new_static).collect()
    }

    #[test]
    fn who_has_it_is_nobody_one_or_several() {
        let timeout = |t: &'static Words, count: usize| {
            let (resource, client) = ("printer".into(), "Eko".into());
            (t.answer)(&LockAnswer::Timeout { resource, client, holders: people(count) })
        };
        check(
            &WORDS,
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
            move |t: &'static Words, count: usize| {
                let (resource, client) = ("printer".into(), client.into());
                let holders = people(count);
                (t.answer)(&LockAnswer::NotHolder { resource, client, holders, message: String::new() })
            }
        };
        check(
            &WORDS,
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
        let own = not_holder("Budi")(&WORDS.en, 2);
        assert_eq!(own, "Budi holds **printer**, but not under that token.");
        let own = not_holder("Budi")(&WORDS.id, 2);
        assert_eq!(own, "Budi memegang **printer**, tetapi bukan dengan token itu.");
    }
}
