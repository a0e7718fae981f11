//! A cluster of real `orrery node` processes that a test kills, pauses, restarts and wipes as it likes.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use orrery_api::lock::LockStatus;
use orrery_api::node::{Cluster as ClusterRecord, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::http::{Client, Response};
use crate::process::{Folder, Running, free_ports, orrery_binary, until};

/// How long a cluster may take to have a leader that everybody knows, on a machine that is busy with other tests.
pub const READY: Duration = Duration::from_secs(40);
/// Longest time of a question that is not told to wait. Shorter than the node's own, so that a paused one costs little.
const REQUEST: Duration = Duration::from_secs(3);

/// The nodes of one cluster. Dropping it ends them all.
#[derive(Debug)]
pub struct Cluster {
    // in the order in which they are dropped: the folder last
    nodes: Vec<Node>,
    folder: Folder,
    http: Client,
    binary: PathBuf,
    ports: Vec<u16>,
    flags: Vec<String>,
    /// Files that each may have open, where that is limited.
    descriptors: Option<u32>,
    /// Each has an address of its own.
    hosts: bool,
}

#[derive(Debug)]
struct Node {
    running: Option<Running>,
    paused: bool,
}

/// One answer: its status and its JSON body.
pub type Answer = (u16, Value);

impl Cluster {
    /// Starts `count` nodes and waits until they have a leader that all know. `name` is only for people who look at
    /// its folder.
    pub async fn start(name: &str, count: usize) -> Result<Cluster> {
        Cluster::start_with(name, count, &[]).await
    }

    /// The same, where every node gets these flags too.
    pub async fn start_with(name: &str, count: usize, flags: &[&str]) -> Result<Cluster> {
        Cluster::start_as(name, count, flags, None, false).await
    }

    /// The same on as many addresses as there are nodes, from 127.0.0.2 on: what several hosts are to a browser.
    pub async fn start_on_hosts(name: &str, count: usize) -> Result<Cluster> {
        Cluster::start_as(name, count, &[], None, true).await
    }

    /// The same, where no node may have more than so many files open (`ulimit -n`).
    pub async fn start_limited(name: &str, count: usize, descriptors: u32) -> Result<Cluster> {
        Cluster::start_as(name, count, &[], Some(descriptors), false).await
    }

    async fn start_as(
        name: &str,
        count: usize,
        flags: &[&str],
        descriptors: Option<u32>,
        hosts: bool,
    ) -> Result<Cluster> {
        let binary = orrery_binary()?;
        let folder = Folder::new(name)?;
        let first = free_ports(u16::try_from(count)?)?;
        let ports = (first..).take(count).collect();
        let http = Client::new(REQUEST);
        let nodes = (0..count).map(|_| Node { running: None, paused: false }).collect();
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut cluster = Cluster { nodes, folder, http, binary, ports, flags, descriptors, hosts };
        for at in 0..count {
            cluster.start_node(at)?;
        }
        cluster.wait_leader().await?;
        Ok(cluster)
    }

    /// How many nodes there are, running or not.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The name of node number `at` (from 0).
    pub fn name(&self, at: usize) -> String {
        format!("node{}", at + 1)
    }

    /// The number of the node of that name.
    pub fn number(&self, name: &str) -> Result<usize> {
        (0..self.len()).find(|at| self.name(*at) == name).with_context(|| format!("there is no {name}"))
    }

    /// Where it listens, `host:port`.
    pub fn address(&self, at: usize) -> String {
        format!("127.0.0.{}:{}", if self.hosts { at + 2 } else { 1 }, self.ports[at])
    }

    pub fn addresses(&self) -> Vec<String> {
        (0..self.len()).map(|at| self.address(at)).collect()
    }

    /// Whether its process runs (paused or not).
    pub fn is_running(&self, at: usize) -> bool {
        self.nodes[at].running.is_some()
    }

    /// Whether its process was stopped by [`Cluster::pause`].
    pub fn is_paused(&self, at: usize) -> bool {
        self.nodes[at].paused
    }

    fn data(&self, at: usize) -> PathBuf {
        self.folder.path().join(self.name(at))
    }

    /// The folder in which all of it lies.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The data folder of a node, as an argument.
    pub fn data_folder(&self, at: usize) -> String {
        self.data(at).display().to_string()
    }

    /// Runs another command of the program to its end: what it printed. Another exit code than 0 is an error.
    pub fn command(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.binary).args(arguments).current_dir(self.folder.path()).output()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        ensure!(output.status.success(), "{arguments:?} ended with {}: {said}", output.status);
        Ok(said)
    }

    /// Starts a node's process on its data folder, if it does not run.
    pub fn start_node(&mut self, at: usize) -> Result<()> {
        self.start_node_with(at, &[])
    }

    /// The same with further flags.
    pub fn start_node_with(&mut self, at: usize, flags: &[&str]) -> Result<()> {
        if self.is_running(at) {
            return Ok(());
        }
        let name = self.name(at);
        let arguments = self.node_arguments(at, &self.address(at), &self.data(at));
        let arguments = arguments.iter().map(String::as_str);
        let arguments = arguments.chain(self.flags.iter().map(String::as_str)).chain(flags.iter().copied());
        // Flags beat the environment: what a developer has set must not change the test.
        let folder = self.folder.path();
        let running = match self.descriptors {
            None => Running::start(&name, &self.binary, arguments, &[], folder)?,
            Some(descriptors) => {
                let script = format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"");
                let binary = self.binary.display().to_string();
                let shell = ["-c", &script, &binary].into_iter().chain(arguments);
                Running::start(&name, Path::new("/bin/sh"), shell, &[], folder)?
            }
        };
        self.nodes[at] = Node { running: Some(running), paused: false };
        Ok(())
    }

    /// What every process of a node's name is started with.
    fn node_arguments(&self, at: usize, address: &str, data: &Path) -> Vec<String> {
        let others = (0..self.len()).filter(|other| *other != at);
        let peers: Vec<String> =
            others.map(|other| format!("{}={}", self.name(other), self.address(other))).collect();
        let (name, peers, data) = (self.name(at), peers.join(","), data.display().to_string());
        let mut arguments: Vec<String> =
            ["node", "--end-with-stdin", "--no-dotenv"].iter().map(|flag| (*flag).into()).collect();
        for (flag, value) in [("--id", &*name), ("--listen", address), ("--peers", &peers), ("--data", &data)]
        {
            arguments.extend([flag.to_owned(), value.to_owned()]);
        }
        arguments
    }

    /// With what nodes are started from now on.
    pub fn set_flags(&mut self, flags: &[&str]) {
        self.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
    }

    /// Everything that a node that runs has printed.
    pub fn log(&self, at: usize) -> String {
        self.nodes[at].running.as_ref().map(Running::log).unwrap_or_default()
    }

    /// The process id of a node that runs.
    pub fn pid(&self, at: usize) -> Option<u32> {
        self.nodes[at].running.as_ref().map(Running::pid)
    }

    /// SIGKILL.
    pub fn kill(&mut self, at: usize) -> Result<()> {
        self.nodes[at].paused = false;
        match self.nodes[at].running.take() {
            Some(mut running) => running.kill(),
            None => Ok(()),
        }
    }

    /// A node that does not run listens elsewhere from its next start on; the lists of peers of the others have its old
    /// address.
    pub fn move_node(&mut self, at: usize) -> Result<()> {
        ensure!(!self.is_running(at), "{} runs", self.name(at));
        self.ports[at] = free_ports(1)?;
        Ok(())
    }

    /// A process of a node's name on an empty folder and a port of its own, beside the node or instead of it.
    pub fn start_namesake(&self, at: usize, flags: &[&str]) -> Result<Running> {
        let name = self.name(at);
        let address = format!("127.0.0.1:{}", free_ports(1)?);
        let folder = Folder::new(&format!("{name}-namesake"))?;
        let arguments = self.node_arguments(at, &address, &folder.path().join("data"));
        let arguments = arguments.iter().map(String::as_str).chain(flags.iter().copied());
        Running::start(&format!("{name}-namesake"), &self.binary, arguments, &[], self.folder.path())
    }

    /// SIGTERM, and the end of it, of which nothing may be wrong.
    pub fn stop(&mut self, at: usize) -> Result<()> {
        self.nodes[at].paused = false;
        let Some(mut running) = self.nodes[at].running.take() else { return Ok(()) };
        let before = running.log().len();
        let status = running.terminate()?;
        ensure!(status.success(), "{} ended with {status}\n{}", self.name(at), running.log_tail());
        let log = running.log();
        let last = log.get(before..).unwrap_or_default();
        ensure!(!last.contains(" ERROR "), "{} said this while it stopped: {last}", self.name(at));
        Ok(())
    }

    /// SIGSTOP.
    pub fn pause(&mut self, at: usize) -> Result<()> {
        if let Some(running) = &self.nodes[at].running {
            running.pause()?;
            self.nodes[at].paused = true;
        }
        Ok(())
    }

    /// SIGCONT.
    pub fn resume(&mut self, at: usize) -> Result<()> {
        self.nodes[at].paused = false;
        self.nodes[at].running.as_ref().map_or(Ok(()), Running::resume)
    }

    /// Removes the data folder of a node that does not run: a lost disk.
    pub fn wipe(&mut self, at: usize) -> Result<()> {
        ensure!(!self.is_running(at), "{} runs", self.name(at));
        let data = self.data(at);
        std::fs::remove_dir_all(&data).with_context(|| format!("remove {}", data.display()))
    }

    /// Keeps a copy of the data of a node that does not run.
    pub fn copy_data(&self, at: usize) -> Result<()> {
        ensure!(!self.is_running(at), "{} runs", self.name(at));
        copy_folder(&self.data(at), &self.copied(at))
    }

    /// The data that was copied is the node's data again: an old backup.
    pub fn restore_data(&mut self, at: usize) -> Result<()> {
        self.wipe(at)?;
        copy_folder(&self.copied(at), &self.data(at))
    }

    fn copied(&self, at: usize) -> PathBuf {
        self.folder.path().join(format!("{}.copy", self.name(at)))
    }

    /// How a node ended by itself, and everything that it printed; none while it runs.
    pub fn ended(&mut self, at: usize) -> Result<Option<(ExitStatus, String)>> {
        let Some(running) = &mut self.nodes[at].running else { return Ok(None) };
        let status = running.ended()?;
        Ok(status.map(|status| (status, running.log())))
    }

    /// Fails when a process that should run has ended by itself.
    pub fn check_alive(&mut self) -> Result<()> {
        for at in 0..self.len() {
            let name = self.name(at);
            if let Some(running) = &mut self.nodes[at].running
                && let Some(status) = running.ended()?
            {
                bail!("{name} ended by itself: {status}\n{}", running.log_tail());
            }
        }
        Ok(())
    }

    /// Everything runs again: paused nodes go on, killed ones are started.
    pub fn heal(&mut self) -> Result<()> {
        for at in 0..self.len() {
            if self.is_paused(at) {
                self.resume(at)?;
            }
            self.start_node(at)?;
        }
        self.check_alive()
    }

    /// `GET /status` of one node.
    pub async fn status(&self, at: usize) -> Result<Status> {
        self.get(at, "/status").await
    }

    /// `GET /cluster` of one node.
    pub async fn record(&self, at: usize) -> Result<ClusterRecord> {
        self.get(at, "/cluster").await
    }

    /// `GET /lock/status` of one node.
    pub async fn locks(&self, at: usize) -> Result<LockStatus> {
        self.get(at, "/lock/status").await
    }

    /// The number of the leader, when every node that runs and is not paused names it.
    pub async fn agreed_leader(&self) -> Result<usize> {
        let mut named = Vec::new();
        for at in (0..self.len()).filter(|at| self.is_running(*at) && !self.is_paused(*at)) {
            let status = self.status(at).await?;
            named.push((status.node_id, status.leader_id, status.term));
        }
        let Some((_, Some(leader), term)) = named.first() else { bail!("nobody leads: {named:?}") };
        let agreed = named.iter().all(|(_, of, in_term)| of.as_ref() == Some(leader) && in_term == term);
        ensure!(agreed, "not all follow one leader: {named:?}");
        ensure!(named.iter().any(|(node, ..)| node == leader), "the leader {leader} does not run");
        self.number(leader)
    }

    /// Waits for [`Cluster::agreed_leader`].
    pub async fn wait_leader(&mut self) -> Result<usize> {
        let agreed = until("a leader that all nodes know", READY, || self.agreed_leader()).await;
        self.explained(agreed)
    }

    /// The same outcome; a failure with what the nodes printed, and the folder is kept.
    pub fn explained<T>(&mut self, outcome: Result<T>) -> Result<T> {
        outcome.map_err(|reason| {
            self.folder.keep();
            let reason = match self.check_alive() {
                Ok(()) => reason,
                Err(ended) => reason.context(ended),
            };
            let logs = self.nodes.iter().filter_map(|node| node.running.as_ref()).map(Running::log_tail);
            reason.context(logs.collect::<Vec<_>>().join("\n"))
        })
    }

    /// Waits until all nodes, having applied the same index, show the same lock table, and answers with it.
    pub async fn agreed_locks(&self) -> Result<LockStatus> {
        until("the same lock table on all nodes", READY, || async {
            let mut first: Option<LockStatus> = None;
            for at in 0..self.len() {
                let locks = self.locks(at).await?;
                match &first {
                    None => first = Some(locks),
                    // The leader's clock goes on between two questions.
                    Some(first) => ensure!(
                        *first == LockStatus { now_ms: first.now_ms, ..locks.clone() },
                        "{} shows {locks:?}\n{} shows {first:?}",
                        self.name(at),
                        self.name(0)
                    ),
                }
            }
            first.context("no nodes")
        })
        .await
    }

    /// A JSON body by GET; anything but 2xx is an error with its body.
    pub async fn get<T: DeserializeOwned>(&self, at: usize, path: &str) -> Result<T> {
        let url = format!("http://{}{path}", self.address(at));
        let (status, body) = read(&self.http.get(&url).send().await?)?;
        ensure!((200..300).contains(&status), "{url} answered {status}: {body}");
        serde_json::from_value(body).with_context(|| format!("what {url} answered"))
    }

    /// A JSON body by POST: status and body, whatever they are.
    pub async fn post(&self, at: usize, path: &str, body: &impl Serialize) -> Result<Answer> {
        let url = format!("http://{}{path}", self.address(at));
        read(&self.http.post(&url).json(body).timeout(Duration::from_secs(20)).send().await?)
    }

    /// A DELETE without a body: status and body of the answer, whatever they are.
    pub async fn delete(&self, at: usize, path: &str) -> Result<Answer> {
        let url = format!("http://{}{path}", self.address(at));
        let request = self.http.delete(&url).header("content-type", "application/json");
        read(&request.timeout(Duration::from_secs(20)).send().await?)
    }

    /// The same as [`Cluster::post`], where another status than 200 is an error.
    pub async fn done(&self, at: usize, path: &str, body: &impl Serialize) -> Result<Value> {
        let (status, answer) = self.post(at, path, body).await?;
        ensure!(status == 200, "{path} at {} answered {status}: {answer}", self.name(at));
        Ok(answer)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Paused nodes could not end politely, and their logs are what a failure is explained by.
            self.folder.keep();
        }
        for at in 0..self.len() {
            // What a killed process leaves behind goes with the folder.
            if !std::thread::panicking() {
                let _ = self.kill(at);
            } else if self.is_paused(at) {
                let _ = self.resume(at);
            }
        }
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Status and JSON body of a response.
pub fn read(response: &Response) -> Result<Answer> {
    Ok((response.status, response.json()?))
}
