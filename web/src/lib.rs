//! The dashboard: a page that folds the nodes' facts into one view of the cluster and draws it on a view clock.

pub mod clock;
pub mod stage;
pub mod store;
