//! What clients saw: who believes to hold what until when, and that no outcome is contradicted.

use std::collections::{BTreeMap, BTreeSet};

use orrery_base::key::IdempotencyKey;
use orrery_lock::{FencingToken, Holder, Mode, SessionId};
use smol_str::SmolStr;

/// A definite outcome of a mutation, without what may differ between two answers about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The lock was granted under this token.
    Acquired(FencingToken, bool),
    /// It was given back.
    Released(FencingToken),
    /// Its lease was lengthened.
    Renewed(FencingToken),
    /// It was handed over, and has this token now.
    Transferred(FencingToken),
    /// The session has this id.
    Opened(SessionId),
    /// What else, by its name.
    Other(&'static str),
}

/// A client may use what it holds until then.
#[derive(Clone, Debug)]
pub struct Belief {
    /// How it holds it.
    pub mode: Mode,
    pub token: FencingToken,
    /// Virtual microseconds.
    pub until_us: u64,
}

/// All clients of a run.
#[derive(Default)]
pub struct Clients {
    beliefs: BTreeMap<SmolStr, BTreeMap<Holder, Belief>>,
    outcomes: BTreeMap<IdempotencyKey, Outcome>,
    /// Highest token that any client has seen.
    tokens: BTreeMap<SmolStr, FencingToken>,
    /// Who was told each token.
    told: BTreeMap<FencingToken, (SmolStr, Holder)>,
    /// Whom somebody wanted to hand which lock.
    handed: BTreeSet<(Holder, SmolStr)>,
    pub answered: u64,
    pub granted: u64,
}

impl Clients {
    /// A mutation's outcome became known, maybe once more.
    pub fn outcome(&mut self, key: &IdempotencyKey, outcome: Outcome) -> Result<(), String> {
        self.answered += 1;
        self.granted += u64::from(matches!(outcome, Outcome::Acquired(..)));
        match self.outcomes.get(key) {
            Some(known) if *known != outcome => {
                Err(format!("{key} was answered {known:?} and then {outcome:?}"))
            }
            Some(_) => Ok(()),
            None => {
                self.outcomes.insert(key.clone(), outcome);
                Ok(())
            }
        }
    }

    /// Highest token of a resource that anybody has seen so far.
    pub fn token(&self, resource: &str) -> FencingToken {
        self.tokens.get(resource).copied().unwrap_or(0)
    }

    /// A holder was told that it has a lock. One of its own that it knew is no second grant, but it was wrong to say that
    /// it had not had the lock. `highest` is the highest token of the resource that anybody had seen when it asked, where
    /// nothing that it asked for earlier was open: what was granted to its request must be above.
    pub fn told(
        &mut self,
        resource: &SmolStr,
        holder: &Holder,
        (token, reentrant): (FencingToken, bool),
        highest: Option<FencingToken>,
    ) -> Result<(), String> {
        let seen = self.tokens.entry(resource.clone()).or_default();
        *seen = token.max(*seen);
        let known = self.told.get(&token).cloned();
        let (of, whose) = self.told.entry(token).or_insert_with(|| (resource.clone(), holder.clone()));
        if (&*of, &*whose) != (resource, holder) {
            return Err(format!(
                "double grant: {holder} has {resource} with token {token}, which {whose} was told for {of}"
            ));
        }
        if reentrant {
            return Ok(());
        }
        if known.is_some() {
            return Err(format!(
                "wrong flag: {holder} knew its token {token} of {resource} when it asked, and is told reentrant: false"
            ));
        }
        // What somebody handed to it, it has under an older token perhaps than others that share it.
        let handed = self.handed.contains(&(holder.clone(), resource.clone()));
        match highest.filter(|highest| token <= *highest && !handed) {
            None => Ok(()),
            Some(highest) => Err(format!(
                "double grant: {holder} is granted {resource} with token {token}, {highest} was known before it asked"
            )),
        }
    }

    /// Somebody asks for a lock to be handed to it.
    pub fn may_receive(&mut self, resource: &SmolStr, to: Holder) {
        self.handed.insert((to, resource.clone()));
    }

    /// A client believes from now on that it holds a lock.
    pub fn holds(
        &mut self,
        now_us: u64,
        resource: &SmolStr,
        holder: &Holder,
        belief: Belief,
    ) -> Result<(), String> {
        let highest = self.tokens.entry(resource.clone()).or_default();
        *highest = (*highest).max(belief.token);
        let held = self.beliefs.entry(resource.clone()).or_default();
        held.retain(|_, other| other.until_us > now_us);
        if belief.until_us <= now_us {
            // Known too late to be used; what it replaced is not held any more either.
            held.remove(holder);
            return Ok(());
        }
        for (other, theirs) in held.iter().filter(|(other, _)| *other != holder) {
            if !belief.mode.compatible(theirs.mode) {
                return Err(format!(
                    "double grant: {holder} holds {resource} ({}, token {}) while {other} may use it ({}, token {}) for {} us more",
                    belief.mode.letter(),
                    belief.token,
                    theirs.mode.letter(),
                    theirs.token,
                    theirs.until_us - now_us
                ));
            }
        }
        held.insert(holder.clone(), belief);
        Ok(())
    }

    /// A client stops using a lock (it is about to give it back, or knows that it lost it).
    pub fn lets_go(&mut self, resource: &str, holder: &Holder) {
        if let Some(held) = self.beliefs.get_mut(resource) {
            held.remove(holder);
        }
    }

    /// A holder stops using everything (its session ends).
    pub fn lets_go_of_all(&mut self, holder: &Holder) {
        for held in self.beliefs.values_mut() {
            held.remove(holder);
        }
    }

    /// What a holder believes to hold.
    pub fn belief(&self, now_us: u64, resource: &str, holder: &Holder) -> Option<Belief> {
        self.beliefs.get(resource)?.get(holder).filter(|belief| belief.until_us > now_us).cloned()
    }

    /// A session was renewed: everything that is held under it is good until then.
    pub fn lengthen_all(&mut self, holder: &Holder, until_us: u64) {
        for belief in self.beliefs.values_mut().filter_map(|held| held.get_mut(holder)) {
            belief.until_us = belief.until_us.max(until_us);
        }
    }
}
