//! What the page does with locks: the form's fields, and what is asked with them.

use leptos::prelude::*;
use orrery_lock::view::HolderView;
use orrery_lock::{FencingToken, Mode};
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
    /// To whom a lock is handed; empty while nobody is chosen.
    pub to: RwSignal<SmolStr>,
}

impl LockDesk {
    /// Makes it and provides it as a context; [`Actions`] come first.
    pub fn provide() {
        provide_context(LockDesk {
            actions: Actions::expect(),
            resource: RwSignal::new("printer".to_owned()),
            mode: RwSignal::new(Mode::Exclusive),
            ttl_ms: RwSignal::new(30_000),
            to: RwSignal::new(SmolStr::default()),
        });
    }

    /// The page's desk; [`LockDesk::provide`] comes first.
    pub fn expect() -> LockDesk {
        expect_context()
    }

    /// The token under which the chosen client has the resource; none where it has not.
    pub fn token(self) -> Option<FencingToken> {
        let (client, resource) = (self.actions.ui.client.get(), self.resource.get());
        self.actions.playback.calm.with(|view| {
            let table = &view.locks.table;
            let locked = table.resources.iter().find(|locked| locked.resource == resource.trim())?;
            let own = |held: &&HolderView| held.holder.client == client && held.holder.session.is_none();
            locked.holders.iter().find(own).map(|held| held.fencing_token)
        })
    }

    /// Hands the resource to whom the form names.
    pub fn hand_over(self) {
        let to = self.to.get_untracked();
        if let Some(fencing_token) = untrack(|| self.token()).filter(|_| !to.is_empty()) {
            self.submit(LockOperation::Transfer { fencing_token, to });
        }
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
