//! The processes of the demo: who runs, who is paused, who is down, and how to change that.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use orrery_api::demo::DemoNodes;
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::ids::NodeName;
use orrery_event::Fact;
use orrery_event::fact::LEFT_CLUSTER;
use orrery_event::stream::{MemberAddress, ProcessState, ProcessStatus};
use parking_lot::Mutex;
use tokio::process::{Child, ChildStdin};
use tokio::sync::watch;
use tokio::time::timeout;

use super::folder::Folder;
use super::leftovers::{self, Started};
use super::process::{self, CAN_PAUSE, Signal};
use crate::cli::DemoArgs;
use crate::clock::wall_us;
use crate::config::Secret;
use crate::events::{Hub, Introduced, Known, Recorder, Source};
use crate::http::guard::Guard;
use crate::transport::same_user;

/// How long a killed process may take to be gone.
pub(super) const KILL_MAX: Duration = Duration::from_secs(5);
/// How long a node may take to stop by itself, before it is killed.
pub(super) const STOP_MAX: Duration = Duration::from_secs(4);

/// What is to be run.
pub struct Plan {
    /// From the command line.
    pub args: DemoArgs,
    pub program: PathBuf,
    pub secret: Secret,
    /// What the nodes write into their logs, as `RUST_LOG` says it.
    pub log: Option<String>,
}

/// The supervisor. Cheap to clone.
#[derive(Clone)]
pub struct Supervisor {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) folder: Folder,
    own_address: String,
    pub(super) hub: Hub,
    recorder: Recorder,
    /// Who may call the supervisor.
    guard: Guard,
    pub(super) nodes: Mutex<BTreeMap<NodeName, Node>>,
}

pub(super) struct Node {
    /// Its place in the order in which they are drawn, and after the dashboard's its port.
    pub(super) number: u16,
    /// It came to a cluster that was there already.
    pub(super) joined: bool,
    /// It was asked to go.
    pub(super) leaving: bool,
    /// It is no member any more: its end is no failure, whether it ends by itself or is told to.
    pub(super) left: bool,
    pub(super) address: String,
    pub(super) running: Option<Running>,
    /// Since when it runs, is stopped or is not there.
    pub(super) since_us: u64,
}

pub(super) struct Running {
    pub(super) pid: u32,
    pub(super) paused: bool,
    record: Option<Started>,
    pub(super) ended: watch::Receiver<bool>,
    /// Its end is the child's end.
    _stdin: Option<ChildStdin>,
}

impl Supervisor {
    /// Nothing runs yet. `present` are the numbers of the cluster's nodes.
    pub fn new(plan: Plan, folder: Folder, present: &[u16], hub: Hub) -> Supervisor {
        let own_address = plan.address(0);
        let nodes: BTreeMap<NodeName, Node> =
            present.iter().map(|number| (node_name(*number), Node::new(&plan, *number))).collect();
        let addresses = nodes.values().map(|node| node.address.as_str()).chain([own_address.as_str()]);
        Supervisor {
            shared: Arc::new(Shared {
                guard: Guard::new(addresses),
                own_address,
                plan,
                folder,
                recorder: hub.recorder().clone(),
                hub,
                nodes: Mutex::new(nodes),
            }),
        }
    }

    /// Who may call the supervisor.
    pub fn guard(&self) -> Guard {
        self.shared.guard.clone()
    }

    /// Name and `host:port` of each node, in order.
    pub fn addresses(&self) -> Vec<(NodeName, String)> {
        let nodes = self.shared.nodes.lock();
        in_order(&nodes).map(|(name, node)| (name.clone(), node.address.clone())).collect()
    }

    /// For the event stream.
    pub fn source(&self) -> Arc<dyn Source> {
        Arc::new(self.clone())
    }

    /// `GET /demo/nodes`
    pub fn list(&self) -> DemoNodes {
        DemoNodes { profile: self.shared.plan.args.profile.as_str().into(), nodes: self.states() }
    }

    fn states(&self) -> Vec<ProcessState> {
        let nodes = self.shared.nodes.lock();
        states(&nodes)
    }

    /// Starts a node that is down; gives its process id.
    pub async fn start(&self, name: &str) -> Result<u32, ApiError> {
        let shared = &self.shared;
        let mut nodes = shared.nodes.lock();
        if let Some(running) = &nodes.get(name).ok_or_else(|| unknown(name))?.running {
            return Err(conflict(format!("{name} runs already (process {}).", running.pid)));
        }
        let mut child = shared.spawn(&nodes, name).map_err(|error| {
            ApiError::new(ErrorCode::Internal, format!("{name} could not be started: {error:#}."))
        })?;
        let pid = child.id().unwrap_or_default();
        let (ending, ended) = watch::channel(false);
        let node = nodes.get_mut(name).ok_or_else(|| unknown(name))?;
        node.running = Some(Running {
            pid,
            paused: false,
            record: Started::of(pid, shared.folder.data(name)),
            ended,
            _stdin: child.stdin.take(),
        });
        node.since_us = wall_us();
        shared.record(&nodes);
        shared.recorder.emit(Fact::NodeStarted { node: name.into(), pid });
        drop(nodes);
        tokio::spawn(self.clone().watch(name.into(), child, ending));
        Ok(pid)
    }

    /// Waits for a child's end and says how it ended.
    async fn watch(self, name: NodeName, mut child: Child, ending: watch::Sender<bool>) {
        let mut cause = match child.wait().await {
            Ok(status) => process::cause(status),
            Err(error) => format!("lost: {error}").into(),
        };
        let mut nodes = self.shared.nodes.lock();
        let mut seen_off = false;
        if let Some(node) = nodes.get_mut(&name) {
            if node.left {
                cause = LEFT_CLUSTER.into();
            }
            node.running = None;
            node.since_us = wall_us();
            seen_off = node.leaving;
        }
        let left = cause == LEFT_CLUSTER;
        self.shared.record(&nodes);
        self.shared.recorder.emit(Fact::NodeExited { node: name.clone(), cause });
        drop(nodes);
        // Those who wait may have given up.
        let _ = ending.send(true);
        // It was asked out by somebody else, through a node.
        if left && !seen_off {
            self.drop_node(&name);
        }
    }

    /// SIGKILL; answers once the process is gone.
    pub async fn kill(&self, name: &str) -> Result<(), ApiError> {
        let mut ended = self.signal(name, Signal::Kill, |_| Ok(()))?;
        if timeout(KILL_MAX, ended.wait_for(|ended| *ended)).await.is_err() {
            return Err(ApiError::new(ErrorCode::Internal, format!("{name} was killed but is still there.")));
        }
        Ok(())
    }

    /// SIGSTOP.
    pub fn pause(&self, name: &str) -> Result<(), ApiError> {
        can_pause()?;
        self.signal(name, Signal::Stop, |running| match running.paused {
            true => Err(conflict(format!("{name} is paused already."))),
            false => {
                running.paused = true;
                Ok(())
            }
        })?;
        Ok(())
    }

    /// SIGCONT.
    pub fn resume(&self, name: &str) -> Result<(), ApiError> {
        can_pause()?;
        self.signal(name, Signal::Continue, |running| match running.paused {
            true => {
                running.paused = false;
                Ok(())
            }
            false => Err(conflict(format!("{name} is not paused."))),
        })?;
        Ok(())
    }

    fn signal(
        &self,
        name: &str,
        signal: Signal,
        change: impl FnOnce(&mut Running) -> Result<(), ApiError>,
    ) -> Result<watch::Receiver<bool>, ApiError> {
        let mut nodes = self.shared.nodes.lock();
        let node = nodes.get_mut(name).ok_or_else(|| unknown(name))?;
        let running = node.running.as_mut().ok_or_else(|| conflict(format!("{name} does not run.")))?;
        change(running)?;
        process::signal(running.pid, signal)
            .map_err(|error| ApiError::new(ErrorCode::Internal, format!("{name}: {error:#}.")))?;
        let ended = running.ended.clone();
        if matches!(signal, Signal::Stop | Signal::Continue) {
            node.since_us = wall_us();
        }
        match signal {
            Signal::Stop => self.shared.recorder.emit(Fact::NodePaused { node: name.into() }),
            Signal::Continue => self.shared.recorder.emit(Fact::NodeResumed { node: name.into() }),
            Signal::Terminate | Signal::Kill => {}
        }
        Ok(ended)
    }

    /// Ends all: SIGCONT (a stopped process takes no other signal), SIGTERM, and what is still there then, SIGKILL.
    pub async fn stop_all(&self) {
        let mut waiting = Vec::new();
        for (name, running) in self.shared.nodes.lock().iter() {
            if let Some(running) = &running.running {
                for signal in [Signal::Continue, Signal::Terminate] {
                    if let Err(error) = process::signal(running.pid, signal) {
                        tracing::warn!(%name, "{error:#}");
                    }
                }
                waiting.push((name.clone(), running.pid, running.ended.clone()));
            }
        }
        let deadline = tokio::time::Instant::now() + STOP_MAX;
        for (name, pid, mut ended) in waiting {
            if tokio::time::timeout_at(deadline, ended.wait_for(|ended| *ended)).await.is_ok() {
                continue;
            }
            tracing::warn!(%name, pid, "does not stop by itself and is killed");
            if let Err(error) = process::signal(pid, Signal::Kill) {
                tracing::warn!(%name, "{error:#}");
            }
            if timeout(KILL_MAX, ended.wait_for(|ended| *ended)).await.is_err() {
                tracing::error!(%name, pid, "is still there");
            }
        }
    }
}

impl Shared {
    fn spawn(&self, nodes: &BTreeMap<NodeName, Node>, name: &str) -> Result<Child> {
        let node = nodes.get(name).context("there is no such node")?;
        // Those who found the cluster know each other from the start; whoever comes later asks them.
        let (others, list) = if node.joined {
            let others = nodes.iter().filter(|(other, _)| *other != name);
            ("--join", others.map(|(_, other)| other.address.clone()).collect::<Vec<_>>())
        } else {
            let founders = 1..=self.plan.args.nodes;
            let peer = |number| format!("{}={}", node_name(number), self.plan.address(number));
            ("--peers", founders.map(peer).collect())
        };
        let arguments: Vec<String> = [
            ("--id", name.to_owned()),
            ("--listen", node.address.clone()),
            (others, list.join(",")),
            ("--down-after-s", self.plan.args.down_after_s.to_string()),
            ("--data", self.folder.data(name).display().to_string()),
            ("--profile", self.plan.args.profile.as_str().to_owned()),
            ("--allow-origins", self.own_address.clone()),
        ]
        .into_iter()
        .flat_map(|(flag, value)| [flag.to_owned(), value])
        .collect();
        let mut all = vec!["node".to_owned()];
        all.extend(arguments);
        all.extend(["--faults", "--no-dotenv", "--end-with-stdin"].map(str::to_owned));
        self.folder.claim(name)?;
        // In the environment, not on the command line, which every user of the machine can read. Where nodes know each other by
        // their user, links stay on this machine and need not be encrypted.
        let secret = String::from_utf8_lossy(&self.plan.secret.0).into_owned();
        let secret = (!same_user::can_be_known()).then_some(("CLUSTER_SECRET", secret));
        let log = self.plan.log.clone().map(|log| ("RUST_LOG", log));
        let environment: Vec<_> = secret.into_iter().chain(log).collect();
        process::start(&self.plan.program, &all, &environment, &self.folder.log(name))
    }

    fn record(&self, nodes: &BTreeMap<NodeName, Node>) {
        let running: Vec<Started> = nodes
            .values()
            .filter_map(|node| node.running.as_ref().and_then(|running| running.record.clone()))
            .collect();
        if let Err(error) = leftovers::record(&self.folder, &running) {
            tracing::warn!("what runs could not be recorded: {error:#}");
        }
    }

    /// Remembers which nodes there are, for the next demo.
    pub(super) fn note_present(&self, nodes: &BTreeMap<NodeName, Node>) {
        let present: Vec<u16> = in_order(nodes).map(|(_, node)| node.number).collect();
        if let Err(error) = self.folder.note_settings(&self.plan.args, Some(&present)) {
            tracing::warn!("which nodes there are could not be recorded: {error:#}");
        }
    }
}

impl Plan {
    /// `host:port` of a node; 0 is the supervisor.
    fn address(&self, number: u16) -> String {
        format!("127.0.0.1:{}", self.args.port + number)
    }
}

impl Node {
    pub(super) fn new(plan: &Plan, number: u16) -> Node {
        Node {
            number,
            joined: number > plan.args.nodes,
            leaving: false,
            left: false,
            address: plan.address(number),
            running: None,
            since_us: wall_us(),
        }
    }
}

pub(super) fn node_name(number: u16) -> NodeName {
    format!("node{number}").into()
}

/// In the order in which they are drawn.
fn in_order(nodes: &BTreeMap<NodeName, Node>) -> impl Iterator<Item = (&NodeName, &Node)> {
    let mut nodes: Vec<_> = nodes.iter().collect();
    nodes.sort_by_key(|(_, node)| node.number);
    nodes.into_iter()
}

fn states(nodes: &BTreeMap<NodeName, Node>) -> Vec<ProcessState> {
    in_order(nodes)
        .map(|(name, node)| {
            let status = match &node.running {
                None => ProcessStatus::Down,
                Some(running) if running.paused => ProcessStatus::Paused,
                Some(_) => ProcessStatus::Running,
            };
            let pid = node.running.as_ref().map(|running| running.pid);
            let (address, since_us) = (node.address.clone(), node.since_us);
            ProcessState { node: name.clone(), address, status, pid, since_us }
        })
        .collect()
}

impl Source for Supervisor {
    fn introduce(&self) -> Introduced {
        let members = self.addresses().into_iter();
        Introduced {
            cluster: None,
            profile: self.shared.plan.args.profile.as_str().into(),
            members: members.map(|(node, address)| MemberAddress { node, address }).collect(),
        }
    }

    fn known(&self, at: &mut dyn FnMut()) -> Known {
        // Every fact about a process is recorded under this lock.
        let nodes = self.shared.nodes.lock();
        at();
        Known { processes: states(&nodes), ..Known::default() }
    }
}

pub(super) fn unknown(name: &str) -> ApiError {
    ApiError::new(ErrorCode::NotFound, format!("There is no node called {name}."))
}

pub(super) fn conflict(message: String) -> ApiError {
    ApiError::new(ErrorCode::Conflict, message)
}

fn can_pause() -> Result<(), ApiError> {
    if CAN_PAUSE {
        Ok(())
    } else {
        Err(ApiError::new(ErrorCode::NotImplemented, "This system cannot pause a process."))
    }
}
