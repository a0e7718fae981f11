//! What was asked of a service, and how it went.

use orrery_api::lock::LockAnswer;
pub use orrery_api::operation::Service;
use orrery_base::error::{ApiError, ErrorCode};
use orrery_base::ids::NodeName;
use smol_str::SmolStr;

use crate::request::cache::{CacheAnswer, CacheAsk};
use crate::request::lock::LockAsk;
use crate::request::queue::{QueueAnswer, QueueAsk};

/// What was asked of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Lock(LockAsk),
    Queue(QueueAsk),
    /// Of the cache, at a node where one is named.
    Cache(CacheAsk, Option<NodeName>),
}

impl Asked {
    pub fn service(&self) -> Service {
        match self {
            Asked::Lock(_) => Service::Locks,
            Asked::Queue(_) => Service::Queue,
            Asked::Cache(..) => Service::Cache,
        }
    }

    pub fn client(&self) -> &SmolStr {
        match self {
            Asked::Lock(ask) => &ask.client,
            Asked::Queue(ask) => &ask.client,
            Asked::Cache(ask, _) => &ask.client,
        }
    }

    /// The resource, the topic, or the address.
    pub fn subject(&self) -> &SmolStr {
        match self {
            Asked::Lock(ask) => &ask.resource,
            Asked::Queue(ask) => &ask.topic,
            Asked::Cache(ask, _) => &ask.address,
        }
    }
}

/// What a service answered.
#[derive(Clone, Debug)]
pub enum Answer {
    Lock(Box<LockAnswer>),
    Queue(QueueAnswer),
    Cache(CacheAnswer),
}

/// How a request went so far.
#[derive(Clone, Debug)]
pub enum Progress {
    Asking,
    Answered {
        status: u16,
        answer: Answer,
    },
    /// An error came back.
    Refused {
        status: u16,
        error: ApiError,
    },
    /// Nothing came back in time.
    NoAnswer,
    /// There is no node to ask.
    NoNode,
}

/// A request and how it went, for the result line.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Its number on this page.
    pub id: u64,
    pub asked: Asked,
    pub node: Option<NodeName>,
    pub key: String,
    /// From click to answer.
    pub took_us: u64,
    pub progress: Progress,
}

impl Exchange {
    /// Whether a retry under the same key makes sense: nobody knows whether it took effect.
    pub fn unknown(&self) -> bool {
        match &self.progress {
            Progress::NoAnswer => true,
            Progress::Refused { error, .. } => error.code == ErrorCode::OutcomeUnknown,
            _ => false,
        }
    }
}
