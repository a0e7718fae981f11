//! `orrery demo` as a test runs it: on ports of its own, in a folder of its own, ended at the end.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use orrery_api::demo::DemoNodes;
use orrery_api::node::Status;
use orrery_event::stream::{ProcessState, ProcessStatus};
use serde::de::DeserializeOwned;

use crate::http::Client;
use crate::process::{Folder, Running, free_ports, orrery_binary, until};

/// How long a cluster of five may take from nothing to a leader that all know.
const READY: Duration = Duration::from_secs(30);
/// Longest time of one request that is not told to wait.
const REQUEST: Duration = Duration::from_secs(8);
/// A demo that a killed test program left behind ends by itself.
const LONGEST_SECONDS: u32 = 600;

/// Nodes that a test may add to those that it began with.
const ADDED_MAX: u16 = 2;

#[derive(Clone, Copy, Debug)]
pub struct DemoOptions {
    pub nodes: u16,
    /// `realistic` or `classroom`.
    pub profile: &'static str,
}

impl Default for DemoOptions {
    fn default() -> Self {
        DemoOptions { nodes: 5, profile: "realistic" }
    }
}

/// A running demo: a supervisor and its nodes.
#[derive(Debug)]
pub struct Demo {
    // in the order in which they are dropped: the folder last
    supervisor: Running,
    folder: Folder,
    http: Client,
    port: u16,
    options: DemoOptions,
}

/// Starts a supervisor on a folder's data.
fn supervise(folder: &Folder, port: u16, options: DemoOptions) -> Result<Running> {
    let data = folder.path().join("data").display().to_string();
    let (nodes, port) = (options.nodes.to_string(), port.to_string());
    let longest = LONGEST_SECONDS.to_string();
    let flags = [
        ("--nodes", nodes.as_str()),
        ("--port", &port),
        ("--profile", options.profile),
        ("--for", &longest),
        ("--data", &data),
    ];
    let arguments =
        ["demo", "--no-open"].into_iter().chain(flags.into_iter().flat_map(|(flag, value)| [flag, value]));
    Running::start("supervisor", &orrery_binary()?, arguments, &[], folder.path())
}

impl Demo {
    /// Starts one and waits until every node knows the leader. `name` is only for people who look at its folder.
    pub async fn start(name: &str, options: DemoOptions) -> Result<Demo> {
        let folder = Folder::new(name)?;
        let port = free_ports(options.nodes + 1 + ADDED_MAX)?;
        let supervisor = supervise(&folder, port, options)?;
        let http = Client::new(REQUEST);
        let mut demo = Demo { supervisor, folder, http, port, options };
        if let Err(reason) = demo.wait_ready().await {
            let report = demo.report();
            return Err(reason.context(report));
        }
        Ok(demo)
    }

    /// The next demo on the same data, once the supervisor of this one is gone.
    pub async fn start_again(&mut self) -> Result<()> {
        self.supervisor = supervise(&self.folder, self.port, self.options)?;
        self.wait_ready().await
    }

    pub fn supervisor(&mut self) -> &mut Running {
        &mut self.supervisor
    }

    /// Process ids of the nodes that run.
    pub async fn pids(&self) -> Result<Vec<u32>> {
        Ok(self.processes().await?.into_iter().filter_map(|process| process.pid).collect())
    }

    async fn wait_ready(&mut self) -> Result<()> {
        let deadline = tokio::time::Instant::now() + READY;
        loop {
            if let Some(status) = self.supervisor.ended()? {
                bail!("`orrery demo` ended at once: {status}");
            }
            match self.all_agree().await {
                Ok(()) => return Ok(()),
                Err(reason) if tokio::time::Instant::now() >= deadline => {
                    return Err(reason.context(format!("no leader that all know within {READY:?}")));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Every node runs and follows one leader.
    async fn all_agree(&self) -> Result<()> {
        self.agreed_leader().await?;
        let processes = self.processes().await?;
        match processes.iter().find(|process| process.status != ProcessStatus::Running) {
            Some(process) => bail!("{} is {:?}", process.node, process.status),
            None => Ok(()),
        }
    }

    /// Where the dashboard is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Names of the nodes in their order.
    pub fn names(&self) -> Vec<String> {
        (1..=self.options.nodes).map(|number| format!("node{number}")).collect()
    }

    /// Where a node listens.
    pub fn node_url(&self, node: &str) -> Result<String> {
        let number: u16 = node
            .strip_prefix("node")
            .and_then(|number| number.parse().ok())
            .with_context(|| format!("`{node}` is no node of a demo"))?;
        Ok(format!("http://127.0.0.1:{}", self.port + number))
    }

    /// The client that this demo is asked with.
    pub fn http(&self) -> &Client {
        &self.http
    }

    /// The processes, as the supervisor sees them.
    pub async fn processes(&self) -> Result<Vec<ProcessState>> {
        let nodes: DemoNodes = self.get(&format!("{}/demo/nodes", self.url())).await?;
        Ok(nodes.nodes)
    }

    /// `GET /status` of one node.
    pub async fn status(&self, node: &str) -> Result<Status> {
        self.get(&format!("{}/status", self.node_url(node)?)).await
    }

    /// The control group's leader, when every running node names the same one and it agrees.
    pub async fn agreed_leader(&self) -> Result<Status> {
        let mut leader: Option<Status> = None;
        let mut named = Vec::new();
        for process in self.processes().await? {
            // a node that was killed or stopped on purpose has no say
            let Ok(status) = self.status(&process.node).await else {
                if process.status == ProcessStatus::Running {
                    bail!("{} runs and does not answer", process.node);
                }
                continue;
            };
            if status.leader_id.as_ref() == Some(&status.node_id) {
                leader = Some(status.clone());
            }
            named.push((status.node_id, status.leader_id, status.term));
        }
        let Some(leader) = leader else { bail!("nobody leads: {named:?}") };
        if named.iter().any(|(_, of, term)| of.as_ref() != Some(&leader.node_id) || *term != leader.term) {
            bail!("not all follow {}: {named:?}", leader.node_id);
        }
        Ok(leader)
    }

    /// Waits for [`Demo::agreed_leader`].
    pub async fn wait_leader(&self) -> Result<Status> {
        until("a leader that all running nodes know", Duration::from_secs(15), || self.agreed_leader()).await
    }

    /// `POST /demo/nodes/{node}/{action}`: `kill`, `start`, `pause`, `resume`.
    pub async fn act(&self, node: &str, action: &str) -> Result<()> {
        let url = format!("{}/demo/nodes/{node}/{action}", self.url());
        let answer = self.http.post(&url).json(&serde_json::json!({})).send().await?;
        if !answer.is_success() {
            bail!("{url} answered {}: {}", answer.status, answer.text());
        }
        Ok(())
    }

    /// A JSON body by GET; anything but 2xx is an error with its body.
    pub async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T> {
        let answer = self.http.get(url).send().await?;
        if !answer.is_success() {
            bail!("{url} answered {}: {}", answer.status, answer.text());
        }
        answer.json()
    }

    /// A JSON body by POST to a node: status and body, whatever they are.
    pub async fn post(
        &self,
        node: &str,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<(u16, serde_json::Value)> {
        let url = format!("{}{path}", self.node_url(node)?);
        let answer = self.http.post(&url).json(body).send().await?;
        Ok((answer.status, answer.json()?))
    }

    /// What a failure's report says about this demo. Its folder stays for whoever wants to look closer.
    pub fn report(&mut self) -> String {
        self.folder.keep();
        let last_words = self.names().into_iter().map(|name| {
            let log = std::fs::read_to_string(self.folder.path().join("data").join(format!("{name}.log")));
            format!("{name}: {}", log.unwrap_or_default().lines().last().unwrap_or_default())
        });
        format!("{}\n{}", self.supervisor.log_tail(), last_words.collect::<Vec<_>>().join("\n"))
    }
}
