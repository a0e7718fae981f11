//! `--join`: who the members of a cluster are, asked of one of them over HTTP. The engine then asks these, over the peers'
//! links, for an identity.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use orrery_api::node::Cluster;
use orrery_engine::StaticPeer;
use tokio::time::{sleep, timeout};

use crate::client::Client;
use crate::config::NodeConfig;

/// How long the given addresses are asked until one answers.
const LOOK_MAX: Duration = Duration::from_secs(60);
/// How long one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// A reason that stays is said this often.
const AGAIN: Duration = Duration::from_secs(5);
/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(250);

/// The members of the cluster that `--join` points to.
///
/// # Errors
/// Nobody there is part of a cluster within a minute; or a member elsewhere has this node's name.
pub async fn members(config: &NodeConfig) -> Result<Vec<StaticPeer>> {
    let began = Instant::now();
    let mut said = BTreeMap::new();
    loop {
        for address in &config.join {
            let why = match timeout(ANSWER_MAX, cluster(address)).await {
                Ok(Ok(cluster)) if cluster.cluster.is_some() => return others(config, cluster),
                Ok(Ok(_)) => "is not part of a cluster yet".to_owned(),
                Ok(Err(error)) => format!("{error:#}"),
                Err(_) => "does not answer".to_owned(),
            };
            if is_news(&mut said, address, &why, Instant::now()) {
                tracing::info!(%address, "cannot be joined yet: {why}");
            }
        }
        ensure!(
            began.elapsed() < LOOK_MAX,
            "nobody at {} is part of a cluster: --join takes HOST:PORT of a node that runs",
            config.join.join(", ")
        );
        sleep(PAUSE).await;
    }
}

/// Each reason is said at once, and then every [`AGAIN`].
fn is_news<'a>(
    said: &mut BTreeMap<&'a str, (String, Instant)>,
    address: &'a str,
    why: &str,
    now: Instant,
) -> bool {
    let known = said.get(address).is_some_and(|(last, at)| last == why && now < *at + AGAIN);
    if !known {
        said.insert(address, (why.to_owned(), now));
    }
    !known
}

async fn cluster(address: &str) -> Result<Cluster> {
    Client::connect(address).await?.get("/cluster").await
}

fn others(config: &NodeConfig, cluster: Cluster) -> Result<Vec<StaticPeer>> {
    let namesake = cluster.members.iter().find(|member| member.node == config.id);
    if let Some(namesake) = namesake {
        ensure!(
            namesake.address == config.advertise || config.replace,
            "the cluster has a {} already, at {}: choose another --id, or take its place with --replace once it is away",
            config.id,
            namesake.address
        );
    }
    let others = cluster.members.into_iter().filter(|member| member.node != config.id);
    Ok(others.map(|member| StaticPeer { name: member.node, address: member.address }).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser as _;
    use orrery_api::node::ClusterMember;
    use orrery_base::ids::{ClusterId, NodeId};

    use super::*;
    use crate::cli::{Cli, Command};

    fn config(id: &str, listen: &str) -> NodeConfig {
        let line = ["orrery", "node", "--id", id, "--listen", listen, "--join", "127.0.0.1:8001"];
        let Command::Node(args) = Cli::try_parse_from(line).unwrap().command else { unreachable!() };
        NodeConfig::from_args(*args).unwrap()
    }

    fn cluster() -> Cluster {
        let member = |number: u16| ClusterMember {
            node: format!("node{number}").into(),
            raft_id: NodeId(number.into()),
            incarnation: 1,
            address: format!("127.0.0.1:{}", 8000 + number),
            voter: true,
            leaving: false,
        };
        Cluster {
            cluster: Some(ClusterId(7)),
            shards: 8,
            replicas: 3,
            version: 2,
            leader: None,
            members: (1..=3).map(member).collect(),
            map_version: 0,
            map: Vec::new(),
        }
    }

    #[test]
    fn each_reason_is_said_at_once_and_then_now_and_then() {
        let (mut said, now) = (BTreeMap::new(), Instant::now());
        let mut news =
            |address, why, after_ms| is_news(&mut said, address, why, now + Duration::from_millis(after_ms));
        assert!(news("a", "does not answer", 0) && news("b", "does not answer", 0));
        assert!(!news("a", "does not answer", 4_999));
        assert!(news("a", "is not part of a cluster yet", 4_999), "another reason");
        assert!(news("b", "does not answer", 5_000) && !news("b", "does not answer", 5_250));
    }

    #[test]
    fn a_name_is_one_node() {
        let names = |id, listen| {
            let peers = others(&config(id, listen), cluster());
            peers.map(|peers| peers.iter().map(|peer| peer.name.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(names("node4", "127.0.0.1:8004").unwrap(), ["node1", "node2", "node3"]);
        assert_eq!(names("node2", "127.0.0.1:8002").unwrap(), ["node1", "node3"], "it lost its disk");
        let error = names("node2", "127.0.0.1:8004").unwrap_err().to_string();
        assert!(error.contains("--id"), "{error}");
    }
}
