//! Who is taken for a peer, and how a link is protected.
//!
//! With a secret or certificates every link is TLS 1.3, and both ends show a certificate of a common authority. Without,
//! links are plain, from loopback to loopback, and both ends are programs of the same user.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use orrery_base::ids::NodeName;
use rustls::client::{Resumption, verify_server_name};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::certificates::{Authority, dns_name};
use super::same_user;
use crate::config::{Credentials, secret_of_folder};

/// The protocol that peers speak inside of TLS.
pub(crate) const PROTOCOL: &[u8] = b"orrery-peer/2";

/// Most certificates of authorities in one file.
const AUTHORITIES_MAX: usize = 16;

/// How this node's links are protected. Cheap to clone.
#[derive(Clone)]
pub struct Trust {
    tls: Option<Tls>,
}

#[derive(Clone)]
struct Tls {
    connector: TlsConnector,
    acceptor: TlsAcceptor,
}

/// What the other end of a connection proved so far.
#[derive(Clone, Debug)]
pub enum Proof {
    /// It runs as the same user, on this machine.
    SameUser,
    /// It has this certificate, signed by an authority of the cluster.
    Certificate(CertificateDer<'static>),
}

impl Trust {
    /// Of the node of that name.
    ///
    /// # Errors
    /// What is given cannot be read or does not fit.
    pub fn new(node: &NodeName, credentials: &Credentials, data: &Path) -> Result<Trust> {
        let minted;
        let credentials = match credentials {
            Credentials::None if same_user::can_be_known() => return Ok(Trust { tls: None }),
            Credentials::None => {
                let (path, own) = secret_of_folder(data)?;
                tracing::warn!(
                    "no secret was given: the cluster's is in {}; give it to the other nodes with --secret-file",
                    path.display()
                );
                minted = Credentials::Secret { own, accepted: Vec::new() };
                &minted
            }
            given => given,
        };
        let mut roots = RootCertStore::empty();
        let (chain, key) = match credentials {
            Credentials::None => return Ok(Trust { tls: None }),
            Credentials::Secret { own, accepted } => {
                let authority = Authority::of_secret(own)?;
                roots.add(authority.certificate().der().clone())?;
                for secret in accepted {
                    roots.add(Authority::of_secret(secret)?.certificate().der().clone())?;
                }
                let own = authority.issue(node, None)?;
                (own.chain(), own.private_key())
            }
            Credentials::Certificates { folder } => {
                let authorities = certificates(&folder.join("ca.pem"))?;
                ensure!(
                    authorities.len() <= AUTHORITIES_MAX,
                    "ca.pem has more than {AUTHORITIES_MAX} certificates"
                );
                for authority in authorities {
                    roots.add(authority).context("ca.pem has what is no certificate of an authority")?;
                }
                let key = folder.join(format!("{node}-key.pem"));
                let key = PrivateKeyDer::from_pem_file(&key)
                    .with_context(|| format!("the node's key cannot be read from {}", key.display()))?;
                (certificates(&folder.join(format!("{node}.pem")))?, key)
            }
        };
        Ok(Trust { tls: Some(tls(node, roots, chain, key)?) })
    }

    /// Whether links are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// For connections that are accepted, where links are encrypted.
    pub fn acceptor(&self) -> Option<TlsAcceptor> {
        self.tls.as_ref().map(|tls| tls.acceptor.clone())
    }

    /// For connections that are dialled, where links are encrypted.
    pub(super) fn connector(&self) -> Option<&TlsConnector> {
        self.tls.as_ref().map(|tls| &tls.connector)
    }

    /// Whether a connection may be a peer's; what its other end has proved before it says a word.
    pub(super) async fn admit(
        &self,
        certificate: Option<CertificateDer<'static>>,
        own: SocketAddr,
        other: SocketAddr,
    ) -> Result<Proof, String> {
        if let Some(certificate) = certificate {
            return Ok(Proof::Certificate(certificate));
        }
        if self.is_encrypted() {
            return Err(
                "links to this node are encrypted: set its secret, or certificates, on all nodes".to_owned()
            );
        }
        if !same_user::are_loopback(own, other) {
            return Err("links beyond one machine need a secret, or certificates, on all nodes".to_owned());
        }
        same_user::check(own, other).await?;
        Ok(Proof::SameUser)
    }
}

impl Proof {
    /// Whether the other end may be the node that it says it is.
    pub(super) fn is_of(&self, node: &NodeName) -> Result<(), String> {
        let Proof::Certificate(certificate) = self else { return Ok(()) };
        let name = dns_name(node).map_err(|error| error.to_string())?;
        let parsed = ParsedCertificate::try_from(certificate).map_err(|error| error.to_string())?;
        verify_server_name(&parsed, &ServerName::DnsName(name))
            .map_err(|_| format!("its certificate is not one of {node}"))
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(file);
    let all = read.and_then(|all| all.collect::<std::result::Result<Vec<_>, _>>());
    let all = all.with_context(|| format!("certificates cannot be read from {}", file.display()))?;
    ensure!(!all.is_empty(), "there is no certificate in {}", file.display());
    Ok(all)
}

fn tls(
    node: &NodeName,
    roots: RootCertStore,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Tls> {
    // What others would say later is said at the start.
    if let Some(own) = chain.first() {
        Proof::Certificate(own.clone()).is_of(node).map_err(|why| anyhow::anyhow!("{node}: {why}"))?;
    }
    let provider = Arc::new(ring::default_provider());
    let roots = Arc::new(roots);
    let versions = &[&rustls::version::TLS13];
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build()?;
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.clone(), key.clone_key())
        .context("the node's certificate and its key do not fit")?;
    server.alpn_protocols = vec![PROTOCOL.to_vec()];
    // A link that is resumed would outlive an authority that is accepted no more.
    server.send_tls13_tickets = 0;
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    client.alpn_protocols = vec![PROTOCOL.to_vec()];
    client.resumption = Resumption::disabled();
    Ok(Tls { connector: TlsConnector::from(Arc::new(client)), acceptor: TlsAcceptor::from(Arc::new(server)) })
}

/// Why TLS came to no link, where it is more than that the connection broke.
pub(crate) fn explain(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match error {
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "the secrets (or the authorities of the certificates) differ".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "another node answers there: its certificate has another name".to_owned()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate is out of date, or a clock is wrong".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet: a clock is wrong".to_owned()
            }
            other => format!("its certificate is refused: {other}"),
        },
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA | AlertDescription::DecryptError | AlertDescription::BadCertificate,
        ) => "it does not accept this node's certificate: the secrets (or the authorities) differ".to_owned(),
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            "it speaks another version of the peers' protocol: run the same release on all nodes".to_owned()
        }
        rustls::Error::InvalidMessage(_) => {
            "it does not encrypt its links: it is of an earlier release, has no secret, or is no node"
                .to_owned()
        }
        other => format!("no encrypted link: {other}"),
    })
}
