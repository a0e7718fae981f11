//! Which heartbeats share a frame.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use openraft::raft::AppendEntriesRequest;
use openraft_rt_tokio::TokioRuntime;

use super::world::{MemoryDisk, TestHost, eventually};
use crate::engine::heartbeats::Beaten;
use crate::engine::network::{News, Peers};
use crate::engine::node::Local;
use crate::engine::types::{Types, Vote};
use crate::ids::{GroupId, NodeId};
use crate::machine::Member;

fn beat() -> AppendEntriesRequest<Types<TokioRuntime>> {
    AppendEntriesRequest {
        vote: Vote::new_committed(4, NodeId(1)),
        prev_log_id: None,
        entries: Vec::new(),
        leader_commit: None,
    }
}

#[test]
fn a_commit_index_is_news_once() {
    let mut news = News::default();
    for (commit, expected) in
        [(None, false), (Some(0), true), (Some(0), false), (Some(7), true), (Some(3), false), (None, false)]
    {
        assert_eq!(news.is_news(commit), expected, "{commit:?}");
    }
}

#[tokio::test]
async fn whoever_is_in_a_hurry_takes_along_who_waits() {
    let host = TestHost::lonely(MemoryDisk::default());
    let local = Local { name: "node1".into(), address: "127.0.0.1:1".into(), boot: 1, peers: Vec::new() };
    let peers = Arc::new(Peers::new(host.clone(), local));
    let to = Member { id: NodeId(2), name: "node2".into(), incarnation: 1, address: "127.0.0.1:2".into() };
    let within = Duration::from_secs(5);
    let [waits, hurries] = [(1, false), (2, true)]
        .map(|(group, at_once)| peers.heartbeat(GroupId(group), &to, beat(), at_once, within));
    let (waited, hurried): (Beaten<_>, Beaten<_>) = join(waits, hurries).await;
    // Nobody is there; both know it from the same frame, and whoever gathered has nothing left to send.
    assert!(waited.is_err() && hurried.is_err());
    eventually("the tasks of both to end", || (Arc::strong_count(&peers) == 1).then_some(())).await;
    assert_eq!(host.sent().len(), 1);
}
