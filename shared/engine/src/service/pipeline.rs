//! The way of every request: its fields were checked when it was read; what is about several of them is checked here. Then it gets
//! its key, the watchers are told that it begins, its service does it, and they are told how it ended. A request whose caller goes
//! away ends too.

use std::time::Duration;

use orrery_api::operation::{Operation, Outcome};
use orrery_api::request::{Answer, Request};
use orrery_base::error::ApiError;
use orrery_base::key::IdempotencyKey;
use orrery_event::Fact;
use smol_str::SmolStr;

use crate::host::Host;
use crate::service::quotas::Asker;
use crate::service::requests::{Key, Requests};

/// From whom a request comes, beside what its body says.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// The `Idempotency-Key`, if it sent one.
    pub key: Option<IdempotencyKey>,
    /// From which address; a node's own requests have no bound but the cluster's.
    pub asker: Option<Asker>,
}

impl From<Option<IdempotencyKey>> for Caller {
    fn from(key: Option<IdempotencyKey>) -> Self {
        Caller { key, asker: None }
    }
}

impl Caller {
    /// The key of a request that may wait for so long: the client's, or a new one.
    pub(crate) fn key(&self, requests: &Requests, wait: Duration) -> Key {
        requests.key(self.key.clone(), wait)
    }
}

/// Does what `R` asks for.
pub trait Serve<R: Request> {
    /// Whether the pipeline tells the watchers of each such request; the service itself does where most of them are not worth it.
    const TOLD: bool = true;

    /// Places the request, proposes or reads, and answers. When the future is dropped, its caller went away.
    fn serve(&self, request: R, caller: Caller) -> impl Future<Output = Result<R::Answer, ApiError>> + Send;
}

/// One request from its check to its answer.
pub(crate) async fn serve<H, S, R>(
    (host, requests): (&H, &Requests),
    service: &S,
    request: R,
    mut caller: Caller,
) -> Result<R::Answer, ApiError>
where
    H: Host,
    R: Request,
    S: Serve<R>,
{
    request.check()?;
    caller.key = request.key(caller.key)?;
    if !S::TOLD || !host.records() {
        return service.serve(request, caller).await;
    }
    let begun = Begun::of(&request, caller.key.as_ref());
    told((host, requests), begun, service.serve(request, caller)).await
}

/// What the watchers are told of a request that begins.
pub(crate) struct Begun {
    operation: Operation,
    client: SmolStr,
    subject: SmolStr,
}

impl Begun {
    pub fn of(request: &impl Request, key: Option<&IdempotencyKey>) -> Begun {
        let (operation, client) = (request.operation(), request.client(key));
        Begun { operation, client, subject: request.subject() }
    }
}

/// Runs a request between its two facts.
pub(crate) async fn told<H: Host, A: Answer>(
    (host, requests): (&H, &Requests),
    Begun { operation, client, subject }: Begun,
    run: impl Future<Output = Result<A, ApiError>>,
) -> Result<A, ApiError> {
    let request = requests.number();
    let operation = SmolStr::new_static(operation.word());
    host.emit(Fact::RequestBegun { request, client, operation, subject });
    let mut open = Open { host: host.clone(), request, begun_us: host.monotonic_us(), ended: false };
    let result = run.await;
    open.end(result.as_ref().map_or_else(|error| Outcome::Refused(error.code), Answer::outcome));
    result
}

/// A request under way.
struct Open<H: Host> {
    host: H,
    request: u64,
    begun_us: u64,
    ended: bool,
}

impl<H: Host> Open<H> {
    fn end(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let took_us = self.host.monotonic_us().saturating_sub(self.begun_us);
        let (outcome, status) = (SmolStr::new_static(outcome.word()), outcome.status());
        self.host.emit(Fact::RequestEnded { request: self.request, outcome, status, took_us });
    }
}

impl<H: Host> Drop for Open<H> {
    fn drop(&mut self) {
        self.end(Outcome::CallerGone);
    }
}
