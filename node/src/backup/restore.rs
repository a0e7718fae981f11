//! `orrery restore` and `orrery recover`: the beginning of a new cluster from what is left of another one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use openraft_rt_tokio::TokioRuntime;
use orrery_base::ids::{ClusterId, GroupId, NAME_BYTES_MAX, NodeName};
use orrery_engine::refound::{GroupState, found_on_disk, state_on_disk, write_group, write_identity};
use orrery_machine::{Machine, Refounded};

use super::file::Reader;
use super::{describe, line};
use crate::cli::{RecoverArgs, RestoreArgs};
use crate::config::checked_address;
use crate::host::fail_stop;
use crate::storage::NativeDisk;

/// `orrery restore`
pub async fn restore(args: RestoreArgs) -> Result<()> {
    // All of it is read before anything is written.
    let groups = super::read_all(&args.from)?;
    let first = groups.first().context("the backup is empty")?;
    let member =
        first.head.members.iter().find(|member| args.id.as_deref().is_none_or(|id| member.name == *id));
    let name: NodeName = match (&args.id, member) {
        (Some(id), _) => id.as_str().into(),
        (None, Some(member)) => member.name.clone(),
        (None, None) => bail!("the backup names no member: give --id"),
    };
    ensure!(!name.is_empty() && name.len() <= NAME_BYTES_MAX, "--id must have 1 to {NAME_BYTES_MAX} bytes");
    let address = match (&args.advertise, member) {
        (Some(address), _) => checked_address(address, "--advertise")?,
        (None, Some(member)) => member.address.clone(),
        (None, None) => {
            bail!("{name} is no member in the backup: give --advertise HOST:PORT, where it will be reached")
        }
    };
    let into = NewFolder::begin(&args.data)?;
    let mut reader = Reader::open(&args.from)?;
    let mut founded = None;
    while let Some((head, machine)) = reader.group()? {
        let state = GroupState { group: head.group, term: head.term, index: head.index, machine };
        into.write(&mut founded, state, &name, &address).await?;
    }
    let founded = into.finish(founded).await?;
    println!("{} holds, as the new cluster {}:", args.data.display(), founded.cluster);
    describe(&groups);
    println!("{}", what_next(&founded, &args.data));
    Ok(())
}

/// `orrery recover`
pub async fn recover(args: RecoverArgs) -> Result<()> {
    let data = &args.data;
    ensure!(data.is_dir(), "there is no folder {}", data.display());
    let kept = beside(data, ".before-recovery")?;
    let old = NativeDisk::open(data, Arc::new(|why: &str| fail_stop(why)))
        .with_context(|| format!("cannot use the data folder {}", data.display()))?;
    let found = found_on_disk(&old)?.with_context(|| {
        format!("{} never was part of a cluster: there is nothing to recover", data.display())
    })?;
    let control = state_on_disk(&old, GroupId::CONTROL).await?;
    let control = control.with_context(|| format!("{} has nothing of the control group", data.display()))?;
    let shards: Vec<GroupId> =
        control.machine.cluster().map().shards.iter().map(|shard| shard.shard).collect();
    let address = match &args.advertise {
        Some(address) => checked_address(address, "--advertise")?,
        None => found.address.clone(),
    };
    println!(
        "{} of cluster {}. What this folder has is kept; what the lost nodes acknowledged and this one had not received \
         yet is lost, and what they had not acknowledged may be here:",
        found.name, found.cluster
    );
    println!("  {}", line(GroupId::CONTROL, control.index, &control.machine));
    let (working, mut founded) = (beside(data, ".recovered")?, None);
    let into = NewFolder::begin(&working)?;
    into.write(&mut founded, control, &found.name, &address).await?;
    for shard in shards {
        let state = match state_on_disk(&old, shard).await? {
            Some(state) => {
                println!("  {}", line(shard, state.index, &state.machine));
                state
            }
            None => {
                println!("  {shard}: this node had no replica; its messages and cached values are lost");
                GroupState { group: shard, term: 0, index: 0, machine: Machine::of(shard) }
            }
        };
        into.write(&mut founded, state, &found.name, &address).await?;
    }
    let founded = into.finish(founded).await?;
    drop(old);
    fs::rename(data, &kept).with_context(|| format!("cannot move {} away", data.display()))?;
    fs::rename(&working, data).with_context(|| {
        format!(
            "cannot name {}: it is {}, and the old folder {}",
            data.display(),
            working.display(),
            kept.display()
        )
    })?;
    println!("The new cluster is {}; the folder as it was is {}.", founded.cluster, kept.display());
    println!("{}", what_next(&founded, data));
    Ok(())
}

fn what_next(founded: &Refounded, data: &Path) -> String {
    let name = &founded.me.name;
    format!(
        "Start `orrery node --id {name} --listen {} --data {}`: it leads alone. Add the others with empty folders and \
         `--join {}`. Nodes of the old cluster must not run: they serve clients that do not know of the new one.",
        founded.me.address,
        data.display(),
        founded.me.address
    )
}

/// The path beside a folder with this ending, which must not exist yet.
fn beside(folder: &Path, ending: &str) -> Result<PathBuf> {
    let folder = folder.canonicalize().with_context(|| format!("cannot use {}", folder.display()))?;
    let mut name = folder.file_name().context("--data is no folder of its own")?.to_owned();
    name.push(ending);
    let path = folder.with_file_name(name);
    ensure!(!path.exists(), "{} is there already: move it away", path.display());
    Ok(path)
}

/// A data folder that is written under another name and gets its own when it is complete.
struct NewFolder {
    folder: PathBuf,
    part: PathBuf,
    disk: NativeDisk,
    cluster: ClusterId,
}

impl NewFolder {
    fn begin(folder: &Path) -> Result<NewFolder> {
        let empty = !folder.exists() || fs::read_dir(folder).is_ok_and(|mut files| files.next().is_none());
        ensure!(empty, "{} is not empty: give a new folder", folder.display());
        let mut name = folder.file_name().context("--data is no folder of its own")?.to_owned();
        name.push(".part");
        let part = folder.with_file_name(name);
        ensure!(!part.exists(), "{} is there already: move it away", part.display());
        let disk = NativeDisk::open(&part, Arc::new(|why: &str| fail_stop(why)))?;
        Ok(NewFolder { folder: folder.to_owned(), part, disk, cluster: ClusterId(rand::random()) })
    }

    /// Writes one group; the control group is the first.
    async fn write(
        &self,
        founded: &mut Option<(Refounded, Machine)>,
        mut state: GroupState,
        name: &NodeName,
        address: &str,
    ) -> Result<()> {
        let founded = match founded {
            Some(founded) => founded,
            None => {
                let refounded = state.machine.refound(self.cluster, name.clone(), address.to_owned());
                let refounded = refounded.map_err(anyhow::Error::msg)?;
                founded.insert((refounded, state.machine.clone()))
            }
        };
        state.machine.follow_refounded(&founded.0);
        write_group::<TokioRuntime, _>(&self.disk, &founded.0, &state).await?;
        Ok(())
    }

    /// Says whose it is, and gives it its name.
    async fn finish(self, founded: Option<(Refounded, Machine)>) -> Result<Refounded> {
        let (founded, control) = founded.context("there is no control group")?;
        write_identity::<TokioRuntime, _>(&self.disk, &founded, &control).await?;
        // The last clone: everything is written when it is gone.
        drop(self.disk);
        if self.folder.exists() {
            fs::remove_dir(&self.folder)?;
        }
        fs::rename(&self.part, &self.folder)
            .with_context(|| format!("cannot name {}", self.folder.display()))?;
        let parent = self.folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        if cfg!(unix) {
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(founded)
    }
}
