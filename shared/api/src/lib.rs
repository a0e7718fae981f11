//! What clients ask and what they are answered: operations and outcomes with their words, and the bodies, one file per service.
//! JSON only.
#![warn(missing_docs)]

pub mod cache;
pub mod demo;
pub mod fault;
mod json_text;
pub mod lock;
pub mod node;
#[cfg(feature = "openapi")]
pub mod openapi;
pub mod operation;
pub mod queue;
mod queue_answers;
mod queue_bounds;
pub mod queue_limits;
pub mod queue_view;
pub mod request;
pub mod ring;
pub mod session;
pub mod stream;
