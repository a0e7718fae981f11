//! The demo's folder: data of each node, their logs, the cluster's secret, and what was started from here.
//!
//! What the demo makes there is recorded in a manifest before it is made. `--fresh` removes what is recorded and nothing
//! else; a folder that has something and no manifest is not the demo's, and nothing is done in it.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::cli::DemoArgs;

const LOCK: &str = "demo.lock";
const SETTINGS: &str = "demo.json";
const BOOTS: &str = "supervisor-boots";
const MANIFEST: &str = "demo-manifest.json";
const MANIFEST_NEW: &str = "demo-manifest.json.new";

/// Files of the supervisor. The secret is made by [`crate::config::secret_of_folder`], the processes are recorded by
/// [`super::leftovers`].
const FILES: [&str; 7] =
    [LOCK, MANIFEST, SETTINGS, BOOTS, "cluster-secret", "processes.json", "processes.json.new"];

/// Most nodes of which the release before can have left data.
const NODES_BEFORE_MAX: u16 = super::membership::NODES_MAX as u16;

/// A folder that this process has for itself. Cheap to clone.
#[derive(Clone)]
pub struct Folder {
    path: PathBuf,
    /// Names in the folder that were taken over from a release without manifests, when it was opened.
    adopted: Arc<[String]>,
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

/// Names of files and folders, each directly in the demo's folder, that the demo made or is about to make.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    made: BTreeSet<String>,
}

impl Folder {
    /// Takes the folder, made if it is missing. It must be empty, or of the same cluster (unless it is emptied anyway).
    pub fn open(path: &Path, args: &DemoArgs) -> Result<Folder> {
        fs::create_dir_all(path).with_context(|| format!("cannot make the folder {}", path.display()))?;
        let path = path.canonicalize()?;
        let adopted = adoptable(&path)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join(LOCK))?;
        if lock.try_lock().is_err() {
            bail!("another demo uses the folder {}", path.display());
        }
        let adopted = adopted.unwrap_or_default();
        let folder = Folder { path, adopted: adopted.clone().into(), _lock: Arc::new(lock) };
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
        folder.record(FILES.into_iter().map(str::to_owned).chain(adopted))?;
        Ok(folder)
    }

    /// What was taken over from a release without manifests, as a sentence.
    pub fn adopted(&self) -> Option<String> {
        let names = self.adopted.join(", ");
        (!names.is_empty()).then(|| {
            format!("the folder is of an earlier release, which kept no manifest; these are the demo's from now on: {names}")
        })
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

    /// Removes what the manifest records; whatever else is there stays.
    pub fn empty(&self) -> Result<()> {
        let Manifest { made } = self.manifest()?;
        // The lock is held, and a manifest that is gone before the rest would disown it.
        for name in made.iter().filter(|name| ![LOCK, MANIFEST].contains(&name.as_str())) {
            let path = self.path.join(name);
            remove(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        self.write_manifest(&Manifest { made: FILES.into_iter().map(str::to_owned).collect() })
    }

    /// Records that a node has its data and its log here, before there is either. Refused where something of that name is
    /// there and is not the demo's.
    pub fn claim(&self, node: &str) -> Result<()> {
        let names = [node.to_owned(), format!("{node}.log")];
        let Manifest { made } = self.manifest()?;
        for name in names.iter().filter(|name| !made.contains(*name)) {
            let path = self.path.join(name);
            if fs::symlink_metadata(&path).is_ok() {
                bail!("{} is there already and is not the demo's: move it away", path.display());
            }
        }
        self.record(names)
    }

    /// Adds names to the manifest.
    fn record(&self, names: impl IntoIterator<Item = String>) -> Result<()> {
        let Manifest { mut made } = self.manifest()?;
        let before = made.len();
        made.extend(names);
        if made.len() == before { Ok(()) } else { self.write_manifest(&Manifest { made }) }
    }

    fn manifest(&self) -> Result<Manifest> {
        let bytes = match fs::read(self.path.join(MANIFEST)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Manifest::default()),
            bytes => bytes.context("the demo's manifest cannot be read")?,
        };
        let mut manifest: Manifest = serde_json::from_slice(&bytes).with_context(|| {
            format!("{MANIFEST} cannot be read: move the folder {} away", self.path.display())
        })?;
        // The file may have been edited: a name that leads out of the folder is ignored.
        manifest.made.retain(|name| is_plain(name));
        Ok(manifest)
    }

    fn write_manifest(&self, manifest: &Manifest) -> Result<()> {
        let new = self.path.join(MANIFEST_NEW);
        fs::write(&new, serde_json::to_vec_pretty(manifest)?)?;
        File::open(&new)?.sync_all()?;
        fs::rename(&new, self.path.join(MANIFEST))?;
        Ok(())
    }

    /// Numbers of the nodes whose cluster it is: those that the demo began with, until some joined or left.
    pub fn present(&self, args: &DemoArgs) -> Result<Vec<u16>> {
        let present = self.settings()?.and_then(|settings| settings.present);
        Ok(present.unwrap_or_else(|| (1..=args.nodes).collect()))
    }

    /// Removes what a node had, if it was the demo's.
    pub fn forget(&self, node: &str) -> Result<()> {
        if self.manifest()?.made.contains(node) {
            remove(&self.data(node))?;
        }
        Ok(())
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

/// One name, directly in the folder.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name)
}

/// Removes a file, or a folder with everything in it; of a link the link. What is not there is removed.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What a folder without a manifest has of a demo of an earlier release; none where there is a manifest. Refused where it
/// has something and is no demo's.
fn adoptable(path: &Path) -> Result<Option<Vec<String>>> {
    if path.join(MANIFEST).exists() {
        return Ok(None);
    }
    let mut foreign = Vec::new();
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        // A demo that was killed at its very start left no more than these.
        if ![LOCK, MANIFEST_NEW].contains(&name.as_str()) {
            foreign.push(name);
        }
    }
    let settings = fs::read(path.join(SETTINGS)).ok();
    let settings = settings.and_then(|bytes| serde_json::from_slice::<Settings>(&bytes).ok());
    if settings.is_none() {
        if foreign.is_empty() {
            return Ok(Some(Vec::new()));
        }
        bail!(
            "the folder {} is not empty (it has {}) and has no {MANIFEST}: it is not a demo's. Choose another one (--data)",
            path.display(),
            foreign[..foreign.len().min(3)].join(", ")
        );
    }
    // Only what shows that a node wrote it.
    let is_data =
        |name: &str| ["lock", "orrery.redb"].iter().all(|file| path.join(name).join(file).is_file());
    let nodes = (1..=NODES_BEFORE_MAX).map(|number| format!("node{number}")).filter(|name| is_data(name));
    Ok(Some(
        nodes.flat_map(|name| [format!("{name}.log"), name]).filter(|name| foreign.contains(name)).collect(),
    ))
}
