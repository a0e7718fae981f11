//! What a node is asked about itself, the cluster and faults.

use orrery_base::error::ErrorCode;
use serde_json::json;

use super::call::Call;
use crate::fault::{CutLink, CutLinks, FaultQuery, FaultSet, Faults};
use crate::node::{
    BackupQuery, Cluster, Compare, Comparison, Health, Leave, Live, Readiness, Status, TransferLeader,
};
use crate::stream::ReaderQuery;

pub fn calls() -> Vec<Call> {
    [probes(), cluster(), streams(), faults()].into_iter().flatten().collect()
}

fn probes() -> Vec<Call> {
    let foreign = "Origin is not the cluster's.";
    let probe = |path, summary| Call::get(path, summary).refused_where(ErrorCode::ForbiddenOrigin, foreign);
    let not_yet = ErrorCode::NotReady.status();
    vec![
        probe("/livez", "Does the process run?").shows::<Live>(200, "It runs."),
        probe("/readyz", "Can it serve a request now?")
            .described(
                "Every group that runs here has a leader whom a majority confirmed within an election time-out. The three probes \
                 answer under any Host.",
            )
            .shows::<Readiness>(200, "It can.")
            .shows::<Readiness>(not_yet, "It may have to wait or fail; the reasons."),
        probe("/health", "Does it serve?")
            .shows::<Health>(200, "It serves.")
            .shows::<Health>(not_yet, "Not yet."),
        Call::get("/status", "The node's Raft state").shows::<Status>(200, "The state."),
    ]
}

fn cluster() -> Vec<Call> {
    let node = || json!({ "node": "node1" });
    vec![
        Call::get("/cluster", "Identity, members, leader").shows::<Cluster>(200, "The record."),
        Call::new("post", "/cluster/leader", "Hand leadership over")
            .body::<TransferLeader>(true, node())
            .shows::<Cluster>(200, "It moved.")
            .refused_where(ErrorCode::NotFound, "There is no such node.")
            .refused_where(ErrorCode::Conflict, "It does not vote.")
            .refused_where(ErrorCode::Unavailable, "There is no leader, or leadership did not move.")
            .refused(&[ErrorCode::NotReady]),
        Call::new("post", "/cluster/leave", "Ask a member out of the cluster: its shards move away first")
            .body::<Leave>(true, node())
            .shows::<Cluster>(200, "It is decided; GET /cluster shows it as leaving until it is gone.")
            .refused_where(ErrorCode::NotFound, "No such member.")
            .refused_where(ErrorCode::Conflict, "Too few nodes would stay for the replicas of a shard.")
            .refused_where(ErrorCode::OutcomeUnknown, "It is not known whether it leaves. Asking again is safe.")
            .refused(&[ErrorCode::Unavailable, ErrorCode::NotReady]),
        Call::new("post", "/cluster/compare", "Compare the replicas of the groups that this node leads")
            .body::<Compare>(true, json!({}))
            .shows::<Comparison>(200, "How the comparisons ended."),
        Call::get("/backup", "The state of one group, for `orrery backup`")
            .query::<BackupQuery>(&[])
            .gives(
                "application/octet-stream",
                json!({ "type": "string", "format": "binary" }),
                "A snapshot file whose first chunk says what it is of, confirmed by a majority. It ends with a checksum; without it, \
                 it is not complete.",
            )
            .refused_where(ErrorCode::BadRequest, "The group is no number.")
            .refused_where(ErrorCode::LimitReached, "This node is giving a backup already.")
            .refused_where(ErrorCode::Unavailable, "The group has no replica here, or no majority confirms it now."),
    ]
}

fn streams() -> Vec<Call> {
    let text = json!({ "type": "string" });
    vec![
        Call::get("/metrics", "Figures for Prometheus").gives("text/plain", text, "Prometheus text format."),
        Call::get("/ws/events", "The event stream (WebSocket)")
            .described(
                "Hello, then a snapshot or a resume, then batches and beats. The frames are described in \
                 shared/event/src/stream.rs.",
            )
            .query::<ReaderQuery>(&[])
            .becomes("The stream begins.")
            .refused_where(
                ErrorCode::LimitReached,
                "Eight different choices of groups and detail are in use, or 128 readers are connected.",
            ),
    ]
}

fn faults() -> Vec<Call> {
    let set = || {
        json!({ "faults": [
            { "from": "node1", "to": "node2", "cut": true },
            { "from": "node2", "to": "node1", "delay_ms": 40, "loss_percent": 5 },
        ] })
    };
    let answered = |call: Call| call.query::<FaultQuery>(&[]).shows::<Faults>(200, "What is wrong now.");
    let no_node = |call: Call| call.refused_where(ErrorCode::NotFound, "No such node.");
    let change = "Break or heal directions of links, many at once (only with --faults): each of these directions suffers just this \
        from now on, the others stay as they are";
    let heal = "Heal directions of links, all of them where there is no body (only with --faults)";
    vec![
        answered(Call::get("/faults", "What is wrong with the links (only with --faults)")),
        no_node(answered(Call::new("post", "/faults", change).body::<FaultSet>(true, set()))),
        no_node(answered(Call::new("delete", "/faults", heal).body::<FaultSet>(false, set()))),
        Call::new(
            "post",
            "/fault/link",
            "Cut or heal what this node sends to one peer (only with --faults); POST /faults does more",
        )
        .body::<CutLink>(true, json!({ "peer": "node2", "cut": true }))
        .shows::<CutLinks>(200, "Done.")
        .refused_where(ErrorCode::NotFound, "No such peer."),
    ]
}
