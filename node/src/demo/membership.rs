//! Nodes come and go while the demo runs: a new process joins the cluster; a node that shall go is asked out of it, and its
//! process ends once its shards moved away.

use std::net::TcpListener;
use std::time::Duration;

use orrery_api::node::{Cluster, Status};
use orrery_base::error::{ApiError, ErrorBody, ErrorCode};
use orrery_base::ids::NodeName;
use tokio::time::{Instant, sleep, timeout};

use super::process::{self, Signal};
use super::supervisor::{KILL_MAX, Node, STOP_MAX, Supervisor, conflict, node_name, unknown};
use crate::client::Client;

/// Most nodes of a demo.
pub const NODES_MAX: usize = 15;

/// How long one node may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(8);
/// Between two looks whether a node is a member still.
const LOOK: Duration = Duration::from_millis(500);
/// How long the shards of a node may take to move away.
const LEAVE_MAX: Duration = Duration::from_secs(30 * 60);

impl Supervisor {
    /// `POST /demo/nodes`: starts one more node, which joins the cluster.
    pub async fn add(&self) -> Result<NodeName, ApiError> {
        let (name, address) = self.make_room()?;
        self.guard().allow([address.as_str()]);
        self.shared.hub.members_changed();
        if let Err(error) = self.start(&name).await {
            self.drop_node(&name);
            return Err(error);
        }
        Ok(name)
    }

    /// The smallest number that nobody has.
    fn make_room(&self) -> Result<(NodeName, String), ApiError> {
        let shared = &self.shared;
        let mut nodes = shared.nodes.lock();
        if nodes.len() >= NODES_MAX {
            let message = format!("A demo has at most {NODES_MAX} nodes.");
            return Err(ApiError::new(ErrorCode::LimitReached, message));
        }
        let taken = |number: &u16| nodes.values().any(|node| node.number == *number);
        let number = (1..).find(|number| !taken(number)).unwrap_or(u16::MAX);
        let name = node_name(number);
        let node = Node { joined: true, ..Node::new(&shared.plan, number) };
        // A plain bind, as the node's own: the listener is dropped at once, nothing was ever connected to it.
        if let Err(error) = TcpListener::bind(&node.address) {
            return Err(conflict(format!("{name} cannot listen on {}: {error}.", node.address)));
        }
        let failed = |error| ApiError::new(ErrorCode::Internal, format!("{name} has no folder: {error:#}."));
        shared.folder.forget(&name).map_err(failed)?;
        let address = node.address.clone();
        nodes.insert(name.clone(), node);
        shared.note_present(&nodes);
        Ok((name, address))
    }

    /// `DELETE /demo/nodes/{id}`: asks a node out of the cluster. Answers when that is decided; its process ends when its
    /// shards moved away.
    pub async fn remove(&self, name: &str) -> Result<(), ApiError> {
        match self.shared.nodes.lock().get(name) {
            None => return Err(unknown(name)),
            Some(node) if node.leaving => return Err(conflict(format!("{name} leaves already."))),
            Some(_) => {}
        }
        self.ask_out(name).await?;
        match self.shared.nodes.lock().get_mut(name) {
            Some(node) => node.leaving = true,
            // It ended meanwhile and is forgotten: whoever gets its name next is another one.
            None => return Ok(()),
        }
        tokio::spawn(self.clone().see_off(name.into()));
        Ok(())
    }

    /// Through whichever node answers.
    async fn ask_out(&self, name: &str) -> Result<(), ApiError> {
        for address in self.running_but(name) {
            let body = serde_json::json!({ "node": name });
            let asked = async { Client::connect(&address).await?.post("/cluster/leave", &body).await };
            let Ok(Ok((status, bytes))) = timeout(ANSWER_MAX, asked).await else { continue };
            match (status, serde_json::from_slice::<ErrorBody>(&bytes)) {
                // It left before, and its process is still here.
                (200 | 404, _) => return Ok(()),
                (503, _) => {}
                (_, Ok(body)) => return Err(body.error),
                (_, Err(_)) => {}
            }
        }
        let message = format!("No node could say whether {name} may leave: is there a leader?");
        Err(ApiError::new(ErrorCode::Unavailable, message))
    }

    /// Addresses of the others that run and are not paused.
    fn running_but(&self, name: &str) -> Vec<String> {
        let nodes = self.shared.nodes.lock();
        let runs = |node: &Node| node.running.as_ref().is_some_and(|running| !running.paused);
        let others = nodes.iter().filter(|(other, node)| *other != name && runs(node));
        others.map(|(_, node)| node.address.clone()).collect()
    }

    /// Waits until it is no member any more, then ends its process and forgets it.
    async fn see_off(self, name: NodeName) {
        let deadline = Instant::now() + LEAVE_MAX;
        while self.is_member(&name).await {
            if Instant::now() > deadline {
                tracing::warn!(%name, "is a member still, and is waited for no longer");
                if let Some(node) = self.shared.nodes.lock().get_mut(&name) {
                    node.leaving = false;
                }
                return;
            }
            sleep(LOOK).await;
        }
        if let Some(node) = self.shared.nodes.lock().get_mut(&name) {
            node.left = true;
        }
        // Time for the last facts of the others about this node, before it is forgotten.
        sleep(LOOK).await;
        self.end(&name).await;
        self.drop_node(&name);
    }

    /// Whether a node is in the record or still in the control group's membership. True also where no node answers.
    async fn is_member(&self, name: &NodeName) -> bool {
        for address in self.running_but(name) {
            let asked = async {
                let mut client = Client::connect(&address).await?;
                let cluster: Cluster = client.get("/cluster").await?;
                let status: Status = client.get("/status").await?;
                let recorded = cluster.members.iter().any(|member| member.node == *name);
                anyhow::Ok(recorded || status.peers.iter().any(|peer| peer.node_id == *name))
            };
            if let Ok(Ok(is_member)) = timeout(ANSWER_MAX, asked).await {
                return is_member;
            }
        }
        true
    }

    /// A node that is no member ends by itself, or is ended.
    async fn end(&self, name: &NodeName) {
        for (signals, patience) in
            [(&[Signal::Continue, Signal::Terminate][..], STOP_MAX), (&[Signal::Kill], KILL_MAX)]
        {
            let running =
                self.shared.nodes.lock().get(name).and_then(|node| {
                    node.running.as_ref().map(|running| (running.pid, running.ended.clone()))
                });
            let Some((pid, mut ended)) = running else { return };
            for signal in signals {
                if let Err(error) = process::signal(pid, *signal) {
                    tracing::warn!(%name, "{error:#}");
                }
            }
            if timeout(patience, ended.wait_for(|ended| *ended)).await.is_ok() {
                return;
            }
        }
    }

    /// Forgets a node that is no member any more, and its data.
    pub(super) fn drop_node(&self, name: &NodeName) {
        let shared = &self.shared;
        {
            let mut nodes = shared.nodes.lock();
            nodes.remove(name);
            shared.note_present(&nodes);
        }
        if let Err(error) = shared.folder.forget(name) {
            tracing::warn!(%name, "its data could not be removed: {error:#}");
        }
        shared.hub.members_changed();
    }
}
