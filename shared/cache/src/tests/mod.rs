//! The cache without a machine under it.
#![allow(clippy::unwrap_used)]

mod faults;
mod offers;
mod oracle;
mod races;
mod table;
mod values;
mod world;
