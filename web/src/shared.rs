//! What many parts of the page look at: memos over the recording and the reader's choices, each made once.

use std::sync::Arc;

use leptos::prelude::*;
use orrery_base::ids::NodeName;
use orrery_cache::Address;
use orrery_placement::RingView;

use crate::look::Summary;
use crate::look::cache::busiest;
use crate::look::change::{ChangeLook, differs};
use crate::look::ring::{RingLook, placement};
use crate::store::Playback;
use crate::ui::Ui;

/// Parts of the view that many panels look at.
#[derive(Clone, Copy)]
pub struct Shared {
    /// The cluster in short.
    pub summary: Memo<Summary>,
    /// Names in the order of the circle.
    pub order: Memo<Arc<Vec<NodeName>>>,
    /// The hash ring; without shards where there are none.
    pub ring: Memo<Arc<RingLook>>,
    /// Its members and the shard map: changes when the map does.
    pub members: Memo<Arc<RingView>>,
    /// Its last change that this page saw.
    pub last_change: Memo<Option<Arc<ChangeLook>>>,
    /// The same while it is under way, and a little longer.
    pub change: Memo<Option<Arc<ChangeLook>>>,
    /// The cache line that the stage shows: the chosen one, or the one where most happens.
    pub line: Memo<Option<Address>>,
}

impl Shared {
    pub fn new(playback: Playback, ui: Ui) -> Shared {
        let other_map = |old: Option<&Arc<RingView>>, new: Option<&Arc<RingView>>| {
            old.zip(new).is_none_or(|(old, new)| !Arc::ptr_eq(old, new))
        };
        let members =
            Memo::new_with_compare(move |_| playback.view.with(|view| view.ring.clone()), other_map);
        let map = Memo::new(move |_| members.with(|ring| placement(ring)));
        let order = Memo::new(move |_| playback.view.with(|view| view.order.clone()));
        let last_change = Memo::new_with_compare(
            move |_| {
                let order = order.get();
                members.with(|ring| ChangeLook::of(ring, &order).map(Arc::new))
            },
            differs,
        );
        Shared {
            summary: Memo::new(move |_| playback.view.with(|view| Summary::of(view))),
            order,
            ring: Memo::new(move |_| {
                map.with(|map| playback.view.with(|view| Arc::new(RingLook::of(view, map))))
            }),
            members,
            last_change,
            change: on_stage(playback, last_change),
            line: Memo::new(move |_| ui.line.get().or_else(|| playback.calm.with(|view| busiest(view)))),
        }
    }
}

/// The change that the stage shows at the moment; none when the last one was over a while ago.
fn on_stage(playback: Playback, change: Memo<Option<Arc<ChangeLook>>>) -> Memo<Option<Arc<ChangeLook>>> {
    let on = Memo::new(move |_| {
        change.with(|change| {
            change
                .as_ref()
                .is_some_and(|change| change.ended_us.is_none() || change.on_stage(playback.now_us.get()))
        })
    });
    Memo::new_with_compare(move |_| change.get().filter(|_| on.get()), differs)
}
