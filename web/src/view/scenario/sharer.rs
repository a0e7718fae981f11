//! A sharer is cut off from a line's home: a write elsewhere waits until the sharer's lease is over.

use orrery_shared::ids::NodeName;
use smol_str::SmolStr;

use super::{BEAT_MS, Play};
use crate::look::Status;
use crate::request::cache::{CacheAnswer, CacheAsk, CacheOperation};
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
        self.say((self.t.cache.step_write)(&writer, &ADDRESS));
        self.at(&writer, CacheOperation::Write { value: "\"free\"".to_owned(), write_back: false }).await?;
        sleep_ms(BEAT_MS).await;
        self.say((self.t.cache.step_read)(&sharer, &ADDRESS));
        self.at(&sharer, CacheOperation::Read).await?;
        self.say((self.t.cache.step_cut)(&sharer, &home));
        let cut = self.actions.part(&sharer, &home, true).await;
        let written = match cut {
            // Nothing is waited for between the cut and the write: the lease drains.
            Ok(()) => self.while_cut(&sharer, &writer).await,
            Err(why) => Err(why),
        };
        // Whatever came of it: a scenario leaves nothing cut.
        self.say((self.t.cache.step_heal)(&sharer, &home));
        self.actions.part(&sharer, &home, false).await?;
        written
    }

    async fn while_cut(self, sharer: &NodeName, writer: &NodeName) -> Result<(), String> {
        // It may read until its lease is over, and nobody is asked.
        self.at(sharer, CacheOperation::Read).await?;
        self.say((self.t.cache.step_write)(writer, &ADDRESS));
        self.at(writer, CacheOperation::Write { value: "\"taken\"".to_owned(), write_back: false }).await?;
        sleep_ms(CUT_MS).await;
        Ok(())
    }

    async fn at(self, node: &NodeName, operation: CacheOperation) -> Result<CacheAnswer, String> {
        let client = self.actions.ui.client.get_untracked();
        let key = new_key_of(&client);
        let ask = CacheAsk { operation, address: ADDRESS, client };
        let answer = self.actions.send_cache(ask, Some(node.clone()), key).await;
        answer.ok_or_else(|| self.t.trouble.unreachable.to_owned())
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
