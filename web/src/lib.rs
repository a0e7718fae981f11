//! The dashboard: a page that folds the nodes' facts into one view of the cluster and draws it on a view clock.

pub mod actions;
pub mod clock;
#[cfg(feature = "fixture")]
pub mod fixture;
pub mod i18n;
pub mod keyed;
pub mod look;
pub mod math;
pub mod net;
pub mod panel;
pub mod parts;
pub mod request;
pub mod shared;
pub mod stage;
pub mod store;
pub mod tape;
pub mod ui;
pub mod view;
pub mod witness;

/// Draws the page into the document's body.
pub fn mount() {
    leptos::mount::mount_to_body(view::App);
}
