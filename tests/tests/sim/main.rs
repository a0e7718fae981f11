//! The deterministic simulation and its checks: one program, so that it is linked once.
#![allow(clippy::unwrap_used)]

mod caches;
mod clients;
mod far;
mod file;
mod fleet;
mod leases;
mod partial;
mod seeds;
mod stalls;
mod store;
