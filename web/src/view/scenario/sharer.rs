//! A sharer is cut off from a line's home: a write elsewhere waits until the sharer's lease is over.

use orrery_shared::ids::NodeName;
use smol_str::SmolStr;

use super::{BEAT_MS, Play};
use crate::look::Status;
use crate::request::cache::{CacheAsk, CacheOperation};
use crate::request::{new_key_of, sleep_ms};
use crate::ui::Tab;

/// The line.
const ADDRESS: SmolStr = SmolStr::new_static("seat");
/// So long the links stay cut after the write, for people to see that the sharer has nothing to read.
const CUT_MS: u64 = 1_500;

/// Who plays what.
struct Cast {
    home: NodeName,
    sharer: NodeName,
    writer: NodeName,
}

impl Play {
    pub(super) async fn cut_sharer(self) -> Result<(), String> {
        let Some(Cast { home, sharer, writer }) = self.cast() else {
            return Err(self.t.cache.too_few.to_owned());
        };
        self.actions.ui.tab.set(Tab::Cache);
        self.actions.ui.line.set(Some(ADDRESS));
        self.steps(&[(&writer, Some("\"free\"")), (&sharer, None)], BEAT_MS).await?;
        self.say((self.t.cache.step_cut)(&sharer, &home));
        let cut = self.actions.part(&sharer, &home, true).await;
        // The sharer may read until its lease is over, and nobody is asked. Nothing is waited for between the cut and the
        // write: the lease drains.
        let done = match cut {
            Ok(()) => self.steps(&[(&sharer, None), (&writer, Some("\"taken\""))], 0).await,
            Err(why) => Err(why),
        };
        if done.is_ok() {
            sleep_ms(CUT_MS).await;
        }
        // Whatever came of it: a scenario leaves nothing cut.
        self.say((self.t.cache.step_heal)(&sharer, &home));
        self.actions.part(&sharer, &home, false).await?;
        done
    }

    /// Writes at nodes, or reads where there is nothing to write, with a pause after each.
    async fn steps(self, steps: &[(&NodeName, Option<&str>)], pause_ms: u64) -> Result<(), String> {
        for (node, value) in steps {
            let step = if value.is_some() { self.t.cache.step_write } else { self.t.cache.step_read };
            self.say(step(node, &ADDRESS));
            let operation = match value {
                Some(value) => CacheOperation::Write { value: (*value).to_owned(), write_back: false },
                None => CacheOperation::Read,
            };
            let client = self.actions.ui.client.get_untracked();
            let key = new_key_of(&client);
            let ask = CacheAsk { operation, address: ADDRESS, client };
            let answer = self.actions.send_cache(ask, Some((*node).clone()), key).await;
            answer.ok_or_else(|| self.t.trouble.unreachable.to_owned())?;
            sleep_ms(pause_ms).await;
        }
        Ok(())
    }

    /// The home is who it is. Whoever is cut off leads no group of all, where there is a choice: its election is another
    /// story.
    fn cast(self) -> Option<Cast> {
        self.playback().view.with_untracked(|view| {
            let home = view.home_of(&ADDRESS)?.1?;
            let leader = view.leadership().leader;
            let others = view.in_order().filter(|node| Status::of(node).reachable() && node.name != home);
            let (mut leads, mut free): (Vec<_>, Vec<_>) =
                others.map(|node| node.name.clone()).partition(|name| leader.as_ref() == Some(name));
            free.append(&mut leads);
            let mut free = free.into_iter();
            Some(Cast { home, sharer: free.next()?, writer: free.next()? })
        })
    }
}
