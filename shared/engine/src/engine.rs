//! One node's engine: its part of the cluster, and the services on it.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use openraft::AsyncRuntime;
use orrery_api::cache::Read;
use orrery_api::for_each_request;
use orrery_api::request::Request;
use orrery_base::error::ApiError;
use orrery_base::ids::{GroupId, NodeName};

use crate::cluster::Cluster;
use crate::config::EngineConfig;
use crate::error::StartError;
use crate::host::Host;
use crate::local::Local;
use crate::raft::watch::Watchers;
use crate::service::cache::{self, CacheService, Copies, Homes};
use crate::service::leave;
use crate::service::lock::{Ends, LockService};
use crate::service::pipeline::{self, Caller, Serve};
use crate::service::queue::{QueueService, Replicas};
use crate::service::quotas::Quotas;
use crate::service::requests::Requests;

/// A node's engine: what its part of the cluster does, and the services. Cheap to clone; all clones are the same engine.
pub struct Engine<H: Host> {
    pub(crate) cluster: Cluster<H>,
    pub(crate) services: Arc<Services<H>>,
}

pub(crate) struct Services<H: Host> {
    pub requests: Arc<Requests>,
    locks: LockService<H>,
    pub queue: QueueService<H>,
    pub cache: CacheService<H>,
}

/// Which service does which request.
macro_rules! done_by {
    ($($service:ident $kind:ident: $($request:ty),+;)+) => { $($(
        impl<H: Host> Serve<$request> for Engine<H> {
            const TOLD: bool = <$kind<H> as Serve<$request>>::TOLD;

            fn serve(
                &self,
                request: $request,
                caller: Caller,
            ) -> impl Future<Output = Result<<$request as Request>::Answer, ApiError>> + Send {
                self.services.$service.serve(request, caller)
            }
        }
    )+)+ };
}

for_each_request!(done_by);

done_by! { cache CacheService: Read; }

impl<H: Host> Clone for Engine<H> {
    fn clone(&self) -> Self {
        Engine { cluster: self.cluster.clone(), services: self.services.clone() }
    }
}

impl<H: Host> Deref for Engine<H> {
    type Target = Cluster<H>;

    fn deref(&self) -> &Cluster<H> {
        &self.cluster
    }
}

impl<H: Host> Engine<H> {
    /// Recovers what the disk holds and starts. Returns as soon as peers can be served: an empty node forms or
    /// joins a cluster in the background (see [`Cluster::wait_ready`]).
    pub async fn start(host: H, config: EngineConfig, local: Local) -> Result<Self, StartError> {
        let requests = Arc::new(Requests::new(&local, &config, host.random()));
        let copies = Copies::new(host.clone(), config.cache);
        let ends = Arc::new(Ends::new(&config));
        let replicas = Arc::<Replicas>::default();
        let homes = Arc::<Homes<H>>::default();
        let watch = {
            let (ends, replicas, homes) = (ends.clone(), replicas.clone(), homes.clone());
            Arc::new(move |group| -> Watchers {
                match group {
                    GroupId::CONTROL => vec![ends.clone()],
                    shard => vec![replicas.watch(shard), homes.watch(shard)],
                }
            })
        };
        let cluster = Cluster::start(host, config, local, watch).await?;
        let quotas = Arc::<Quotas>::default();
        let engine = Engine {
            services: Arc::new(Services {
                locks: LockService::new(cluster.clone(), requests.clone(), ends),
                queue: QueueService::new(cluster.clone(), requests.clone(), quotas.clone(), replicas),
                cache: CacheService::new(cluster.clone(), requests.clone(), quotas, copies, homes),
                requests,
            }),
            cluster,
        };
        if engine.halted().is_none() {
            drop(H::Runtime::spawn(cache::keep_copies(engine.services.cache.clone())));
            drop(H::Runtime::spawn(cache::keep_homes(engine.services.cache.clone())));
            drop(H::Runtime::spawn(cache::report(engine.services.cache.clone())));
        }
        Ok(engine)
    }

    /// Stops all groups. Requests under way end as unknown.
    pub async fn stop(&self) {
        // While homes still answer: what was written here and is nowhere else.
        self.services.cache.stop(self.config().cache_stop_timeout()).await;
        self.cluster.stop().await;
        self.services.cache.wake();
    }

    /// Does what a request asks for. When the future is dropped, its caller went away: nothing waits for it any more.
    ///
    /// # Errors
    /// What was refused, or is not known.
    pub async fn ask<R>(&self, request: R, caller: impl Into<Caller>) -> Result<R::Answer, ApiError>
    where
        R: Request,
        Self: Serve<R>,
    {
        let told = (self.host(), &*self.services.requests);
        pipeline::serve(told, self, request, caller.into()).await
    }

    /// The lock service of this node.
    pub fn locks(&self) -> LockService<H> {
        self.services.locks.clone()
    }

    /// The cache service of this node.
    pub fn cache(&self) -> CacheService<H> {
        self.services.cache.clone()
    }

    /// The queue service of this node.
    pub fn queue(&self) -> QueueService<H> {
        self.services.queue.clone()
    }

    /// A member shall go: its shards move away, then it is dismissed. Answers when that is decided, not when it is done.
    /// Any node may be asked, also for itself.
    pub async fn leave(&self, name: &NodeName, within: Duration) -> Result<(), ApiError> {
        leave::leave(&self.cluster, &self.services.requests, name, within).await
    }
}
