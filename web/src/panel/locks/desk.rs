//! What the page does with locks: the form's fields, and what is asked with them.

use leptos::prelude::*;
use orrery_lock::Mode;
use smol_str::SmolStr;

use super::words::WORDS;
use crate::actions::Actions;
use crate::request::lock::{LockAsk, LockOperation};

/// The form's fields. `Copy`; a context of the whole page.
#[derive(Clone, Copy)]
pub struct LockDesk {
    actions: Actions,
    /// The resource that is named in the form.
    pub resource: RwSignal<String>,
    /// How it is to be locked.
    pub mode: RwSignal<Mode>,
    /// Length of the lease, milliseconds.
    pub ttl_ms: RwSignal<u64>,
}

impl LockDesk {
    /// Makes it and provides it as a context; [`Actions`] come first.
    pub fn provide() {
        provide_context(LockDesk {
            actions: Actions::expect(),
            resource: RwSignal::new("printer".to_owned()),
            mode: RwSignal::new(Mode::Exclusive),
            ttl_ms: RwSignal::new(30_000),
        });
    }

    /// The page's desk; [`LockDesk::provide`] comes first.
    pub fn expect() -> LockDesk {
        expect_context()
    }

    /// Does what the form says, as the chosen client.
    pub fn submit(self, operation: LockOperation) {
        let ui = self.actions.ui;
        let resource = SmolStr::from(self.resource.get_untracked().trim());
        if resource.is_empty() {
            let words = WORDS.of(ui.lang.get_untracked());
            self.actions.notice.set(Some(words.choose_resource.to_owned()));
            return;
        }
        self.actions.notice.set(None);
        self.actions.start(LockAsk {
            operation,
            resource,
            client: ui.client.get_untracked(),
            mode: self.mode.get_untracked(),
            ttl_ms: self.ttl_ms.get_untracked(),
        });
    }
}
