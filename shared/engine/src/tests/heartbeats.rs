//! Which heartbeats share a frame.

use std::sync::Arc;

use futures_util::future::join;
use openraft::raft::AppendEntriesRequest;
use openraft_rt_tokio::TokioRuntime;
use orrery_base::ids::{GroupId, NodeId};
use orrery_machine::Member;

use super::world::{MemoryDisk, TestHost, eventually};
use crate::local::Local;
use crate::peer::client::Peers;
use crate::peer::heartbeats::Beaten;
use crate::peer::message::Beat;
use crate::peer::witness::Witness;
use crate::raft::network::News;
use crate::types::Vote;
use crate::{EngineConfig, Profile};

fn beat(group: u16) -> Beat<TokioRuntime> {
    let append = AppendEntriesRequest {
        vote: Vote::new_committed(4, NodeId(1)),
        prev_log_id: None,
        entries: Vec::new(),
        leader_commit: None,
    };
    Beat { group: GroupId(group), append, confirmed_us: None }
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
    let witness = Witness::open(host.clone(), None).await.unwrap();
    let peers = Arc::new(Peers::new(host.clone(), local, &EngineConfig::new(Profile::Realistic), witness));
    let to = Member { id: NodeId(2), name: "node2".into(), incarnation: 1, address: "127.0.0.1:2".into() };
    let [waits, hurries] =
        [(1, false), (2, true)].map(|(group, at_once)| peers.heartbeat(&to, beat(group), at_once));
    let (waited, hurried): (Beaten<_>, Beaten<_>) = join(waits, hurries).await;
    // Nobody is there; both know it from the same frame, and whoever gathered has nothing left to send.
    assert!(waited.is_err() && hurried.is_err());
    eventually("the tasks of both to end", || (Arc::strong_count(&peers) == 1).then_some(())).await;
    assert_eq!(host.sent().len(), 1);
}
