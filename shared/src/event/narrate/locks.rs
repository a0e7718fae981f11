//! Locks granted, queued, released; deadlocks.

use super::{Said, Topic, list};
use crate::event::fact::{ReleaseCause, ServiceFact};
use crate::event::view::View;
use crate::lock::{Holder, Mode, WaitEdge};

pub(super) fn service(view: &View, fact: &ServiceFact) -> Option<Said> {
    match fact {
        ServiceFact::LockGranted { resource, holder, mode, fencing_token, wait, reentrant, .. } => {
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
            let holders = holders_of(view, resource);
            let words = if holders.is_empty() {
                (
                    format!("{holder} waits for {resource}, place {position}"),
                    format!("{holder} menunggu {resource}, urutan {position}"),
                )
            } else {
                (
                    format!(
                        "{holder} waits for {resource}, place {position}: {} has it",
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
                Said::new(
                    Topic::Lock,
                    format!("{holder} waits for {resource} no longer: {}", why[0]),
                    format!("{holder} tidak lagi menunggu {resource}: {}", why[1]),
                )
                .bad()
                .alike("wait ended"),
            )
        }
        ServiceFact::Deadlock { cycle, victim, .. } => Some(deadlock(cycle, victim)),
        ServiceFact::SessionOpened { client, session, .. } => Some(
            Said::new(
                Topic::Lock,
                format!("{client} opens session {}", session.0),
                format!("{client} membuka sesi {}", session.0),
            )
            .alike("session"),
        ),
        ServiceFact::SessionEnded { client, session, cause } => {
            let why = cause_words(*cause);
            let said = Said::new(
                Topic::Lock,
                format!("{client}'s session {} ended: {}", session.0, why[0]),
                format!("Sesi {} milik {client} berakhir: {}", session.0, why[1]),
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
    match cause {
        ReleaseCause::Client => Said::new(
            Topic::Lock,
            format!("{holder} gives {resource} back"),
            format!("{holder} mengembalikan {resource}"),
        )
        .alike("released"),
        ReleaseCause::Expired => Said::new(
            Topic::Lock,
            format!("{holder}'s lease on {resource} ran out: the lock is taken back"),
            format!("Masa pinjam {holder} atas {resource} habis: kuncinya diambil kembali"),
        )
        .bad(),
        ReleaseCause::SessionClosed | ReleaseCause::SessionExpired => {
            let why = cause_words(cause);
            Said::new(
                Topic::Lock,
                format!("{resource} is taken back from {holder}: {}", why[0]),
                format!("{resource} diambil kembali dari {holder}: {}", why[1]),
            )
            .bad()
        }
    }
}

fn deadlock(cycle: &[WaitEdge], victim: &Holder) -> Said {
    let english: Vec<String> = cycle
        .iter()
        .map(|edge| format!("{} waits for {} ({})", edge.waiter, edge.blocker, edge.resource))
        .collect();
    let indonesian: Vec<String> = cycle
        .iter()
        .map(|edge| format!("{} menunggu {} ({})", edge.waiter, edge.blocker, edge.resource))
        .collect();
    Said::new(
        Topic::Deadlock,
        format!("Deadlock: {}. The youngest wait goes: {victim} is refused", list(&english, "and")),
        format!("Deadlock: {}. Penunggu termuda mengalah: {victim} ditolak", list(&indonesian, "dan")),
    )
    .bad()
}

fn holders_of(view: &View, resource: &str) -> Vec<String> {
    let found = view.lock_table().resources.iter().find(|locked| locked.resource == resource);
    found
        .map(|locked| locked.holders.iter().map(|held| held.holder.to_string()).collect())
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
