//! The native node: the world of an engine (disk, sockets, clocks), its HTTP edge, the demo's supervisor, the benchmark.

pub mod answer;
pub mod app;
pub mod backup;
pub mod bench;
pub mod cert;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod dashboard;
pub mod demo;
pub mod events;
pub mod faults;
pub mod host;
pub mod http;
pub mod join;
pub mod metrics;
pub mod server;
pub mod settings;
pub mod start;
pub mod storage;
pub mod transport;
