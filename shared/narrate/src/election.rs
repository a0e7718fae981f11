//! Candidates, votes, leaders.

use orrery_base::ids::{NodeName, Term};
use orrery_event::fact::{Message, Role};
use orrery_projection::view::{Process, View};
use smol_str::ToSmolStr;

use super::{Said, Topic, UNWILLING, list, seconds, words};

/// What a node reports of itself.
pub(super) struct Change<'a> {
    pub role: Role,
    pub term: Term,
    pub leader: Option<&'a NodeName>,
}

pub(super) fn role(
    view: &View,
    node: &NodeName,
    change: &Change<'_>,
    silent_us: Option<u64>,
    now_us: u64,
) -> Option<Said> {
    let part = view.control(node);
    let term = change.term;
    match change.role {
        Role::Candidate => {
            let heard =
                || part.and_then(|part| part.last_contact_us).map(|heard| now_us.saturating_sub(heard));
            let asked =
                || part.and_then(|part| part.election.as_ref()).and_then(|election| election.silent_us);
            let said = match silent_us.or_else(asked).or_else(heard) {
                Some(silent_us) => {
                    let [english, indonesian] = seconds(silent_us);
                    words::filled(
                        Topic::Election,
                        words![
                            "{0} heard nothing from a leader for {2} s, so it stands for election in term {1}",
                            "{0} tidak mendengar pemimpin selama {2} d, maka ia mencalonkan diri di term {1}"
                        ],
                        [&[node, &term.to_smolstr(), &english], &[node, &term.to_smolstr(), &indonesian]],
                    )
                }
                None => words::said(
                    Topic::Election,
                    words![
                        "{0} knows no leader and stands for election in term {1}",
                        "{0} tidak mengenal pemimpin dan mencalonkan diri di term {1}"
                    ],
                    &[node, &term.to_smolstr()],
                ),
            };
            Some(said)
        }
        Role::Leader => Some(crowned(view, node, term)),
        Role::Follower | Role::Learner => {
            let led = part.is_some_and(|part| part.role == Role::Leader && term > part.term);
            let followed = part.and_then(|part| part.leader.as_ref());
            if led {
                Some(words::said(
                    Topic::Election,
                    words![
                        "{0} learns of term {1}: it leads no longer",
                        "{0} mengetahui term {1}: ia tidak lagi memimpin"
                    ],
                    &[node, &term.to_smolstr()],
                ))
            } else if change.leader.is_some() && followed != change.leader {
                let leader = change.leader?;
                Some(words::said(
                    Topic::Election,
                    words!["{0} follows {1} in term {2}", "{0} mengikuti {1} di term {2}"],
                    &[node, leader, &term.to_smolstr()],
                ))
            } else {
                None
            }
        }
    }
}

fn crowned(view: &View, node: &NodeName, term: Term) -> Said {
    let part = view.control(node);
    let election = part.and_then(|part| part.election.as_ref()).filter(|election| election.term == term);
    let voters = part.map_or(0, |part| part.voters.len()).max(view.membership.voters.len());
    let Some(election) = election else {
        return words::said(
            Topic::Election,
            words!["{0} leads term {1}", "{0} memimpin term {1}"],
            &[node, &term.to_smolstr()],
        );
    };
    let others: Vec<&NodeName> = election.granted.iter().filter(|voter| *voter != node).collect();
    let count = election.granted.len();
    if others.is_empty() && voters == 1 {
        return words::said(
            Topic::Election,
            words![
                "{0} is the only voter: it votes for itself and leads term {1}",
                "{0} satu-satunya pemilih: ia memilih dirinya sendiri dan memimpin term {1}"
            ],
            &[node, &term.to_smolstr()],
        );
    }
    if others.is_empty() {
        // Whose votes it won was not seen: one vote is no majority of several.
        return words::said(
            Topic::Election,
            words!["{0} won a majority and leads term {1}", "{0} meraih mayoritas dan memimpin term {1}"],
            &[node, &term.to_smolstr()],
        );
    }
    let told = if voters < count {
        // Nobody said yet how many may vote.
        words!["{0} won the vote of {1} and leads term {4}", "{0} memenangi suara {1} dan memimpin term {4}"]
    } else {
        words![
            "{0} won the vote of {1}, {2} of {3} with its own, and leads term {4}",
            "{0} memenangi suara {1}, {2} dari {3} dengan suaranya, dan memimpin term {4}"
        ]
    };
    words::filled(
        Topic::Election,
        told,
        [
            &[node, &list(&others, "and"), &count.to_smolstr(), &voters.to_smolstr(), &term.to_smolstr()],
            &[node, &list(&others, "dan"), &count.to_smolstr(), &voters.to_smolstr(), &term.to_smolstr()],
        ],
    )
}

/// The first question before an election.
pub(super) fn asked(view: &View, node: &NodeName, body: &Message) -> Option<Said> {
    let Message::Vote { pre: true, term, .. } = body else { return None };
    let election = view.control(node).and_then(|part| part.election.as_ref());
    if election.is_some_and(|election| election.term == *term) {
        return None;
    }
    Some(words::said(
        Topic::Election,
        words![
            "{0} asks the others whether they would vote for it in term {1}",
            "{0} bertanya apakah yang lain akan memilihnya di term {1}"
        ],
        &[node, &term.to_smolstr()],
    ))
}

pub(super) fn vote(view: &View, node: &NodeName, from: &NodeName, pre: bool, granted: bool) -> Option<Said> {
    let part = view.control(node)?;
    let election = part.election.as_ref()?;
    if election.won || election.pre != pre || election.granted.contains(from) {
        return None;
    }
    let term = election.term;
    let said = match (pre, granted) {
        (false, true) => {
            let (have, need) = (election.granted.len() + 1, part.quorum());
            let told = if part.voters.is_empty() {
                // Nobody said yet how many are needed.
                words!["{0} votes for {1} in term {2}", "{0} memilih {1} di term {2}"]
            } else if have > need {
                words![
                    "{0} votes for {1} in term {2}, too: {3} votes, {4} were needed",
                    "{0} juga memilih {1} di term {2}: {3} suara, yang dibutuhkan {4}"
                ]
            } else {
                words![
                    "{0} votes for {1} in term {2}: {3} of {4} needed",
                    "{0} memilih {1} di term {2}: {3} dari {4} yang dibutuhkan"
                ]
            };
            words::said(
                Topic::Election,
                told,
                &[from, node, &term.to_smolstr(), &have.to_smolstr(), &need.to_smolstr()],
            )
        }
        (true, true) => words::said(
            Topic::Election,
            words!["{0} would vote for {1}", "{0} bersedia memilih {1}"],
            &[from, node],
        ),
        (false, false) => words::said(
            Topic::Election,
            words!["{0} refuses {1} its vote in term {2}", "{0} menolak memilih {1} di term {2}"],
            &[from, node, &term.to_smolstr()],
        )
        .bad(),
        (true, false) => return unwilling(view, node, from, &election.refused),
    };
    Some(said)
}

/// One sentence for all who would not vote: on a busy machine the question is asked and refused many times a second.
fn unwilling(view: &View, node: &NodeName, from: &NodeName, before: &[NodeName]) -> Option<Said> {
    if before.contains(from) {
        return None;
    }
    let all: Vec<&NodeName> = before.iter().chain([from]).collect();
    let last = |name: &NodeName| view.control(name).and_then(|part| part.last_log);
    // A leader that is gone was heard a moment ago: its lease at the voter is not over.
    let gone = |name: &NodeName| {
        let leader = view.control(name).and_then(|part| part.leader.as_ref());
        let leader = leader.and_then(|leader| view.node(leader));
        leader.is_some_and(|leader| matches!(leader.process, Process::Down | Process::Paused))
    };
    let longer =
        all.iter().all(|voter| matches!((last(voter), last(node)), (Some(has), Some(own)) if has > own));
    let (english, indonesian) = if longer {
        ("its log lacks entries", "log-nya kurang lengkap")
    } else {
        match (all.len(), all.iter().any(|voter| gone(voter))) {
            (1, true) => ("it heard its leader a moment ago", "ia baru saja mendengar pemimpinnya"),
            (1, false) => ("it hears its leader", "ia masih mendengar pemimpinnya"),
            (_, true) => ("they heard their leader a moment ago", "mereka baru saja mendengar pemimpinnya"),
            (_, false) => ("they hear their leader", "mereka masih mendengar pemimpinnya"),
        }
    };
    let said = words::filled(
        Topic::Election,
        words!["{0} would not vote for {1}: {2}", "{0} tidak akan memilih {1}: {2}"],
        [&[&list(&all, "and"), node, english], &[&list(&all, "dan"), node, indonesian]],
    );
    Some(said.bad().alike(UNWILLING))
}
