//! One request with its retries: the same key until its outcome is known.

use std::time::Duration;

use openraft::rt::AsyncRuntime;
use orrery_api::request::Request;
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::key::IdempotencyKey;
use orrery_engine::{Engine, Serve};

use super::Client;
use crate::sim::SimHost;
use orrery_sim::runtime::{SimJoin, SimRuntime};

/// How often one request is tried. A client that still knows nothing then leaves it: everything that follows
/// must be safe with that, too.
const ATTEMPTS_MAX: u32 = 30;

/// What a request came to.
pub enum Answer<T> {
    Known(T),
    Refused(ErrorCode),
    Unknown,
}

/// A request at a node: its result, none when its client hung up.
type Sent<T> = SimJoin<Option<Result<T, ApiError>>>;

/// How one try ended.
enum Tried<T> {
    Answer(Answer<T>),
    Again,
}

impl Client {
    pub fn next_key(&mut self) -> IdempotencyKey {
        let number = self.next_number;
        self.next_number += 1;
        IdempotencyKey { client: self.name.clone(), number }
    }

    /// Sends a request to random nodes until its outcome is known. Now and then it is sent to two nodes at
    /// once, or its client hangs up and tries elsewhere.
    pub async fn call<Q>(
        &mut self,
        key: &IdempotencyKey,
        request: Q,
        learn: impl Fn(&mut Self, &Q::Answer),
    ) -> Answer<Q::Answer>
    where
        Q: Request<Answer: Send> + Clone + Send + 'static,
        Engine<SimHost>: Serve<Q>,
    {
        for _ in 0..ATTEMPTS_MAX {
            if self.cluster.checks.failure().is_some() {
                return Answer::Unknown;
            }
            let twin = self.rng.chance(100).then(|| self.send(key, &request)).flatten();
            let first = self.send(key, &request);
            let mut answer = Answer::Unknown;
            let mut again = true;
            for (patience, sent) in [first, twin].into_iter().flatten() {
                let Ok(Ok(result)) = SimRuntime::timeout(patience, sent).await else { continue };
                match self.judge(result) {
                    Tried::Answer(Answer::Known(value)) => {
                        learn(self, &value);
                        answer = Answer::Known(value);
                        again = false;
                    }
                    Tried::Answer(refused) => {
                        if again {
                            answer = refused;
                        }
                        again = false;
                    }
                    Tried::Again => {}
                }
            }
            if !again {
                return answer;
            }
            let pause_us = self.rng.range(1_000..200_000);
            self.cluster.sleep_us(pause_us).await;
        }
        Answer::Unknown
    }

    /// Hands the request to a random node, if one is there, and says how long its client waits.
    fn send<Q>(&mut self, key: &IdempotencyKey, request: &Q) -> Option<(Duration, Sent<Q::Answer>)>
    where
        Q: Request<Answer: Send> + Clone + Send + 'static,
        Engine<SimHost>: Serve<Q>,
    {
        let node = self.cluster.any_node(&mut self.rng);
        let engine = self.cluster.network.engine(node)?;
        let key = (!self.cluster.bugs.no_dedupe).then(|| key.clone());
        let patience = if self.rng.chance(100) {
            Duration::from_micros(self.rng.range(1_000..500_000))
        } else {
            Duration::from_secs(5)
        };
        let request = request.clone();
        let sent = self.cluster.sim.spawn_in(node, async move {
            SimRuntime::timeout(patience, engine.ask(request, key)).await.ok()
        });
        // A node that stands still does not hold its client for ever.
        Some((patience + Duration::from_secs(1), sent))
    }

    fn judge<T>(&self, result: Option<Result<T, ApiError>>) -> Tried<T> {
        match result {
            None => Tried::Again,
            Some(Ok(value)) => Tried::Answer(Answer::Known(value)),
            Some(Err(error)) => match error.code {
                ErrorCode::OutcomeUnknown | ErrorCode::Unavailable | ErrorCode::NotReady => Tried::Again,
                // A conflict: whom a lock is handed to has it already, or waits for more.
                ErrorCode::SessionExpired
                | ErrorCode::KeyTooOld
                | ErrorCode::LimitReached
                | ErrorCode::Conflict => Tried::Answer(Answer::Refused(error.code)),
                code => {
                    self.cluster
                        .checks
                        .fail(format!("{} was answered {code:?}: {}", self.name, error.message));
                    Tried::Answer(Answer::Unknown)
                }
            },
        }
    }
}
