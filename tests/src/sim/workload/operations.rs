//! What clients do, and what they may conclude from the answers.

use orrery_api::lock::{Acquire, Cancel, LockAnswer, Release, Renew, StatusQuery, Transfer};
use orrery_api::request::Request;
use orrery_api::session::{CloseSession, OpenSession, RenewSession, SessionAnswer};
use orrery_base::error::ErrorCode;
use orrery_base::ids::GroupId;
use orrery_base::key::IdempotencyKey;
use orrery_base::valid::{ClientName, Name, Number, ResourceName};
use orrery_engine::{Engine, Serve};
use orrery_lock::{Holder, Mode};
use smol_str::SmolStr;

use super::call::Answer;
use super::{Client, LEASE_GRAIN_US, Session, TTL_MS, WAIT_MS};
use crate::sim::SimHost;
use crate::sim::checks::{Belief, Outcome};

/// What an answer of the lock service says for good; none for "waiting", which is not the end.
fn outcome_of(answer: &LockAnswer) -> Option<Outcome> {
    Some(match answer {
        LockAnswer::Waiting { .. } => return None,
        LockAnswer::Acquired { fencing_token, reentrant, .. } => {
            Outcome::Acquired(*fencing_token, *reentrant)
        }
        LockAnswer::Released { fencing_token, .. } => Outcome::Released(*fencing_token),
        LockAnswer::Renewed { fencing_token, .. } => Outcome::Renewed(*fencing_token),
        // A wait that ended without a grant: which word its other observers hear depends on who ended it.
        LockAnswer::Timeout { .. } | LockAnswer::Cancelled { .. } => Outcome::Other("not granted"),
        LockAnswer::Deadlock { .. } => Outcome::Other("deadlock"),
        LockAnswer::NotHolder { .. } => Outcome::Other("not holder"),
        LockAnswer::NotWaiting { .. } => Outcome::Other("not waiting"),
        LockAnswer::Transferred { fencing_token, .. } => Outcome::Transferred(*fencing_token),
    })
}

impl Client {
    /// Asks until the outcome is known, and has the checks compare what each definite answer says.
    async fn ask<Q>(
        &mut self,
        key: &IdempotencyKey,
        request: Q,
        outcome: impl Fn(&Q::Answer) -> Option<Outcome>,
    ) -> Answer<Q::Answer>
    where
        Q: Request<Answer: Send> + Clone + Send + 'static,
        Engine<SimHost>: Serve<Q>,
    {
        self.call(key, request, |client, answer| client.learn(key, outcome(answer))).await
    }

    fn learn(&self, key: &IdempotencyKey, outcome: Option<Outcome>) {
        let Some(outcome) = outcome else { return };
        let words = format!("{key} is answered {outcome:?}");
        self.cluster.trace.event(words.as_bytes(), format_args!("{words}"));
        self.cluster.checks.clients(|clients| clients.outcome(key, outcome));
    }

    fn client_name(&self) -> ClientName {
        ClientName::known(&self.name)
    }

    pub(super) async fn acquire(&mut self, resource: SmolStr) {
        let ttl_ms = self.rng.range(TTL_MS);
        let request = Acquire {
            resource: ResourceName::known(&resource),
            client: self.client_name(),
            session: self.session.map(|session| session.id),
            mode: if self.rng.chance(600) { Mode::Exclusive } else { Mode::Shared },
            ttl_ms: Some(Number::known(ttl_ms)),
            wait_ms: Some(Number::known(self.rng.range(WAIT_MS))),
            queue: self.rng.chance(250),
        };
        let key = self.next_key();
        let (asked_us, holder) = (self.now_us(), self.holder());
        let open = (holder.clone(), resource.clone());
        let first = self.waiting.insert(open.clone());
        let highest = self.cluster.checks.clients(|clients| Ok(clients.token(&resource)));
        let answer = self.ask(&key, request, outcome_of).await;
        match answer {
            Answer::Known(LockAnswer::Acquired { mode, fencing_token, expires_in_ms, reentrant, .. }) => {
                // What it held already says nothing about an upgrade that an earlier request waits for.
                if first || !reentrant || mode == Mode::Exclusive {
                    self.waiting.remove(&open);
                }
                self.cluster.checks.clients(|clients| {
                    clients.told(&resource, &holder, (fencing_token, reentrant), highest.filter(|_| first))
                });
                // What is left was counted after the question: the lease ends no earlier than this.
                let lease_us = (asked_us + expires_in_ms * 1_000).saturating_sub(LEASE_GRAIN_US);
                let until_us = match self.session {
                    _ if self.cluster.bugs.lease_from_receipt => self.now_us() + expires_in_ms * 1_000,
                    Some(session) => session.until_us,
                    // A renewal that nobody answered may still make it shorter.
                    None if self.shortened.contains(&fencing_token) => return,
                    None => lease_us,
                };
                let now_us = self.now_us();
                let belief = Belief { mode, token: fencing_token, until_us };
                self.cluster.checks.clients(|clients| clients.holds(now_us, &resource, &holder, belief));
            }
            Answer::Refused(code) => self.refused(code),
            Answer::Known(LockAnswer::Waiting { .. }) | Answer::Unknown => {}
            // What an earlier request waits for (or was granted unseen) is still open.
            Answer::Known(_) if !first => {}
            Answer::Known(_) => {
                self.waiting.remove(&open);
            }
        }
    }

    pub(super) async fn release(&mut self, resource: SmolStr) {
        let holder = self.holder();
        let now_us = self.now_us();
        let belief = self.cluster.checks.clients(|clients| {
            let belief = clients.belief(now_us, &resource, &holder);
            clients.lets_go(&resource, &holder);
            Ok(belief)
        });
        let belief = belief.flatten();
        let request = Release {
            resource: ResourceName::known(&resource),
            client: self.client_name(),
            session: holder.session,
            // An upgrade that is granted unseen changes the token.
            fencing_token: belief
                .as_ref()
                .filter(|_| !self.waiting.contains(&(holder.clone(), resource.clone())))
                .map(|belief| belief.token),
        };
        let key = self.next_key();
        let answer = self.ask(&key, request, outcome_of).await;
        self.check_held("release", &key, &resource, belief, &answer);
        if let Answer::Refused(code) = answer {
            self.refused(code);
        }
    }

    /// Without a length a renewal never shortens, so what was believed before stays true whatever comes of it. With a
    /// shorter one the client decides: it stops counting on the rest when it sends it, and names the token, so that one
    /// that arrives late shortens nothing else.
    pub(super) async fn renew(&mut self, resource: SmolStr) {
        let (holder, asked_us) = (self.holder(), self.now_us());
        let belief = self.cluster.checks.clients(|clients| Ok(clients.belief(asked_us, &resource, &holder)));
        let belief = belief.flatten();
        let ttl_ms = self.rng.chance(500).then(|| self.rng.range(TTL_MS));
        let shortens = self.session.is_none() && ttl_ms.is_some();
        let request = Renew {
            resource: ResourceName::known(&resource),
            client: self.client_name(),
            session: holder.session,
            fencing_token: belief.as_ref().filter(|_| shortens).map(|belief| belief.token),
            ttl_ms: ttl_ms.filter(|_| !shortens || belief.is_some()).map(Number::known),
        };
        if let Some(belief) = belief.as_ref().filter(|_| shortens) {
            self.shortened.insert(belief.token);
            self.cluster.checks.clients(|clients| {
                clients.lets_go(&resource, &holder);
                Ok(())
            });
        }
        let key = self.next_key();
        let answer = self.ask(&key, request, outcome_of).await;
        let counted = belief.clone().filter(|_| !shortens);
        self.check_held("renew", &key, &resource, counted, &answer);
        match (answer, belief) {
            (Answer::Known(LockAnswer::Renewed { expires_in_ms, fencing_token, .. }), Some(belief))
                if fencing_token == belief.token && self.session.is_none() =>
            {
                if shortens {
                    self.shortened.remove(&fencing_token);
                } else if self.shortened.contains(&fencing_token) {
                    return;
                }
                let until_us = (asked_us + expires_in_ms * 1_000).saturating_sub(LEASE_GRAIN_US);
                // What was promised before a renewal without a length still holds.
                let until_us = if shortens { until_us } else { until_us.max(belief.until_us) };
                let (now_us, belief) = (self.now_us(), Belief { until_us, ..belief });
                self.cluster.checks.clients(|clients| clients.holds(now_us, &resource, &holder, belief));
            }
            (Answer::Refused(code), _) => self.refused(code),
            _ => {}
        }
    }

    /// Hands what it holds to another client, which learns of it by its next acquire. From when it is sent the client counts on the
    /// lock no more.
    pub(super) async fn transfer(&mut self, resource: SmolStr) {
        let (holder, now_us) = (self.holder(), self.now_us());
        let belief = self.cluster.checks.clients(|clients| {
            let belief = clients.belief(now_us, &resource, &holder);
            clients.lets_go(&resource, &holder);
            Ok(belief)
        });
        // Not where an upgrade that is granted unseen may have changed the token.
        let upgrades = self.waiting.contains(&(holder.clone(), resource.clone()));
        let Some(belief) = belief.flatten().filter(|_| !upgrades) else { return };
        let to = format!("client{}", self.rng.range(0..u64::from(self.cluster.faults.clients)));
        if to == self.name {
            return;
        }
        let request = Transfer {
            resource: ResourceName::known(&resource),
            client: self.client_name(),
            session: holder.session,
            fencing_token: belief.token,
            to: Name::known(&to),
            to_session: None,
        };
        self.cluster.checks.clients(|clients| {
            clients.may_receive(&resource, Holder { client: to.into(), session: None });
            Ok(())
        });
        let key = self.next_key();
        let answer = self.ask(&key, request, outcome_of).await;
        self.check_held("transfer", &key, &resource, Some(belief), &answer);
        if let Answer::Refused(code) = answer {
            self.refused(code);
        }
    }

    pub(super) async fn cancel(&mut self, resource: SmolStr) {
        let request = Cancel {
            resource: ResourceName::known(&resource),
            client: self.client_name(),
            session: self.holder().session,
        };
        let key = self.next_key();
        let answer = self.ask(&key, request, outcome_of).await;
        if let Answer::Refused(code) = answer {
            self.refused(code);
        }
    }

    /// A linearizable read shows everything that was committed before it was asked for.
    pub(super) async fn read(&mut self) {
        let committed = self.cluster.checks.committed(GroupId::CONTROL);
        let asked_us = self.now_us();
        let Some(node) = self.rng.pick(&self.cluster.working()).copied() else { return };
        let Some(engine) = self.cluster.network.engine(node) else { return };
        let table = if self.cluster.bugs.no_read_index {
            engine.lock_table()
        } else {
            let locks = engine.locks();
            match self
                .cluster
                .sim
                .spawn_in(node, async move { locks.status(StatusQuery::default()).await })
                .await
            {
                Ok(Ok(status)) => status.table,
                // Reads may fail, as long as they do not lie.
                Ok(Err(_)) | Err(_) => return,
            }
        };
        if table.applied < committed {
            self.cluster.checks.fail(format!(
                "a read at node {node} shows index {:?}; {committed:?} was committed before it was asked for at {asked_us} us",
                table.applied
            ));
        }
    }

    pub(super) async fn open_session(&mut self) {
        let ttl_ms = self.rng.range(TTL_MS);
        let request = OpenSession { client: self.client_name(), ttl_ms: Some(Number::known(ttl_ms)) };
        let (key, asked_us) = (self.next_key(), self.now_us());
        let answer = self.ask(&key, request, session_outcome).await;
        if let Answer::Known(SessionAnswer::Opened { session, .. }) = answer {
            // From now on it is another holder; what it held by its name alone runs out by itself.
            self.session =
                Some(Session { id: session, ttl_ms, until_us: asked_us + ttl_ms * 1_000 - LEASE_GRAIN_US });
        }
    }

    pub(super) async fn renew_session(&mut self, session: Session) {
        let request = RenewSession { session: session.id };
        let (key, asked_us) = (self.next_key(), self.now_us());
        let answer = self.ask(&key, request, |_| None).await;
        match answer {
            Answer::Known(SessionAnswer::Renewed { .. }) => {
                let until_us = session.until_us.max(asked_us + session.ttl_ms * 1_000 - LEASE_GRAIN_US);
                self.session = Some(Session { until_us, ..session });
                let holder = self.holder();
                self.cluster.checks.clients(|clients| {
                    clients.lengthen_all(&holder, until_us);
                    Ok(())
                });
            }
            Answer::Refused(code) => self.refused(code),
            Answer::Known(_) | Answer::Unknown => {}
        }
    }

    pub(super) async fn close_session(&mut self, session: Session) {
        self.drop_session();
        let request = CloseSession { session: session.id };
        let key = self.next_key();
        let answer = self.ask(&key, request, session_outcome).await;
        let early = self.now_us() < session.until_us;
        if early && matches!(answer, Answer::Refused(ErrorCode::SessionExpired)) {
            self.cluster.checks.fail(format!("{key}: session {} was gone before its lease", session.id.0));
        }
    }

    /// Refusals that contradict what the client knows are violations.
    fn refused(&mut self, code: ErrorCode) {
        if code != ErrorCode::SessionExpired {
            return;
        }
        if let Some(session) = self.session
            && self.now_us() < session.until_us
        {
            let (name, id, left) = (&self.name, session.id.0, session.until_us - self.now_us());
            self.cluster.checks.fail(format!("{name}'s session {id} expired {left} us before its lease"));
        }
        self.drop_session();
    }

    /// "You do not hold it" to a client whose lease cannot have run out: a granted lock was forgotten, or a
    /// retry did not meet its first try.
    fn check_held(
        &self,
        what: &str,
        key: &IdempotencyKey,
        resource: &SmolStr,
        belief: Option<Belief>,
        answer: &Answer<LockAnswer>,
    ) {
        let Some(belief) = belief else { return };
        if matches!(answer, Answer::Known(LockAnswer::NotHolder { .. })) && self.now_us() < belief.until_us {
            self.cluster.checks.fail(format!(
                "{key}: {what} of {resource} was answered not_holder, its lease (token {}) lasts {} us more",
                belief.token,
                belief.until_us - self.now_us()
            ));
        }
    }
}

fn session_outcome(answer: &SessionAnswer) -> Option<Outcome> {
    match answer {
        SessionAnswer::Opened { session, .. } => Some(Outcome::Opened(*session)),
        SessionAnswer::Closed { .. } => Some(Outcome::Other("closed")),
        SessionAnswer::Renewed { .. } => None,
    }
}
