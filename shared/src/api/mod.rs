//! Bodies of requests and answers, one file per service. JSON only.

pub mod demo;
pub mod lock;
pub mod node;
pub mod session;
