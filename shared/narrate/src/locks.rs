//! Locks granted, queued, released; deadlocks.

use orrery_lock::fact::ReleaseCause;
use orrery_lock::{Holder, LockFact, Mode, WaitEdge};
use orrery_machine::ServiceFact;
use orrery_projection::view::View;
use smol_str::{SmolStr, ToSmolStr};

use super::{Said, Topic, list, words};

/// People are called by their names; which of their sessions it is, the table says.
fn who(holder: &Holder) -> &str {
    &holder.client
}

pub(super) fn service(view: &View, fact: &ServiceFact) -> Option<Said> {
    match fact {
        ServiceFact::Lock(LockFact::Granted {
            resource,
            holder,
            mode,
            fencing_token,
            wait,
            reentrant,
            ..
        }) => {
            let how = mode_words(*mode);
            let words = if *reentrant {
                words![
                    "{0} holds {1} already: the same token {3}",
                    "{0} sudah memegang {1}: token {3} yang sama"
                ]
            } else if wait.is_some() {
                words![
                    "{0}'s turn: it gets {1} {2}, token {3}",
                    "Giliran {0}: ia mendapat {1} {2}, token {3}"
                ]
            } else {
                words!["{0} gets {1} {2}, token {3}", "{0} mendapat {1} {2}, token {3}"]
            };
            let (holder, token) = (who(holder), fencing_token.to_smolstr());
            let gaps = [&[holder, resource, how[0], &token], &[holder, resource, how[1], &token]];
            Some(words::filled(Topic::Lock, words, gaps).alike("granted"))
        }
        ServiceFact::Lock(LockFact::Transferred { resource, holder, to, fencing_token, .. }) => {
            let waiting = view.lock_table().resources.iter().find(|at| at.resource == *resource);
            let passed = waiting.is_some_and(|at| at.waiters.iter().any(|waiter| waiter.holder != *to));
            let words = if passed {
                words![
                    "{0} hands {1} to {2}, ahead of all who wait, token {3}",
                    "{0} menyerahkan {1} kepada {2}, mendahului semua yang menunggu, token {3}"
                ]
            } else {
                words!["{0} hands {1} to {2}, token {3}", "{0} menyerahkan {1} kepada {2}, token {3}"]
            };
            let token = fencing_token.to_smolstr();
            Some(words::said(Topic::Lock, words, &[who(holder), resource, who(to), &token]).alike("granted"))
        }
        ServiceFact::Lock(LockFact::Queued { resource, holder, position, upgrade, .. }) => {
            let (holder, mut holders) = (who(holder), holders_of(view, resource));
            if *upgrade {
                // It has the lock shared itself, and waits for the others.
                holders.retain(|name| name != holder);
            }
            let words = match holders.len() {
                0 => words!["{0} waits for {1}, place {2}", "{0} menunggu {1}, urutan {2}"],
                1 => {
                    words![
                        "{0} waits for {1}, place {2}: {3} has it",
                        "{0} menunggu {1}, urutan {2}: dipegang {3}"
                    ]
                }
                _ => words![
                    "{0} waits for {1}, place {2}: {3} have it",
                    "{0} menunggu {1}, urutan {2}: dipegang {3}"
                ],
            };
            let place = position.to_smolstr();
            let gaps = [
                &[holder, resource, &place, &list(&holders, "and")],
                &[holder, resource, &place, &list(&holders, "dan")],
            ];
            Some(words::filled(Topic::Lock, words, gaps).alike("queued"))
        }
        ServiceFact::Lock(LockFact::Released { resource, holder, cause, .. }) => {
            Some(released(resource, holder, *cause))
        }
        ServiceFact::Lock(LockFact::WaitEnded { resource, holder, cause, .. }) => {
            let why = cause_words(*cause);
            Some(
                words::filled(
                    Topic::Lock,
                    words!["{0} waits for {1} no longer: {2}", "{0} tidak lagi menunggu {1}: {2}"],
                    [&[who(holder), resource, why[0]], &[who(holder), resource, why[1]]],
                )
                .bad()
                .alike("wait ended"),
            )
        }
        ServiceFact::Lock(LockFact::Deadlock { cycle, victim, .. }) => Some(deadlock(cycle, victim)),
        ServiceFact::Lock(LockFact::SessionOpened { client, .. }) => Some(
            words::said(Topic::Lock, words!["{0} opens a session", "{0} membuka sesi"], &[client])
                .alike("session"),
        ),
        ServiceFact::Lock(LockFact::SessionEnded { client, cause, .. }) => {
            let why = cause_words(*cause);
            let said = words::filled(
                Topic::Lock,
                words!["{0}'s session ended: {1}", "Sesi milik {0} berakhir: {1}"],
                [&[client, why[0]], &[client, why[1]]],
            );
            Some(if *cause == ReleaseCause::SessionExpired { said.bad() } else { said })
        }
        ServiceFact::Lock(LockFact::Renewed { .. })
        | ServiceFact::Lock(LockFact::SessionRenewed { .. })
        | ServiceFact::LocksCounted { .. }
        | ServiceFact::Queue(_)
        | ServiceFact::Cache(_) => None,
    }
}

fn released(resource: &str, holder: &Holder, cause: ReleaseCause) -> Said {
    let holder = who(holder);
    match cause {
        ReleaseCause::Client => words::said(
            Topic::Lock,
            words!["{0} gives {1} back", "{0} mengembalikan {1}"],
            &[holder, resource],
        )
        .alike("released"),
        ReleaseCause::Expired => words::said(
            Topic::Lock,
            words![
                "{0}'s lease on {1} ran out: the lock is taken back",
                "Masa pinjam {0} atas {1} habis: kuncinya diambil kembali"
            ],
            &[holder, resource],
        )
        .bad(),
        ReleaseCause::SessionClosed | ReleaseCause::SessionExpired | ReleaseCause::Transferred => {
            let why = cause_words(cause);
            words::filled(
                Topic::Lock,
                words!["{0} is taken back from {1}: {2}", "{0} diambil kembali dari {1}: {2}"],
                [&[resource, holder, why[0]], &[resource, holder, why[1]]],
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
        words![
            "Deadlock: {0}. The youngest wait goes: {1} is refused",
            "Deadlock: {0}. Penunggu termuda mengalah: {1} ditolak"
        ],
        [&[&list(&english, "and"), who(victim)], &[&list(&indonesian, "dan"), who(victim)]],
    )
    .bad()
}

/// The names of who holds it; a client that holds it in two of its sessions is named once.
fn holders_of(view: &View, resource: &str) -> Vec<SmolStr> {
    let found = view.lock_table().resources.iter().find(|locked| locked.resource == resource);
    let mut names: Vec<SmolStr> = Vec::new();
    for held in found.iter().flat_map(|locked| &locked.holders) {
        if !names.contains(&held.holder.client) {
            names.push(held.holder.client.clone());
        }
    }
    names
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
        ReleaseCause::Transferred => ["it handed its lock over", "ia menyerahkan kuncinya"],
    }
}
