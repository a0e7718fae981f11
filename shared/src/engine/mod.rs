//! Raft groups on openraft and the services on top of them, generic over a [`host::Host`].

pub mod host;
