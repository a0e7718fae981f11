//! From flags and environment to a checked configuration. Where these come from: [`crate::settings`].

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use orrery_base::ids::NodeName;
use orrery_base::names;
use orrery_engine::EngineConfig;
use orrery_machine::SHARDS_MAX;

use crate::cli::{CachePolicy, NodeArgs, ProfileName};

/// Shortest secret of a cluster, in bytes: it can be guessed at by whoever reaches a node.
const SECRET_BYTES_MIN: usize = 16;

/// Most addresses that are suggested.
const SUGGESTIONS_MAX: usize = 6;

/// Most peers in `--peers`.
const PEERS_MAX: usize = 64;

/// A node with a name and an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    /// Its name.
    pub name: NodeName,
    /// `host:port`.
    pub address: String,
}

/// What a node runs with.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Its name.
    pub id: NodeName,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where others reach it: `host:port`.
    pub advertise: String,
    /// The other nodes of the first formation.
    pub peers: Vec<PeerAddress>,
    /// Where a cluster is to be joined, instead: `host:port` of some of its nodes.
    pub join: Vec<String>,
    /// It takes the place of the member of its name, where that one does not answer.
    pub replace: bool,
    /// A node that is away for so long is replaced; none: never.
    pub down_after: Option<Duration>,
    /// For how long an idempotency key is remembered.
    pub retry_window: Duration,
    /// What one address of clients may take of the cluster's topics and bytes of cached values.
    pub client_share_percent: u8,
    /// Its data.
    pub data: PathBuf,
    /// Speed of the timers.
    pub profile: ProfileName,
    /// Interval of heartbeats; the profile's where none is given.
    pub heartbeat: Option<Duration>,
    /// Longest election time-out; the profile's where none is given.
    pub election: Option<Duration>,
    /// By what peers know each other.
    pub credentials: Credentials,
    /// Pages besides the members' own that may call it: `host:port`.
    pub allow_origins: Vec<String>,
    /// Bound of a request beyond the wait that it asks for; the profile's where none is given.
    pub request_timeout: Option<Duration>,
    /// Number of shards of a new cluster.
    pub shards: u16,
    /// Replicas of a shard of a new cluster.
    pub replicas: u16,
    /// Most cache lines of which it keeps copies.
    pub cache_lines: usize,
    /// Most bytes of these.
    pub cache_bytes: u64,
    /// What goes first.
    pub cache_policy: CachePolicy,
    /// Most connections of clients.
    pub connections_max: usize,
    /// Whether links may be broken on purpose.
    pub faults: bool,
    /// Whether events are recorded.
    pub events: bool,
    /// Events kept for readers that come back.
    pub events_kept: usize,
    /// End with the standard input.
    pub end_with_stdin: bool,
}

/// By what the nodes of a cluster know each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing is set: good for loopback only.
    None,
    /// Whoever knows the secret is a node.
    Secret {
        /// This node's.
        own: Secret,
        /// Others that are accepted too, while one takes the place of another.
        accepted: Vec<Secret>,
    },
    /// Whoever has a certificate of an accepted authority is the node of that name.
    Certificates {
        /// `ca.pem`, `NAME.pem`, `NAME-key.pem`.
        folder: PathBuf,
    },
}

/// Bytes that all nodes of a cluster share. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl NodeConfig {
    /// Checks what the command line said.
    pub fn from_args(args: NodeArgs) -> Result<NodeConfig> {
        let id = node_name(&args.id, "--id")?;
        let listen_text = args.listen.unwrap_or_else(|| join(&args.host, args.port));
        let listen = resolve(&listen_text)?;
        let advertise = match args.advertise {
            Some(address) => advertised(&address)?,
            None if listen.ip().is_unspecified() => bail!(
                "--listen {listen_text}: a node that listens on every address of this machine has to say under which one \
                 the others reach it: add --advertise HOST:PORT{}",
                suggestions(&own_addresses(), listen.port())
            ),
            None => listen_text,
        };
        let peers = parse_peers(&args.peers, &id)?;
        let join =
            list(&args.join).map(|address| checked_address(address, "--join")).collect::<Result<Vec<_>>>()?;
        ensure!(
            join.is_empty() || peers.is_empty(),
            "--join is for a cluster that exists, --peers for one that is to be formed: give one of them"
        );
        let own = secret("--secret", args.secret, args.secret_file.as_deref())?;
        let accepted = secret("--accept-secret", args.accept_secret, args.accept_secret_file.as_deref())?;
        let credentials = credentials(own, accepted, args.certs)?;
        if credentials == Credentials::None {
            check_loopback(
                &listen,
                peers.iter().map(|peer| peer.address.as_str()).chain(join.iter().map(String::as_str)),
            )?;
        }
        let allow_origins = list(&args.allow_origins)
            .map(|address| checked_address(address, "--allow-origins"))
            .collect::<Result<_>>()?;
        let [heartbeat, election] =
            [args.heartbeat_ms, args.election_ms].map(|ms| ms.map(Duration::from_millis));
        EngineConfig::new(args.profile.into()).timed(heartbeat, election)?;
        ensure!((1..=SHARDS_MAX).contains(&args.shards), "--shards must be 1 to {SHARDS_MAX}");
        ensure!(args.replicas >= 1, "--replicas must be at least 1");
        ensure!(
            args.request_timeout_ms.is_none_or(|ms| (100..=600_000).contains(&ms)),
            "--request-timeout-ms must be 100 to 600000"
        );
        ensure!((1..=1_048_576).contains(&args.cache_lines), "--cache-lines must be 1 to 1048576");
        ensure!(
            (1 << 20..=1 << 32).contains(&args.cache_bytes),
            "--cache-bytes must be 1048576 to 4294967296: a line may have 256 KiB"
        );
        ensure!((8..=1_048_576).contains(&args.connections_max), "--connections-max must be 8 to 1048576");
        ensure!((1_024..=4_194_304).contains(&args.events_kept), "--events-kept must be 1024 to 4194304");
        Ok(NodeConfig {
            id,
            listen,
            advertise,
            peers,
            join,
            replace: args.replace,
            down_after: (args.down_after_s > 0).then(|| Duration::from_secs(args.down_after_s.into())),
            retry_window: Duration::from_secs(args.retry_window_s.into()),
            client_share_percent: args.client_share_percent,
            data: args.data,
            profile: args.profile,
            heartbeat,
            election,
            credentials,
            allow_origins,
            request_timeout: args.request_timeout_ms.map(Duration::from_millis),
            shards: args.shards,
            replicas: args.replicas,
            cache_lines: args.cache_lines,
            cache_bytes: args.cache_bytes,
            cache_policy: args.cache_policy,
            connections_max: args.connections_max,
            faults: args.faults,
            events: !args.no_events,
            events_kept: args.events_kept,
            end_with_stdin: args.end_with_stdin,
        })
    }
}

impl NodeConfig {
    /// It listens there: where port 0 was asked for, the system chose one, and others reach the node under that.
    pub fn listens_on(&mut self, bound: SocketAddr) {
        if self.listen.port() == 0
            && let Some((host, "0")) = self.advertise.rsplit_once(':')
        {
            self.advertise = format!("{host}:{}", bound.port());
        }
        self.listen = bound;
    }
}

fn join(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// The address that others are to dial. A wildcard is refused: it means a different machine on each.
fn advertised(text: &str) -> Result<String> {
    let address = checked_address(text, "--advertise")?;
    let wildcard = address.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_unspecified());
    ensure!(
        !wildcard,
        "--advertise {text}: nobody can reach a node under that address; name the machine's own"
    );
    Ok(address)
}

/// The addresses of this machine's interfaces, those first that other machines may reach.
fn own_addresses() -> Vec<IpAddr> {
    let networks = sysinfo::Networks::new_with_refreshed_list();
    // A link-local address of version 6 means nothing without its interface.
    let usable = |address: &IpAddr| !matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let found =
        networks.values().flat_map(|network| network.ip_networks().iter().map(|network| network.addr));
    let mut addresses: Vec<IpAddr> = found.filter(usable).collect();
    addresses.sort_by_key(|address| (address.is_loopback(), address.is_ipv6(), *address));
    addresses.dedup();
    addresses
}

/// What could be advertised, as the end of a sentence.
fn suggestions(addresses: &[IpAddr], port: u16) -> String {
    let each: Vec<String> = addresses
        .iter()
        .take(SUGGESTIONS_MAX)
        .map(|address| format!("--advertise {}", SocketAddr::new(*address, port)))
        .collect();
    if each.is_empty() { String::new() } else { format!(". Of this machine: {}", each.join(", ")) }
}

fn resolve(address: &str) -> Result<SocketAddr> {
    use std::net::ToSocketAddrs as _;
    address
        .to_socket_addrs()
        .with_context(|| format!("{address} is not an address like 127.0.0.1:8001"))?
        .next()
        .with_context(|| format!("{address} has no address"))
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// A checked name of a node.
pub fn node_name(text: &str, flag: &str) -> Result<NodeName> {
    names::check(text).map_err(|why| anyhow!("{flag}: a node's name {why}"))?;
    ensure!(
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)),
        "{flag}: a node's name is made of letters, digits, '-', '_' and '.': {text:?} is not"
    );
    ensure!(text != "supervisor", "{flag}: the name \"supervisor\" is taken");
    Ok(NodeName::new(text))
}

/// A `host:port` with a port that can be reached; the error names the flag.
pub fn checked_address(text: &str, flag: &str) -> Result<String> {
    let port = text.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>()));
    match port {
        Some((host, Ok(port))) if !host.is_empty() && port != 0 => Ok(text.to_owned()),
        _ => bail!("{flag}: {text:?} is not HOST:PORT"),
    }
}

fn parse_peers(text: &str, id: &NodeName) -> Result<Vec<PeerAddress>> {
    let mut peers: Vec<PeerAddress> = Vec::new();
    for part in list(text) {
        let Some((peer, address)) = part.split_once('=') else {
            bail!("--peers: {part:?} is not NAME=HOST:PORT");
        };
        let peer = node_name(peer, "--peers")?;
        let address = checked_address(address, "--peers")?;
        if peer == *id {
            continue; // one list may be given to all nodes
        }
        ensure!(peers.iter().all(|other| other.name != peer), "--peers: {peer} is there twice");
        ensure!(peers.iter().all(|other| other.address != address), "--peers: {address} is there twice");
        peers.push(PeerAddress { name: peer, address });
    }
    ensure!(peers.len() <= PEERS_MAX, "--peers: at most {PEERS_MAX}");
    Ok(peers)
}

fn secret(flag: &str, text: Option<String>, file: Option<&Path>) -> Result<Option<Secret>> {
    let bytes = match (text, file) {
        (Some(_), Some(_)) => {
            bail!("{flag} and {flag}-file, or their variables: give one of them")
        }
        (Some(text), None) => text.into_bytes(),
        (None, Some(file)) => std::fs::read(file)
            .with_context(|| format!("{flag}-file: {} cannot be read", file.display()))?
            .trim_ascii()
            .to_vec(),
        (None, None) => return Ok(None),
    };
    ensure!(
        bytes.len() >= SECRET_BYTES_MIN,
        "{flag}: the cluster secret has at least {SECRET_BYTES_MIN} bytes; `openssl rand -hex 16` makes a good one"
    );
    Ok(Some(Secret(bytes)))
}

fn credentials(own: Option<Secret>, accepted: Option<Secret>, certs: Option<PathBuf>) -> Result<Credentials> {
    match (own, certs) {
        (Some(_), Some(_)) => bail!("--certs and --secret: give one of them"),
        (Some(own), None) => Ok(Credentials::Secret { own, accepted: accepted.into_iter().collect() }),
        (None, _) if accepted.is_some() => {
            bail!("--accept-secret: give --secret too, which is this node's own")
        }
        (None, Some(folder)) => Ok(Credentials::Certificates { folder }),
        (None, None) => Ok(Credentials::None),
    }
}

/// Without a secret, everything is on this machine. A name is looked at when it is dialled.
fn check_loopback<'a>(listen: &SocketAddr, others: impl Iterator<Item = &'a str>) -> Result<()> {
    let advice = "set CLUSTER_SECRET (or --secret-file, or --certs) on all nodes";
    ensure!(
        listen.ip().is_loopback(),
        "a node that listens on {listen} can be reached from other machines: {advice}"
    );
    for other in others {
        let elsewhere = other.parse::<SocketAddr>().is_ok_and(|address| !address.ip().is_loopback());
        ensure!(!elsewhere, "links to {other} leave this machine: {advice}");
    }
    Ok(())
}

/// Where the demo keeps its data when nobody says otherwise: stable for the user, so that the next demo finds it.
pub fn demo_data_dir() -> Result<PathBuf> {
    let base = dirs::data_local_dir().or_else(dirs::home_dir);
    Ok(base.context("this user has no folder for data: use --data DIR")?.join("orrery").join("demo"))
}

/// The secret of a data folder's cluster: read, or minted on first use. Only its owner may read the file.
pub fn secret_of_folder(folder: &Path) -> Result<(PathBuf, Secret)> {
    let path = folder.join("cluster-secret");
    if !path.exists() {
        let text = format!("{:016x}{:016x}", rand::random::<u64>(), rand::random::<u64>());
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).with_context(|| format!("cannot write {}", path.display()))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
    }
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok((path, Secret(bytes.trim_ascii().to_vec())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::{Cli, Command};

    fn node(arguments: &[&str]) -> Result<NodeConfig> {
        let id = if arguments.contains(&"--id") { &[][..] } else { &["--id", "node1"] };
        let line = ["orrery", "node"].iter().chain(id).chain(arguments).copied();
        let Command::Node(args) = Cli::try_parse_from(line)?.command else { unreachable!() };
        NodeConfig::from_args(*args)
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        assert!(Cli::try_parse_from(["orrery", "demo", "--nodes", "0"]).is_err());
    }

    #[test]
    fn one_list_of_members_serves_all_nodes() {
        let config = node(&[
            "--id",
            "node2",
            "--listen",
            "127.0.0.1:8002",
            "--peers",
            "node1=127.0.0.1:8001, node2=127.0.0.1:8002,node3=127.0.0.1:8003",
        ])
        .unwrap();
        let names: Vec<_> = config.peers.iter().map(|peer| peer.name.as_str()).collect();
        assert_eq!(names, ["node1", "node3"]);
        assert_eq!(config.advertise, "127.0.0.1:8002");
    }

    #[test]
    fn wrong_values_are_refused_with_their_flag() {
        for (arguments, word) in [
            (&["--id", ""][..], "--id"),
            (&["--id", "a b"], "--id"),
            (&["--peers", "node2"], "--peers"),
            (&["--peers", "node2=nowhere"], "--peers"),
            (&["--peers", "a=h:1,a=h:2"], "twice"),
            (&["--join", "nowhere"], "--join"),
            (&["--join", "127.0.0.1:8001", "--peers", "node2=127.0.0.1:8002"], "--join"),
            (&["--listen", "127.0.0.1"], "127.0.0.1"),
            (&["--listen", "0.0.0.0:8001", "--advertise", "10.0.0.7:8001"], "CLUSTER_SECRET"),
            (&["--listen", "0.0.0.0:8001", "--secret", "sixteen letters!"], "--advertise"),
            (&["--listen", "[::]:8001", "--secret", "sixteen letters!"], "--advertise"),
            (&["--listen", "0.0.0.0:8001", "--advertise", "0.0.0.0:8001"], "--advertise"),
            (&["--listen", "127.0.0.1:8001", "--advertise", "[::]:8001"], "--advertise"),
            (&["--secret", "fifteen letters"], "16 bytes"),
            (&["--accept-secret", "sixteen letters!"], "--secret"),
            (&["--secret", "sixteen letters!", "--certs", "folder"], "--certs"),
            (&["--peers", "node2=192.168.1.7:8002"], "CLUSTER_SECRET"),
            (&["--join", "192.168.1.7:8002"], "CLUSTER_SECRET"),
            (&["--request-timeout-ms", "1"], "--request-timeout-ms"),
            (&["--heartbeat-ms", "9"], "--heartbeat-ms"),
            (&["--heartbeat-ms", "100", "--election-ms", "400"], "--election-ms must be 500"),
            (&["--profile", "wan", "--heartbeat-ms", "1000"], "--election-ms must be 5000"),
            (&["--connections-max", "1"], "--connections-max"),
        ] {
            let error = format!("{:#}", node(arguments).unwrap_err());
            assert!(error.contains(word), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn a_node_has_no_name_by_default() {
        // The variable may be set where the tests run.
        let command = Cli::command();
        let node = command.find_subcommand("node").unwrap();
        let id = node.get_arguments().find(|argument| argument.get_id() == "id").unwrap();
        assert!(id.is_required_set() && id.get_default_values().is_empty());
    }

    #[test]
    fn a_wildcard_is_refused_with_addresses_that_could_be_advertised() {
        let addresses = ["10.0.0.7", "2001:db8::7", "127.0.0.1"].map(|text| text.parse().unwrap());
        let words = suggestions(&addresses, 8001);
        assert!(words.ends_with(
            "--advertise 10.0.0.7:8001, --advertise [2001:db8::7]:8001, --advertise 127.0.0.1:8001"
        ));
        assert_eq!(suggestions(&[], 8001), "");
        let own = own_addresses();
        assert!(own.iter().any(IpAddr::is_loopback), "{own:?}");
        let error =
            node(&["--listen", "0.0.0.0:8009", "--secret", "sixteen letters!"]).unwrap_err().to_string();
        assert!(error.contains("--advertise 127.0.0.1:8009"), "{error}");
    }

    #[test]
    fn secrets_are_not_printed() {
        assert_eq!(format!("{:?}", Secret(b"very secret".to_vec())), "Secret(..)");
    }
}
