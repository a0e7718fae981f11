//! A sharer is cut off from a line's home: a write elsewhere waits until the sharer's lease is over.

use futures_util::future::join;
use leptos::prelude::*;
use orrery_base::ids::NodeName;
use orrery_cache::Address;

use super::{BEAT_MS, Play};
use crate::look::Status;
use crate::panel;
use crate::request::cache::{CacheAsk, CacheOperation};
use crate::request::{new_key_of, sleep_ms};

/// Lines to choose from: of one of them somebody else is the home than who leads the control group.
const ADDRESSES: [&str; 8] = ["seat-1", "seat-2", "seat-3", "seat-4", "seat-5", "seat-6", "seat-7", "seat-8"];
/// So long the links stay cut after the write, for people to see that the sharer has nothing to read.
const CUT_MS: u64 = 1_500;

struct Cast {
    address: Address,
    home: NodeName,
    sharer: NodeName,
    writer: NodeName,
}

impl Play {
    pub(super) async fn cut_sharer(self) -> Result<(), String> {
        let Some(Cast { address, home, sharer, writer }) = self.cast() else {
            return Err(self.t.scenarios.too_few.to_owned());
        };
        self.actions.ui.tab.set(panel::cache::ID);
        self.actions.ui.line.set(Some(address.clone()));
        self.step(&address, &writer, Some("\"free\"")).await?;
        sleep_ms(BEAT_MS).await;
        self.step(&address, &sharer, None).await?;
        sleep_ms(BEAT_MS).await;
        self.say((self.t.scenarios.step_cut_between)(&sharer, &home));
        let cut = self.actions.part(&sharer, &home, true).await;
        let done = match cut {
            Ok(()) => {
                // Nothing is waited for between the cut and the write: the lease drains. Until it is over the sharer may
                // read, and nobody is asked.
                let read = self.step(&address, &sharer, None);
                let write = self.step(&address, &writer, Some("\"taken\""));
                let (_, written) = join(read, write).await;
                sleep_ms(CUT_MS).await;
                written
            }
            Err(why) => Err(why),
        };
        // Whatever came of it: a scenario leaves nothing cut.
        self.say((self.t.scenarios.step_heal_between)(&sharer, &home));
        self.actions.part(&sharer, &home, false).await?;
        done
    }

    /// Writes at a node, or reads where there is nothing to write.
    async fn step(self, address: &Address, node: &NodeName, value: Option<&str>) -> Result<(), String> {
        let step = if value.is_some() { self.t.scenarios.step_write } else { self.t.scenarios.step_read };
        self.say(step(node, address));
        let operation = match value {
            Some(value) => CacheOperation::Write { value: value.to_owned(), write_back: false },
            None => CacheOperation::Read,
        };
        let client = self.actions.ui.client.get_untracked();
        let key = new_key_of(&client);
        let ask = CacheAsk { operation, address: address.clone(), client };
        let answer = self.actions.send_cache(ask, Some(node.clone()), key).await;
        answer.map(drop).ok_or_else(|| self.t.trouble.unreachable.to_owned())
    }

    /// Neither the home nor who is cut off leads the control group, where there is a choice: elections are another story.
    fn cast(self) -> Option<Cast> {
        self.playback().now(|view| {
            let leader = view.leadership().leader;
            let homes =
                || ADDRESSES.into_iter().filter_map(|address| Some((address, view.home_of(address)?.1?)));
            let (address, home) =
                homes().find(|(_, home)| Some(home) != leader.as_ref()).or_else(|| homes().next())?;
            let others = view.in_order().filter(|node| Status::of(node).reachable() && node.name != home);
            let (mut leads, mut free): (Vec<_>, Vec<_>) =
                others.map(|node| node.name.clone()).partition(|name| leader.as_ref() == Some(name));
            free.append(&mut leads);
            let mut free = free.into_iter();
            Some(Cast { address: address.into(), home, sharer: free.next()?, writer: free.next()? })
        })
    }
}
