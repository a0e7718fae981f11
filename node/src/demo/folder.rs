//! The demo's folder: data of each node, their logs, the cluster's secret, and what was started from here.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::cli::DemoArgs;

const LOCK: &str = "demo.lock";
const SETTINGS: &str = "demo.json";
const BOOTS: &str = "supervisor-boots";

/// A folder that this process has for itself. Cheap to clone.
#[derive(Clone)]
pub struct Folder {
    path: PathBuf,
    /// Held until the last clone is gone.
    _lock: Arc<File>,
}

/// What the data in a folder was made with: the addresses of the members are part of the cluster.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Settings {
    nodes: u16,
    port: u16,
    /// Numbers of the present nodes, where some joined or left since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    present: Option<Vec<u16>>,
}

impl Folder {
    /// Takes the folder, made if it is missing. It must be empty, or of the same cluster (unless it is emptied anyway).
    pub fn open(path: &Path, args: &DemoArgs) -> Result<Folder> {
        fs::create_dir_all(path).with_context(|| format!("cannot make the folder {}", path.display()))?;
        let path = path.canonicalize()?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join(LOCK))?;
        if lock.try_lock().is_err() {
            bail!("another demo uses the folder {}", path.display());
        }
        let folder = Folder { path, _lock: Arc::new(lock) };
        if let Some(settings) = folder.settings()?
            && (settings.nodes, settings.port) != (args.nodes, args.port)
            && !args.fresh
        {
            bail!(
                "the folder {} has a cluster of {} nodes on port {}: use the same values, another folder \
                     (--data), or --fresh to empty it",
                folder.path.display(),
                settings.nodes,
                settings.port
            );
        }
        Ok(folder)
    }

    /// Where it is, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The data of one node.
    pub fn data(&self, node: &str) -> PathBuf {
        self.path.join(node)
    }

    /// What one node writes to its outputs.
    pub fn log(&self, node: &str) -> PathBuf {
        self.path.join(format!("{node}.log"))
    }

    /// A file of the supervisor.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Removes what the demo made; a file of somebody else stays.
    pub fn empty(&self) -> Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            let removed = if entry.file_type()?.is_dir() && name.starts_with("node") {
                fs::remove_dir_all(&path)
            } else if name.ends_with(".log") || name == SETTINGS || name == "cluster-secret" {
                fs::remove_file(&path)
            } else {
                Ok(())
            };
            removed.with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }

    /// Numbers of the nodes whose cluster it is: those that the demo began with, until some joined or left.
    pub fn present(&self, args: &DemoArgs) -> Result<Vec<u16>> {
        let present = self.settings()?.and_then(|settings| settings.present);
        Ok(present.unwrap_or_else(|| (1..=args.nodes).collect()))
    }

    /// Removes what a node had.
    pub fn forget(&self, node: &str) -> Result<()> {
        match fs::remove_dir_all(self.data(node)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Remembers what the data is made with, and the numbers of the present nodes where they are others.
    pub fn note_settings(&self, args: &DemoArgs, present: Option<&[u16]>) -> Result<()> {
        let present =
            present.map(<[u16]>::to_vec).filter(|present| !present.iter().copied().eq(1..=args.nodes));
        let settings = Settings { nodes: args.nodes, port: args.port, present };
        fs::write(self.path.join(SETTINGS), serde_json::to_vec_pretty(&settings)?)?;
        Ok(())
    }

    /// Number of this run of the supervisor.
    pub fn next_boot(&self) -> Result<u32> {
        let path = self.path.join(BOOTS);
        let last: u32 = match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().unwrap_or_default(),
            Err(_) => 0,
        };
        let boot = last.wrapping_add(1).max(1);
        fs::write(&path, boot.to_string())?;
        Ok(boot)
    }

    fn settings(&self) -> Result<Option<Settings>> {
        match fs::read(self.path.join(SETTINGS)) {
            Ok(bytes) => {
                Ok(Some(serde_json::from_slice(&bytes).context("demo.json cannot be read; use --fresh")?))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("demo.json cannot be read"),
        }
    }
}
