//! Candidates, votes, leaders.

use super::{Said, Topic, UNWILLING, list, seconds};
use crate::event::fact::{Message, Role};
use crate::event::view::View;
use crate::ids::{NodeName, Term};

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
            let words = match silent_us.or_else(asked).or_else(heard) {
                Some(silent_us) => {
                    let [english, indonesian] = seconds(silent_us);
                    (
                        format!(
                            "{node} heard nothing from a leader for {english} s, so it stands for election in term {term}"
                        ),
                        format!(
                            "{node} tidak mendengar pemimpin selama {indonesian} d, maka ia mencalonkan diri di term {term}"
                        ),
                    )
                }
                None => (
                    format!("{node} knows no leader and stands for election in term {term}"),
                    format!("{node} tidak mengenal pemimpin dan mencalonkan diri di term {term}"),
                ),
            };
            Some(Said::new(Topic::Election, words.0, words.1))
        }
        Role::Leader => Some(crowned(view, node, term)),
        Role::Follower | Role::Learner => {
            let led = part.is_some_and(|part| part.role == Role::Leader && term > part.term);
            let followed = part.and_then(|part| part.leader.as_ref());
            if led {
                Some(Said::new(
                    Topic::Election,
                    format!("{node} learns of term {term}: it leads no longer"),
                    format!("{node} mengetahui term {term}: ia tidak lagi memimpin"),
                ))
            } else if change.leader.is_some() && followed != change.leader {
                let leader = change.leader?;
                Some(Said::new(
                    Topic::Election,
                    format!("{node} follows {leader} in term {term}"),
                    format!("{node} mengikuti {leader} di term {term}"),
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
        return Said::new(
            Topic::Election,
            format!("{node} leads term {term}"),
            format!("{node} memimpin term {term}"),
        );
    };
    let others: Vec<&NodeName> = election.granted.iter().filter(|voter| *voter != node).collect();
    let count = election.granted.len();
    if others.is_empty() {
        return Said::new(
            Topic::Election,
            format!("{node} votes for itself, {count} of {voters}, and leads term {term}"),
            format!("{node} memilih dirinya sendiri, {count} dari {voters}, dan memimpin term {term}"),
        );
    }
    Said::new(
        Topic::Election,
        format!(
            "{node} won the vote of {}, {count} of {voters} with its own, and leads term {term}",
            list(&others, "and")
        ),
        format!(
            "{node} memenangi suara {}, {count} dari {voters} dengan suaranya, dan memimpin term {term}",
            list(&others, "dan")
        ),
    )
}

/// The first question before an election.
pub(super) fn asked(view: &View, node: &NodeName, body: &Message) -> Option<Said> {
    let Message::Vote { pre: true, term, .. } = body else { return None };
    let election = view.control(node).and_then(|part| part.election.as_ref());
    if election.is_some_and(|election| election.term == *term) {
        return None;
    }
    Some(Said::new(
        Topic::Election,
        format!("{node} asks the others whether they would vote for it in term {term}"),
        format!("{node} bertanya apakah yang lain akan memilihnya di term {term}"),
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
            Said::new(
                Topic::Election,
                format!("{from} votes for {node} in term {term}: {have} of {need} needed"),
                format!("{from} memilih {node} di term {term}: {have} dari {need} yang dibutuhkan"),
            )
        }
        (true, true) => Said::new(
            Topic::Election,
            format!("{from} would vote for {node}"),
            format!("{from} bersedia memilih {node}"),
        ),
        (false, false) => Said::new(
            Topic::Election,
            format!("{from} refuses {node} its vote in term {term}"),
            format!("{from} menolak memilih {node} di term {term}"),
        )
        .bad(),
        (true, false) => return unwilling(node, from, &election.refused),
    };
    Some(said)
}

/// One sentence for all who would not vote: on a busy machine the question is asked and refused many times a second.
fn unwilling(node: &NodeName, from: &NodeName, before: &[NodeName]) -> Option<Said> {
    if before.contains(from) {
        return None;
    }
    let all: Vec<&NodeName> = before.iter().chain([from]).collect();
    let (english, indonesian) = match all.len() {
        1 => ("it hears its leader", "ia masih mendengar pemimpinnya"),
        _ => ("they hear their leader", "mereka masih mendengar pemimpinnya"),
    };
    let said = Said::new(
        Topic::Election,
        format!("{} would not vote for {node}: {english}", list(&all, "and")),
        format!("{} tidak akan memilih {node}: {indonesian}", list(&all, "dan")),
    );
    Some(said.bad().alike(UNWILLING))
}
