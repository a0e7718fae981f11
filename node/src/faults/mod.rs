//! Breaking links on purpose. Wraps the transport from outside, so that neither knows about the other.
//!
//! A node breaks what it sends itself, requests and answers. A set of faults of several nodes is spread over them (see
//! [`spread`]) by whoever takes it.

mod spread;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use orrery_api::fault::Fault;
use orrery_base::ids::NodeName;
use orrery_engine::host::{CallError, Transport, Urgency};
use orrery_event::Fact;
use orrery_event::fact::ImpairedLink;
use orrery_machine::Member;
use parking_lot::RwLock;
use tokio::time::{Instant, sleep, sleep_until};

pub use spread::{Change, check, spread};

use crate::transport::Serve;

/// A transport whose single directions can be cut, slowed down or made to lose messages: what this node sends to a peer, requests
/// and answers. The other direction is the peer's.
#[derive(Clone)]
pub struct FaultyTransport<T> {
    inner: T,
    /// By the peer that the messages are for; nothing where nothing is wrong.
    faults: Arc<RwLock<BTreeMap<NodeName, Fault>>>,
}

/// A direction that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    before: Fault,
    now: Fault,
}

impl Changed {
    /// What is to be said of it: whether it is cut, and what else it suffers.
    pub fn facts(self) -> [Option<Fact>; 2] {
        let Changed { before, now } = self;
        let cut = (before.cut != now.cut).then(|| Fact::LinkFault { peer: now.to.clone(), cut: now.cut });
        let link = impaired(&now);
        [cut, (impaired(&before) != link).then_some(Fact::LinkImpaired { link })]
    }
}

/// What a fault is besides a cut.
fn impaired(fault: &Fault) -> ImpairedLink {
    ImpairedLink { peer: fault.to.clone(), delay_ms: fault.delay_ms, loss_percent: fault.loss_percent }
}

impl<T: Transport> FaultyTransport<T> {
    pub fn new(inner: T) -> FaultyTransport<T> {
        FaultyTransport { inner, faults: Arc::default() }
    }

    /// The transport without faults.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// Replaces what is wrong with these directions, all at once. Those that changed.
    pub fn set(&self, faults: &[Fault]) -> Vec<Changed> {
        let mut list = self.faults.write();
        let mut changed = Vec::new();
        for fault in faults {
            let before = match fault.is_none() {
                true => list.remove(&fault.to),
                false => list.insert(fault.to.clone(), fault.clone()),
            };
            let before = before.unwrap_or_else(|| Fault {
                from: fault.from.clone(),
                to: fault.to.clone(),
                ..Fault::default()
            });
            if before != *fault {
                changed.push(Changed { before, now: fault.clone() });
            }
        }
        changed
    }

    /// Everything that is wrong.
    pub fn faults(&self) -> Vec<Fault> {
        self.faults.read().values().cloned().collect()
    }

    /// What is wrong with what goes to that peer.
    pub fn fault_to(&self, peer: &NodeName) -> Option<Fault> {
        let list = self.faults.read();
        if list.is_empty() { None } else { list.get(peer).cloned() }
    }

    /// To whom nothing arrives.
    pub fn cut_links(&self) -> Vec<NodeName> {
        self.faults.read().iter().filter(|(_, fault)| fault.cut).map(|(peer, _)| peer.clone()).collect()
    }

    /// To whom messages are late or get lost.
    pub fn impaired_links(&self) -> Vec<ImpairedLink> {
        let list = self.faults.read();
        list.values().filter(|fault| fault.delay_ms > 0 || fault.loss_percent > 0).map(impaired).collect()
    }

    fn is_cut(&self, peer: &NodeName) -> bool {
        self.fault_to(peer).is_some_and(|fault| fault.cut)
    }

    /// One message on its way: when it arrives, or false when it does not. A link that is cut meanwhile loses it.
    async fn travels(&self, peer: &NodeName) -> bool {
        let Some(fault) = self.fault_to(peer) else { return true };
        if fault.cut || rand::random_range(0..100) < fault.loss_percent {
            return false;
        }
        if fault.delay_ms > 0 {
            sleep(Duration::from_millis(fault.delay_ms.into())).await;
            return !self.is_cut(peer);
        }
        true
    }

    /// Answers to a peer suffer what the link to it suffers.
    pub fn guard(&self, serve: Serve) -> Serve {
        let transport = self.clone();
        Arc::new(move |from, request| {
            let transport = transport.clone();
            let answer = serve(from.clone(), request);
            Box::pin(async move {
                let answer = answer.await;
                if transport.travels(&from).await { answer } else { None }
            })
        })
    }
}

impl<T: Transport> Transport for FaultyTransport<T> {
    async fn call(
        &self,
        to: &Member,
        urgency: Urgency,
        request: Bytes,
        within: Duration,
    ) -> Result<Bytes, CallError> {
        if self.fault_to(&to.name).is_none() {
            return self.inner.call(to, urgency, request, within).await;
        }
        let deadline = Instant::now() + within;
        let lost = async {
            if !self.travels(&to.name).await {
                // The sender of a lost message learns it by waiting, as on a real network.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = sleep_until(deadline) => Err(CallError::NoAnswer),
            () = lost => self.inner.call(to, urgency, request, deadline.saturating_duration_since(Instant::now())).await,
        }
    }

    fn connected(&self, to: &Member) -> bool {
        !self.is_cut(&to.name) && self.inner.connected(to)
    }

    fn members(&self, members: &[Member]) {
        self.inner.members(members);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone)]
    struct Echo;

    impl Transport for Echo {
        async fn call(
            &self,
            _: &Member,
            _: Urgency,
            request: Bytes,
            _: Duration,
        ) -> Result<Bytes, CallError> {
            Ok(request)
        }
        fn connected(&self, _: &Member) -> bool {
            true
        }
        fn members(&self, _: &[Member]) {}
    }

    fn member(name: &str) -> Member {
        Member { name: name.into(), ..Member::default() }
    }

    async fn call(transport: &FaultyTransport<Echo>, to: &str) -> Result<Bytes, CallError> {
        let request = Bytes::from_static(b"hi");
        transport.call(&member(to), Urgency::Normal, request, Duration::from_millis(50)).await
    }

    fn fault(to: &str) -> Fault {
        Fault { from: "a".into(), to: to.into(), ..Fault::default() }
    }

    fn echo(transport: &FaultyTransport<Echo>) -> Serve {
        transport.guard(Arc::new(|_, request| Box::pin(async move { Some(request) })))
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_link_loses_requests_and_answers_of_one_direction() {
        let transport = FaultyTransport::new(Echo);
        let serve = echo(&transport);
        let cut = Fault { cut: true, ..fault("b") };
        let said = |faults: &[Fault]| -> Vec<Fact> {
            transport.set(faults).into_iter().flat_map(Changed::facts).flatten().collect()
        };
        let turned = |cut| Fact::LinkFault { peer: "b".into(), cut };
        assert_eq!(said(std::slice::from_ref(&cut)), [turned(true)]);
        assert!(said(std::slice::from_ref(&cut)).is_empty(), "it was cut already");
        let lossy = |loss_percent| {
            let link = ImpairedLink { peer: "b".into(), loss_percent, ..ImpairedLink::default() };
            Fact::LinkImpaired { link }
        };
        assert_eq!(said(&[Fault { loss_percent: 9, ..cut.clone() }]), [lossy(9)]);
        assert_eq!(said(&[cut]), [lossy(0)]);
        assert_eq!(call(&transport, "b").await, Err(CallError::NoAnswer));
        assert_eq!(call(&transport, "c").await, Ok(Bytes::from_static(b"hi")));
        assert_eq!(serve("b".into(), Bytes::new()).await, None);
        assert_eq!(serve("c".into(), Bytes::new()).await, Some(Bytes::new()));
        assert!(!transport.connected(&member("b")));
        assert_eq!(transport.cut_links(), ["b"]);
        assert_eq!(said(&[fault("b")]), [turned(false)]);
        assert_eq!(call(&transport, "b").await, Ok(Bytes::from_static(b"hi")));
        assert!(transport.faults().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_link_delivers_late_and_not_after_it_was_cut() {
        let transport = FaultyTransport::new(Echo);
        let serve = echo(&transport);
        let slow = |delay_ms| Fault { delay_ms, ..fault("b") };
        transport.set(&[slow(40)]);
        let begun = Instant::now();
        assert_eq!(call(&transport, "b").await, Ok(Bytes::from_static(b"hi")));
        assert_eq!(begun.elapsed().as_millis(), 40);
        assert_eq!(serve("b".into(), Bytes::new()).await, Some(Bytes::new()));
        assert_eq!(begun.elapsed().as_millis(), 80);
        assert!(transport.connected(&member("b")) && transport.cut_links().is_empty());
        // Later than its asker waits.
        transport.set(&[slow(60)]);
        assert_eq!(call(&transport, "b").await, Err(CallError::NoAnswer));
        assert_eq!(begun.elapsed().as_millis(), 130);
        let late = tokio::spawn(serve("b".into(), Bytes::new()));
        sleep(Duration::from_millis(10)).await;
        transport.set(&[Fault { cut: true, ..fault("b") }]);
        assert_eq!(late.await.ok(), Some(None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_loses_half_loses_about_half() {
        let transport = FaultyTransport::new(Echo);
        transport.set(&[Fault { loss_percent: 50, ..fault("b") }]);
        let mut arrived = 0;
        for _ in 0..400 {
            arrived += u32::from(call(&transport, "b").await.is_ok());
        }
        assert!((120..280).contains(&arrived), "{arrived} of 400");
    }
}
