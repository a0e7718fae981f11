//! `orrery cert`: an authority and the certificates of nodes, in a folder that is copied to the nodes.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use orrery_base::ids::NodeName;

use crate::cli::CertArgs;
use crate::config::node_name;
use crate::transport::certificates::{Authority, dns_name};

/// Certificates of all authorities that are accepted.
const AUTHORITIES: &str = "ca.pem";
/// The key of the one that signs.
const AUTHORITY_KEY: &str = "ca-key.pem";

/// Makes what is missing, and what was asked for.
pub fn run(args: &CertArgs) -> Result<()> {
    let names = names(&args.nodes)?;
    ensure!((1..=36_500).contains(&args.days), "--days must be 1 to 36500");
    let folder = &args.out;
    make_folder(folder)?;
    let (authorities, key) = (folder.join(AUTHORITIES), folder.join(AUTHORITY_KEY));
    let authority = if key.exists() && !args.new_ca {
        let text = fs::read_to_string(&key).with_context(|| format!("cannot read {}", key.display()))?;
        Authority::of_pem(&text).with_context(|| format!("{} is no key of an authority", key.display()))?
    } else {
        ensure!(
            args.new_ca || !authorities.exists(),
            "{} is there, but {AUTHORITY_KEY} is not: use the folder where it was made, or --new-ca",
            authorities.display()
        );
        let authority = Authority::generate(args.days)?;
        // The last one is the newest. Earlier ones stay accepted until somebody removes them.
        let mut all = if authorities.exists() { fs::read_to_string(&authorities)? } else { String::new() };
        all.push_str(&authority.certificate().pem());
        write(&key, &authority.key_pem(), true)?;
        write(&authorities, &all, false)?;
        println!("a new authority: {} (keep {AUTHORITY_KEY} away from the nodes)", authorities.display());
        authority
    };
    for name in names {
        let own = authority.issue(&name, Some(args.days))?;
        write(&folder.join(format!("{name}-key.pem")), &own.key.serialize_pem(), true)?;
        write(&folder.join(format!("{name}.pem")), &own.certificate.pem(), false)?;
        println!("{name}: copy {AUTHORITIES}, {name}.pem and {name}-key.pem; start it with --certs FOLDER");
    }
    Ok(())
}

fn names(list: &str) -> Result<Vec<NodeName>> {
    let parts = list.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let name = node_name(part, "--nodes")?;
            ensure!(name != "ca", "--nodes: a node called ca would have the authority's files");
            dns_name(&name)?;
            Ok(name)
        })
        .collect()
}

fn make_folder(folder: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).with_context(|| format!("cannot make the folder {}", folder.display()))
}

/// Writes a file as a whole or not at all: under another name, then renamed. Only its owner may read a secret.
fn write(path: &Path, text: &str, is_secret: bool) -> Result<()> {
    let beside = path.with_extension("pem.new");
    let attempt = || -> std::io::Result<()> {
        if beside.exists() {
            fs::remove_file(&beside)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, if is_secret { 0o600 } else { 0o644 });
        let mut file = options.open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    attempt().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::Credentials;
    use crate::transport::Trust;

    #[test]
    fn an_authority_is_made_once_and_a_new_one_is_accepted_beside_it() {
        let out = std::env::temp_dir().join(format!("orrery-cert-{}", std::process::id()));
        let make = |nodes: &str, new_ca: bool| {
            run(&CertArgs { out: out.clone(), nodes: nodes.into(), days: 30, new_ca })
        };
        let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        let count = |text: &str| text.matches("BEGIN CERTIFICATE").count();
        let starts = |name: &str| {
            Trust::new(&name.into(), &Credentials::Certificates { folder: out.clone() }, Path::new(""))
        };
        make("node1, Node_2", false).unwrap();
        let (authority, key) = (read(AUTHORITIES), read(AUTHORITY_KEY));
        make("node3", false).unwrap();
        assert_eq!((read(AUTHORITIES), read(AUTHORITY_KEY)), (authority.clone(), key), "the same one");
        for name in ["node1", "Node_2", "node3"] {
            assert!(starts(name).unwrap().is_encrypted(), "{name}");
        }
        assert!(starts("node4").is_err(), "it has none");
        #[cfg(unix)]
        for secret in [AUTHORITY_KEY, "node1-key.pem"] {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(
                fs::metadata(out.join(secret)).unwrap().permissions().mode() & 0o777,
                0o600,
                "{secret}"
            );
        }

        let before = read("node1.pem");
        make("", true).unwrap();
        assert!(read(AUTHORITIES).starts_with(&authority) && count(&read(AUTHORITIES)) == 2);
        assert_eq!(read("node1.pem"), before, "still the old one's");
        make("node1", false).unwrap();
        assert_ne!(read("node1.pem"), before);
        assert!(starts("node1").is_ok());

        fs::remove_file(out.join(AUTHORITY_KEY)).unwrap();
        let error = make("node5", false).unwrap_err().to_string();
        assert!(error.contains("--new-ca"), "{error}");
        for wrong in ["a b", "ca", "../x"] {
            assert!(make(wrong, true).is_err(), "{wrong}");
        }
        fs::remove_dir_all(&out).unwrap();
    }
}
