//! The simulated network: every request and every answer is a message of its own with its own delay; it may
//! be lost, late, overtaken, and a request may arrive twice. A link is broken in one direction at a time.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::rt::{AsyncRuntime, Oneshot, OneshotSender};
use orrery_base::fault::{Delivery, Fault};
use orrery_base::ids::NodeName;
use orrery_engine::Engine;
use orrery_engine::host::{CallError, Disk, Transport, Urgency};
use orrery_machine::Member;

use super::SimHost;
use crate::faults::LinkFaults;
use crate::runtime::{Sim, SimOneshot, SimRuntime, SyncCell, TaskGroup, WORLD};
use crate::trace::Trace;

/// Where a node listens.
pub fn address(node: TaskGroup) -> String {
    format!("127.0.0.1:{}", 8000 + node)
}

/// What a node is called.
pub fn name(node: TaskGroup) -> NodeName {
    NodeName::from(format!("node{node}"))
}

fn node_at(address: &str) -> Option<TaskGroup> {
    let port: u32 = address.rsplit(':').next()?.parse().ok()?;
    port.checked_sub(8000)
}

/// All links of a cluster. Cheap to clone.
pub struct Network<D: Disk>(Arc<Inner<D>>);

impl<D: Disk> Clone for Network<D> {
    fn clone(&self) -> Self {
        Network(self.0.clone())
    }
}

struct Inner<D: Disk> {
    sim: Sim,
    trace: Arc<Trace>,
    faults: SyncCell<LinkFaults>,
    /// Who is up and answers.
    engines: SyncCell<BTreeMap<TaskGroup, Engine<SimHost<D>>>>,
    /// Broken directions, from and to.
    broken: SyncCell<BTreeMap<(TaskGroup, TaskGroup), Fault>>,
    next_message: SyncCell<u64>,
}

impl<D: Disk> Network<D> {
    /// A network on which nobody listens yet.
    pub fn new(sim: Sim, trace: Arc<Trace>, faults: LinkFaults) -> Self {
        Network(Arc::new(Inner {
            sim,
            trace,
            faults: SyncCell::new(faults),
            engines: SyncCell::default(),
            broken: SyncCell::default(),
            next_message: SyncCell::new(0),
        }))
    }

    /// The links work differently from now on.
    pub fn set_faults(&self, faults: LinkFaults) {
        self.0.faults.replace(faults);
    }

    /// A node answers from now on.
    pub fn listen(&self, node: TaskGroup, engine: Engine<SimHost<D>>) {
        self.0.engines.borrow_mut().insert(node, engine);
    }

    /// A node is gone.
    pub fn hang_up(&self, node: TaskGroup) -> Option<Engine<SimHost<D>>> {
        self.0.engines.borrow_mut().remove(&node)
    }

    /// A node's engine, while it is up.
    pub fn engine(&self, node: TaskGroup) -> Option<Engine<SimHost<D>>> {
        self.0.engines.borrow_mut().get(&node).cloned()
    }

    pub fn engines(&self) -> Vec<(TaskGroup, Engine<SimHost<D>>)> {
        self.0.engines.borrow_mut().iter().map(|(node, engine)| (*node, engine.clone())).collect()
    }

    /// Breaks one direction of a link, also in this way.
    pub fn damage(&self, from: TaskGroup, to: TaskGroup, fault: Fault) {
        let mut broken = self.0.broken.borrow_mut();
        let all = broken.entry((from, to)).or_default();
        *all = all.combine(fault);
    }

    /// Cuts one direction of a link.
    pub fn cut(&self, from: TaskGroup, to: TaskGroup) {
        self.damage(from, to, Fault::CUT);
    }

    /// All links work again.
    pub fn heal(&self) {
        self.0.broken.take();
    }

    /// Whether a direction is broken.
    pub fn is_broken(&self) -> bool {
        !self.0.broken.borrow_mut().is_empty()
    }

    fn fault(&self, from: TaskGroup, to: TaskGroup) -> Fault {
        self.0.broken.borrow_mut().get(&(from, to)).copied().unwrap_or_default()
    }

    fn is_cut(&self, from: TaskGroup, to: TaskGroup) -> bool {
        self.fault(from, to).cut
    }

    fn is_up(&self, node: TaskGroup) -> bool {
        self.0.engines.borrow_mut().contains_key(&node)
    }

    /// Draws a message's fate: its delay, or none when it is lost.
    fn travel_time(&self, from: TaskGroup, to: TaskGroup) -> Option<Duration> {
        let faults = self.0.faults.borrow_mut().clone();
        let rng = self.0.sim.rng(WORLD);
        let mut rng = rng.borrow_mut();
        let lost = rng.chance(faults.loss_per_mille);
        let range = if rng.chance(faults.slow_per_mille) { faults.slow_us } else { faults.delay_us };
        let delay_us = rng.range(range);
        match self.fault(from, to).deliver(|bound| rng.range(0..bound.into()) as u32) {
            Delivery::After { us } if !lost => Some(Duration::from_micros(delay_us + us)),
            Delivery::Lost | Delivery::After { .. } => None,
        }
    }

    /// One message; false when it did not arrive.
    async fn travel(&self, from: TaskGroup, to: TaskGroup) -> bool {
        let Some(delay) = self.travel_time(from, to) else { return false };
        SimRuntime::sleep(delay).await;
        !self.is_cut(from, to)
    }

    fn note(&self, number: u64, from: TaskGroup, to: TaskGroup, what: &str, bytes: usize) {
        let mut mark = [0u8; 24];
        mark[..8].copy_from_slice(&number.to_le_bytes());
        mark[8..16].copy_from_slice(&(u64::from(from) << 32 | u64::from(to)).to_le_bytes());
        mark[16..].copy_from_slice(&(bytes as u64).to_le_bytes());
        self.0.trace.event(&mark, format_args!("#{number} {from}->{to} {what}, {bytes} bytes"));
    }

    /// Delivers a request and carries the answer back.
    async fn exchange(&self, number: u64, from: TaskGroup, to: TaskGroup, request: Bytes) -> Option<Bytes> {
        if !self.travel(from, to).await {
            self.note(number, from, to, "request lost", request.len());
            return None;
        }
        let engine = self.engine(to)?;
        self.note(number, from, to, "request", request.len());
        // A task of the receiver: a crash kills it, a pause stops it.
        let served = self.0.sim.spawn_in(to, async move { engine.serve(&name(from), request).await });
        let answer = served.await.ok()?;
        if !self.travel(to, from).await {
            self.note(number, to, from, "answer lost", answer.len());
            return None;
        }
        self.note(number, to, from, "answer", answer.len());
        Some(answer)
    }

    async fn call(
        &self,
        from: TaskGroup,
        to: TaskGroup,
        request: Bytes,
        within: Duration,
    ) -> Result<Bytes, CallError> {
        let (refused, twice) = {
            let rng = self.0.sim.rng(WORLD);
            let mut rng = rng.borrow_mut();
            let noticed = rng.chance(500);
            let duplicate = self.0.faults.borrow_mut().duplicate_per_mille;
            (noticed && (!self.is_up(to) || self.is_cut(from, to)), rng.chance(duplicate))
        };
        if refused {
            return Err(CallError::NotSent(format!("no connection to {}", name(to))));
        }
        let number = {
            let mut next = self.0.next_message.borrow_mut();
            *next += 1;
            *next
        };
        let (answer, answered) = SimOneshot::channel();
        let (network, once_more) = (self.clone(), twice.then(|| request.clone()));
        self.0.sim.spawn_in(WORLD, async move {
            if let Some(bytes) = network.exchange(number, from, to, request).await {
                // The caller may have given up.
                let _ = answer.send(bytes);
            } else {
                // Silence: only the caller's time-out tells.
                SimRuntime::sleep(within).await;
            }
        });
        if let Some(request) = once_more {
            let network = self.clone();
            self.0.sim.spawn_in(WORLD, async move { network.exchange(number, from, to, request).await });
        }
        match SimRuntime::timeout(within, answered).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(_)) | Err(_) => Err(CallError::NoAnswer),
        }
    }
}

/// One node's end of its links.
#[derive(Clone)]
pub struct SimTransport<D: Disk> {
    network: Network<D>,
    node: TaskGroup,
}

impl<D: Disk> SimTransport<D> {
    /// The links of a node.
    pub fn new(network: Network<D>, node: TaskGroup) -> Self {
        SimTransport { network, node }
    }
}

type Answering<'a> = Pin<Box<dyn Future<Output = Result<Bytes, CallError>> + Send + 'a>>;

impl<D: Disk> Transport for SimTransport<D> {
    // The type is spelled out because a call leads to a peer's engine and from there to a call again.
    #[allow(refining_impl_trait)]
    fn call(&self, to: &Member, _urgency: Urgency, request: Bytes, within: Duration) -> Answering<'_> {
        match node_at(&to.address) {
            Some(node) => Box::pin(self.network.call(self.node, node, request, within)),
            None => {
                let refused = CallError::NotSent(format!("{} is no address", to.address));
                Box::pin(std::future::ready(Err(refused)))
            }
        }
    }

    fn connected(&self, to: &Member) -> bool {
        node_at(&to.address)
            .is_some_and(|node| self.network.is_up(node) && !self.network.is_cut(self.node, node))
    }

    fn members(&self, _members: &[Member]) {}
}
