//! Bodies of requests and answers, one file per service. JSON only.
#![warn(missing_docs)]

pub mod cache;
pub mod demo;
pub mod fault;
pub mod lock;
pub mod node;
pub mod queue;
pub mod queue_limits;
pub mod queue_view;
pub mod ring;
pub mod session;
