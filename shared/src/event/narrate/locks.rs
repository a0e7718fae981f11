//! Locks granted, queued, released; deadlocks.

use smol_str::ToSmolStr;

use super::words;
use super::{Said, Topic, list};
use crate::event::fact::{ReleaseCause, ServiceFact};
use crate::event::view::View;
use crate::lock::{Holder, Mode, WaitEdge};

/// People are called by their names; which of their sessions it is, the table says.
fn who(holder: &Holder) -> &str {
    &holder.client
}

pub(super) fn service(view: &View, fact: &ServiceFact) -> Option<Said> {
    match fact {
        ServiceFact::LockGranted { resource, holder, mode, fencing_token, wait, reentrant, .. } => {
            let holder = who(holder);
            let how = mode_words(*mode);
            let words = if *reentrant {
                (
                    format!("{holder} holds {resource} already: the same token {fencing_token}"),
                    format!("{holder} sudah memegang {resource}: token {fencing_token} yang sama"),
                )
            } else if wait.is_some() {
                (
                    format!("{holder}'s turn: it gets {resource} {}, token {fencing_token}", how[0]),
                    format!("Giliran {holder}: ia mendapat {resource} {}, token {fencing_token}", how[1]),
                )
            } else {
                (
                    format!("{holder} gets {resource} {}, token {fencing_token}", how[0]),
                    format!("{holder} mendapat {resource} {}, token {fencing_token}", how[1]),
                )
            };
            Some(Said::new(Topic::Lock, words.0, words.1).alike("granted"))
        }
        ServiceFact::LockQueued { resource, holder, position, .. } => {
            let (holder, holders) = (who(holder), holders_of(view, resource));
            let have = if holders.len() == 1 { "has" } else { "have" };
            let words = if holders.is_empty() {
                (
                    format!("{holder} waits for {resource}, place {position}"),
                    format!("{holder} menunggu {resource}, urutan {position}"),
                )
            } else {
                (
                    format!(
                        "{holder} waits for {resource}, place {position}: {} {have} it",
                        list(&holders, "and")
                    ),
                    format!(
                        "{holder} menunggu {resource}, urutan {position}: dipegang {}",
                        list(&holders, "dan")
                    ),
                )
            };
            Some(Said::new(Topic::Lock, words.0, words.1).alike("queued"))
        }
        ServiceFact::LockReleased { resource, holder, cause, .. } => Some(released(resource, holder, *cause)),
        ServiceFact::WaitEnded { resource, holder, cause, .. } => {
            let why = cause_words(*cause);
            Some(
                words::filled(
                    Topic::Lock,
                    ["{0} waits for {1} no longer: {2}", "{0} tidak lagi menunggu {1}: {2}"],
                    [&[who(holder), resource, why[0]], &[who(holder), resource, why[1]]],
                )
                .bad()
                .alike("wait ended"),
            )
        }
        ServiceFact::Deadlock { cycle, victim, .. } => Some(deadlock(cycle, victim)),
        ServiceFact::SessionOpened { client, .. } => Some(
            words::said(Topic::Lock, ["{0} opens a session", "{0} membuka sesi"], &[client]).alike("session"),
        ),
        ServiceFact::SessionEnded { client, cause, .. } => {
            let why = cause_words(*cause);
            let said = words::filled(
                Topic::Lock,
                ["{0}'s session ended: {1}", "Sesi milik {0} berakhir: {1}"],
                [&[client, why[0]], &[client, why[1]]],
            );
            Some(if *cause == ReleaseCause::SessionExpired { said.bad() } else { said })
        }
        ServiceFact::LockRenewed { .. }
        | ServiceFact::SessionRenewed { .. }
        | ServiceFact::Queue(_)
        | ServiceFact::Cache(_) => None,
    }
}

fn released(resource: &str, holder: &Holder, cause: ReleaseCause) -> Said {
    let holder = who(holder);
    match cause {
        ReleaseCause::Client => words::said(
            Topic::Lock,
            ["{0} gives {1} back", "{0} mengembalikan {1}"],
            &[&holder.to_smolstr(), &resource.to_smolstr()],
        )
        .alike("released"),
        ReleaseCause::Expired => words::said(
            Topic::Lock,
            [
                "{0}'s lease on {1} ran out: the lock is taken back",
                "Masa pinjam {0} atas {1} habis: kuncinya diambil kembali",
            ],
            &[&holder.to_smolstr(), &resource.to_smolstr()],
        )
        .bad(),
        ReleaseCause::SessionClosed | ReleaseCause::SessionExpired => {
            let why = cause_words(cause);
            words::filled(
                Topic::Lock,
                ["{0} is taken back from {1}: {2}", "{0} diambil kembali dari {1}: {2}"],
                [
                    &[&resource.to_smolstr(), &holder.to_smolstr(), &why[0].to_smolstr()],
                    &[&resource.to_smolstr(), &holder.to_smolstr(), &why[1].to_smolstr()],
                ],
            )
            .bad()
        }
    }
}

fn deadlock(cycle: &[WaitEdge], victim: &Holder) -> Said {
    let english: Vec<String> = cycle
        .iter()
        .map(|edge| format!("{} waits for {} ({})", who(&edge.waiter), who(&edge.blocker), edge.resource))
        .collect();
    let indonesian: Vec<String> = cycle
        .iter()
        .map(|edge| format!("{} menunggu {} ({})", who(&edge.waiter), who(&edge.blocker), edge.resource))
        .collect();
    words::filled(
        Topic::Deadlock,
        [
            "Deadlock: {0}. The youngest wait goes: {1} is refused",
            "Deadlock: {0}. Penunggu termuda mengalah: {1} ditolak",
        ],
        [&[&list(&english, "and"), who(victim)], &[&list(&indonesian, "dan"), who(victim)]],
    )
    .bad()
}

fn holders_of(view: &View, resource: &str) -> Vec<String> {
    let found = view.lock_table().resources.iter().find(|locked| locked.resource == resource);
    found
        .map(|locked| locked.holders.iter().map(|held| held.holder.client.to_string()).collect())
        .unwrap_or_default()
}

fn mode_words(mode: Mode) -> [&'static str; 2] {
    match mode {
        Mode::Exclusive => ["exclusively", "secara eksklusif"],
        Mode::Shared => ["shared", "secara berbagi"],
    }
}

fn cause_words(cause: ReleaseCause) -> [&'static str; 2] {
    match cause {
        ReleaseCause::Client => ["it gave up", "ia menyerah"],
        ReleaseCause::Expired => ["its lease ran out", "masanya habis"],
        ReleaseCause::SessionClosed => ["its session was closed", "sesinya ditutup"],
        ReleaseCause::SessionExpired => ["its session's lease ran out", "masa sesinya habis"],
    }
}
