//! Links between two real nodes on loopback.
