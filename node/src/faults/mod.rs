//! Breaking links on purpose. Wraps the transport from outside, so that neither knows about the other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use orrery_shared::engine::host::{CallError, Transport, Urgency};
use orrery_shared::ids::NodeName;
use orrery_shared::machine::Member;
use parking_lot::RwLock;

use crate::transport::Serve;

/// A transport of which single directions can be cut: what this node sends to a peer, requests and answers, gets
/// lost. The other direction is the peer's to cut.
#[derive(Clone)]
pub struct FaultyTransport<T> {
    inner: T,
    cut: Arc<RwLock<BTreeSet<NodeName>>>,
}

impl<T: Transport> FaultyTransport<T> {
    /// Nothing is cut.
    pub fn new(inner: T) -> FaultyTransport<T> {
        FaultyTransport { inner, cut: Arc::default() }
    }

    /// The transport without faults.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// Cuts or heals what this node sends to `peer`. Whether that changed anything.
    pub fn set_cut(&self, peer: &NodeName, cut: bool) -> bool {
        let mut list = self.cut.write();
        if cut { list.insert(peer.clone()) } else { list.remove(peer) }
    }

    /// To whom nothing arrives.
    pub fn cut_links(&self) -> Vec<NodeName> {
        self.cut.read().iter().cloned().collect()
    }

    fn is_cut(&self, peer: &NodeName) -> bool {
        let list = self.cut.read();
        !list.is_empty() && list.contains(peer)
    }

    /// Answers to a peer get lost, too, while the link to it is cut.
    pub fn guard(&self, serve: Serve) -> Serve {
        let transport = self.clone();
        Arc::new(move |from, request| {
            let transport = transport.clone();
            let answer = serve(from.clone(), request);
            Box::pin(async move {
                let answer = answer.await;
                if transport.is_cut(&from) { None } else { answer }
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
        if self.is_cut(&to.name) {
            // The sender of a lost message learns it by waiting, as on a real network.
            tokio::time::sleep(within).await;
            return Err(CallError::NoAnswer);
        }
        self.inner.call(to, urgency, request, within).await
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
        transport.call(&member(to), Urgency::Normal, request, Duration::from_millis(5)).await
    }

    #[tokio::test]
    async fn a_cut_link_loses_requests_and_answers_of_one_direction() {
        let transport = FaultyTransport::new(Echo);
        let serve = transport.guard(Arc::new(|_, request| Box::pin(async move { Some(request) })));
        assert!(transport.set_cut(&"b".into(), true));
        assert!(!transport.set_cut(&"b".into(), true), "it was cut already");
        assert_eq!(call(&transport, "b").await, Err(CallError::NoAnswer));
        assert_eq!(call(&transport, "c").await, Ok(Bytes::from_static(b"hi")));
        assert_eq!(serve("b".into(), Bytes::new()).await, None);
        assert_eq!(serve("c".into(), Bytes::new()).await, Some(Bytes::new()));
        assert!(!transport.connected(&member("b")));
        assert_eq!(transport.cut_links(), ["b"]);
        assert!(transport.set_cut(&"b".into(), false));
        assert_eq!(call(&transport, "b").await, Ok(Bytes::from_static(b"hi")));
    }
}
