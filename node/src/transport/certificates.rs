//! Certificates of nodes and of the authority that signs them: made from a secret, or by `orrery cert`.
//!
//! A certificate says one thing: the name of a node. Both ends of a link show one (mutual TLS).

use anyhow::{Context as _, Result, ensure};
use argon2::{Algorithm, Argon2, Params, Version};
use orrery_base::ids::NodeName;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519, SanType,
};
use rustls::pki_types::{CertificateDer, DnsName, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::config::Secret;

/// What all authorities are called. Which one signed is known by its key.
const AUTHORITY: &str = "Orrery cluster";

/// Makes the work of guessing a secret useless for anything else. Fixed: all nodes compute the same key.
const SALT: &[u8] = b"orrery: certificate authority of a cluster, 1";

/// What computing the key costs (RFC 9106; 19 MiB and two passes, as OWASP recommends). Part of the format: all nodes of
/// a cluster use the same.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;

/// PKCS#8 of an Ed25519 key (RFC 8410, section 7) up to its 32 bytes.
const ED25519_PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// What stands behind an encoded name.
const ENCODED: &str = ".name.orrery";

/// Longest name of a node that fits into a certificate.
const NAME_BYTES_MAX: usize = 100;

/// Who signs the certificates of a cluster's nodes.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

/// What a node shows and proves that it owns.
pub struct NodeCertificate {
    /// Signed by an authority.
    pub certificate: Certificate,
    pub key: KeyPair,
}

impl Authority {
    /// The one of a secret: the same on every node.
    pub fn of_secret(secret: &Secret) -> Result<Authority> {
        let mut seed = [0; 32];
        let params = Params::new(MEMORY_KIB, PASSES, 1, Some(seed.len()))
            .map_err(|error| anyhow::anyhow!("argon2id: {error}"))?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(&secret.0, SALT, &mut seed)
            .map_err(|error| anyhow::anyhow!("argon2id: {error}"))?;
        let pkcs8 = [&ED25519_PKCS8[..], &seed].concat();
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8), &PKCS_ED25519)?;
        Authority::with_key(key, None)
    }

    /// A new one, of a random key.
    pub fn generate(days: u32) -> Result<Authority> {
        Authority::with_key(KeyPair::generate_for(&PKCS_ED25519)?, Some(days))
    }

    /// The one of this key, which `orrery cert` wrote.
    pub fn of_pem(key: &str) -> Result<Authority> {
        Authority::with_key(KeyPair::from_pem(key)?, None)
    }

    fn with_key(key: KeyPair, days: Option<u32>) -> Result<Authority> {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(AUTHORITY);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        valid_for(&mut params, days)?;
        let certificate = params.self_signed(&key)?;
        Ok(Authority { issuer: Issuer::new(params, key), certificate })
    }

    /// Its own certificate, by which nodes know what it signed.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its key as PEM. Whoever has it can be any node.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A certificate of the node of that name, of a new key.
    pub fn issue(&self, node: &NodeName, days: Option<u32>) -> Result<NodeCertificate> {
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = named(node);
        params.subject_alt_names = vec![SanType::DnsName(dns_name(node)?.as_ref().try_into()?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        valid_for(&mut params, days)?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(NodeCertificate { certificate, key })
    }
}

impl NodeCertificate {
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.der().clone()]
    }

    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// From yesterday, because clocks differ. Without a number of days for as long as the format allows: such a certificate is
/// made anew at every start, and a clock that was set wrong must not end a cluster.
fn valid_for(params: &mut CertificateParams, days: Option<u32>) -> Result<()> {
    const DAY_S: u64 = 24 * 60 * 60;
    let Some(days) = days else { return Ok(()) };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now_s = now.context("the clock of this machine is before 1970")?.as_secs();
    let at = |seconds: u64| rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(seconds);
    params.not_before = at(now_s.saturating_sub(DAY_S));
    params.not_after = at(now_s + u64::from(days) * DAY_S);
    Ok(())
}

/// A node's name as a certificate has it: itself where it is a host name in small letters (host names that differ in
/// capitals are the same), otherwise in hexadecimal digits.
pub fn dns_name(node: &NodeName) -> Result<DnsName<'static>> {
    ensure!(
        node.len() <= NAME_BYTES_MAX,
        "a node's name has at most {NAME_BYTES_MAX} bytes where links are encrypted: it stands in a certificate"
    );
    let plain =
        node.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte));
    // A host name whose last part is a number would be an address.
    let is_address =
        node.rsplit('.').next().is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    if plain
        && !is_address
        && !node.ends_with('.')
        && !node.ends_with(ENCODED)
        && let Ok(name) = DnsName::try_from(node.to_string())
    {
        return Ok(name);
    }
    let digits: Vec<String> = node.bytes().map(|byte| format!("{byte:02x}")).collect();
    let labels: Vec<String> = digits.chunks(30).map(|label| label.concat()).collect();
    Ok(DnsName::try_from(format!("{}{ENCODED}", labels.join(".")))?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_secrets_authority_is_the_same_everywhere() {
        let key = |secret: &str| Authority::of_secret(&Secret(secret.into())).unwrap().key_pem();
        let [once, again] = ["a secret of a school"; 2].map(key);
        assert_eq!(once, again);
        assert_ne!(once, key("another one of a school"));
        // Golden: a release that computes another one does not meet its own nodes.
        assert_eq!(once.lines().nth(1).unwrap(), GOLDEN);
    }

    const GOLDEN: &str = "MC4CAQAwBQYDK2VwBCIEIHk4MQQo31EVAXDT3oRGWKHnFFruNgy7XpFdQxD2fo09";

    #[test]
    fn names_that_differ_are_different_host_names() {
        let encoded = |name: &str| dns_name(&name.into()).unwrap().as_ref().to_owned();
        assert_eq!(encoded("node1"), "node1");
        assert_eq!(encoded("node-1.school"), "node-1.school");
        assert_eq!(encoded("Node1"), "4e6f646531.name.orrery");
        let long = "x_".repeat(NAME_BYTES_MAX / 2);
        let all = [
            "a",
            "A",
            "a.",
            ".a",
            "-a",
            "a_b",
            "a..b",
            "7",
            "1.2.3.4",
            "61.name.orrery",
            "41.name.orrery",
            &long,
        ];
        let names: std::collections::BTreeSet<String> =
            all.iter().map(|name| encoded(name).to_ascii_lowercase()).collect();
        assert_eq!(names.len(), all.len(), "{names:?}");
        assert!(dns_name(&"x".repeat(NAME_BYTES_MAX + 1).into()).is_err());
    }
}
