//! How nodes talk: what they say, who says it to whom, how long a link takes, and what a node saw of the others.
//!
//! Nothing here knows what an answer means to a group, a cluster or a service.

pub mod client;
pub mod heartbeats;
pub mod message;
pub mod round_trip;
pub mod summary;
pub mod timing;
pub mod witness;
