#![allow(clippy::unwrap_used)]

mod brute;
mod cases;
mod made;
