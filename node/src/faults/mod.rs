//! Breaking links on purpose. Wraps the transport from outside, so that neither knows about the other.
//!
//! A node breaks what it sends itself, requests and answers. A set of faults of several nodes is spread over them (see
//! [`spread`]) by whoever takes it.

mod spread;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use orrery_base::fault::{Delivery, Fault};
use orrery_base::ids::NodeName;
use orrery_engine::host::{CallError, Transport, Urgency};
use orrery_event::fact::{Fact, FaultyLink};
use orrery_event::fault;
use orrery_machine::Member;
use parking_lot::RwLock;
use tokio::time::{Instant, sleep, sleep_until};

pub use spread::{Change, check, spread};

use crate::transport::Serve;

/// A transport whose single directions can be broken: what this node sends to a peer, requests and answers. The other direction is
/// the peer's.
#[derive(Clone)]
pub struct FaultyTransport<T> {
    inner: T,
    /// By the peer that the messages are for; nothing where nothing is wrong.
    faults: Arc<RwLock<BTreeMap<NodeName, Fault>>>,
}

impl<T: Transport> FaultyTransport<T> {
    pub fn new(inner: T) -> FaultyTransport<T> {
        FaultyTransport { inner, faults: Arc::default() }
    }

    /// The transport without faults.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// Replaces what is wrong with these directions, all at once. What is to be said of it.
    pub fn set(&self, faults: impl IntoIterator<Item = (NodeName, Fault)>) -> Vec<Fact> {
        let mut list = self.faults.write();
        let mut facts = Vec::new();
        for (peer, now) in faults {
            let before = match now.is_none() {
                true => list.remove(&peer),
                false => list.insert(peer.clone(), now),
            };
            facts.extend(fault::facts(&peer, before.unwrap_or_default(), now).into_iter().flatten());
        }
        facts
    }

    /// Everything that is wrong, by the peer that the messages are for.
    pub fn faults(&self) -> BTreeMap<NodeName, Fault> {
        self.faults.read().clone()
    }

    /// What is wrong with what goes to that peer.
    pub fn fault_to(&self, peer: &NodeName) -> Fault {
        self.faults.read().get(peer).copied().unwrap_or_default()
    }

    /// Everything that is wrong, as a snapshot of the stream has it.
    pub fn faulty_links(&self) -> Vec<FaultyLink> {
        let list = self.faults.read();
        list.iter().map(|(peer, fault)| FaultyLink { peer: peer.clone(), fault: *fault }).collect()
    }

    /// One message on its way: when it arrives, or false when it does not. A link that is cut meanwhile loses it.
    async fn travels(&self, peer: &NodeName) -> bool {
        match self.fault_to(peer).deliver(|bound| rand::random_range(0..bound)) {
            Delivery::Lost => false,
            Delivery::After { us: 0 } => true,
            Delivery::After { us } => {
                sleep(Duration::from_micros(us)).await;
                !self.fault_to(peer).cut
            }
        }
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
        !self.fault_to(&to.name).cut && self.inner.connected(to)
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

    fn set(transport: &FaultyTransport<Echo>, to: &str, fault: Fault) -> Vec<Fact> {
        transport.set([(to.into(), fault)])
    }

    fn echo(transport: &FaultyTransport<Echo>) -> Serve {
        transport.guard(Arc::new(|_, request| Box::pin(async move { Some(request) })))
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_link_loses_requests_and_answers_of_one_direction() {
        let transport = FaultyTransport::new(Echo);
        let serve = echo(&transport);
        let turned = |cut| Fact::LinkFault { peer: "b".into(), cut };
        assert_eq!(set(&transport, "b", Fault::CUT), [turned(true)]);
        assert!(set(&transport, "b", Fault::CUT).is_empty(), "it was cut already");
        assert_eq!(call(&transport, "b").await, Err(CallError::NoAnswer));
        assert_eq!(call(&transport, "c").await, Ok(Bytes::from_static(b"hi")));
        assert_eq!(serve("b".into(), Bytes::new()).await, None);
        assert_eq!(serve("c".into(), Bytes::new()).await, Some(Bytes::new()));
        assert!(!transport.connected(&member("b")));
        assert_eq!(transport.faults(), [("b".into(), Fault::CUT)].into());
        assert_eq!(set(&transport, "b", Fault::NONE), [turned(false)]);
        assert_eq!(call(&transport, "b").await, Ok(Bytes::from_static(b"hi")));
        assert!(transport.faults().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_link_delivers_late_and_not_after_it_was_cut() {
        let transport = FaultyTransport::new(Echo);
        let serve = echo(&transport);
        let slow = |delay_ms| Fault { delay_ms, ..Fault::NONE };
        set(&transport, "b", slow(40));
        let begun = Instant::now();
        assert_eq!(call(&transport, "b").await, Ok(Bytes::from_static(b"hi")));
        assert_eq!(begun.elapsed().as_millis(), 40);
        assert_eq!(serve("b".into(), Bytes::new()).await, Some(Bytes::new()));
        assert_eq!(begun.elapsed().as_millis(), 80);
        assert!(transport.connected(&member("b")));
        // Later than its asker waits.
        set(&transport, "b", slow(60));
        assert_eq!(call(&transport, "b").await, Err(CallError::NoAnswer));
        assert_eq!(begun.elapsed().as_millis(), 130);
        let late = tokio::spawn(serve("b".into(), Bytes::new()));
        sleep(Duration::from_millis(10)).await;
        set(&transport, "b", Fault::CUT);
        assert_eq!(late.await.ok(), Some(None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_loses_half_loses_about_half() {
        let transport = FaultyTransport::new(Echo);
        set(&transport, "b", Fault { loss_percent: 50, ..Fault::NONE });
        let mut arrived = 0;
        for _ in 0..400 {
            arrived += u32::from(call(&transport, "b").await.is_ok());
        }
        assert!((120..280).contains(&arrived), "{arrived} of 400");
    }
}
