//! Making certificates: a certificate authority, and serving certificates signed by it.

use std::{collections::BTreeSet, net::IpAddr};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType,
};
use time::{Duration, OffsetDateTime};

/// Clocks of API server and operator may differ by this much.
const CLOCK_SKEW: Duration = Duration::hours(1);
/// Whatever lives long is replaced this long before its end.
const LONGEST_MARGIN: Duration = Duration::days(90);

/// How long things live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// A new CA.
    pub ca: Duration,
    /// A new serving certificate.
    pub certificate: Duration,
    /// How long old and new CA are trusted together, before and again after the change from one to the other.
    pub overlap: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Lifetimes { ca: Duration::days(3650), certificate: Duration::days(365), overlap: Duration::hours(6) }
    }
}

impl Lifetimes {
    /// Whether something that was made to live for `life` and ends at `expires` is to be replaced: in its last third,
    /// or in its last 90 days.
    pub fn is_due(life: Duration, expires: OffsetDateTime, now: OffsetDateTime) -> bool {
        let last_third: Duration = life / 3;
        expires - now <= last_third.min(LONGEST_MARGIN)
    }
}

/// A certificate authority, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Ca {
    /// Its certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// A serving certificate, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// Why a certificate could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Making a certificate failed.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// A certificate could not be read.
    #[error("cannot read the certificate: {0}")]
    Read(String),
}

// Keys stay out of logs.
impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ca").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Leaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leaf").finish_non_exhaustive()
    }
}

impl Ca {
    /// A new CA.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn create(life: Duration, now: OffsetDateTime) -> Result<Ca, Error> {
        let key = KeyPair::generate()?;
        let mut ca = CertificateParams::new(Vec::<String>::new())?;
        ca.distinguished_name.push(DnType::CommonName, "opentelemetry-operator CA");
        ca.distinguished_name.push(DnType::OrganizationalUnitName, "opentelemetry-operator");
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.not_before = now - CLOCK_SKEW;
        ca.not_after = now + life;
        Ok(Ca { certificate: ca.self_signed(&key)?.pem(), key: key.serialize_pem() })
    }

    /// A serving certificate for these names (DNS names and IP addresses). It ends with the CA at the latest.
    ///
    /// # Errors
    /// When this CA's certificate or key cannot be read, or a name cannot be in a certificate.
    pub fn issue(
        &self,
        names: &BTreeSet<String>,
        life: Duration,
        now: OffsetDateTime,
    ) -> Result<Leaf, Error> {
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, KeyPair::from_pem(&self.key)?)?;
        let key = KeyPair::generate()?;
        let mut leaf = CertificateParams::new(Vec::<String>::new())?;
        for name in names {
            leaf.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.as_str().try_into()?),
            });
        }
        // An empty subject breaks verification in some clients.
        leaf.distinguished_name.push(DnType::OrganizationalUnitName, "opentelemetry-operator");
        leaf.use_authority_key_identifier_extension = true;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.not_before = now - CLOCK_SKEW;
        leaf.not_after = (now + life).min(Certificate::read(&self.certificate)?.expires);
        Ok(Leaf { certificate: leaf.signed_by(&key, &issuer)?.pem(), key: key.serialize_pem() })
    }

    /// When it ends, if its certificate can be read and the key belongs to it.
    pub fn expires(&self) -> Option<OffsetDateTime> {
        let certificate = Certificate::read(&self.certificate).ok()?;
        let key = KeyPair::from_pem(&self.key).ok()?;
        (key.subject_public_key_info() == certificate.public_key).then_some(certificate.expires)
    }
}

/// A CA with one serving certificate: for who needs a certificate and no rotation.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The CA's certificate: what clients trust.
    pub ca_certificate: String,
    /// The serving certificate.
    pub certificate: String,
    /// The serving certificate's key.
    pub key: String,
}

impl Authority {
    /// A new CA with a serving certificate for these names.
    ///
    /// # Errors
    /// As [`Ca::create`] and [`Ca::issue`].
    pub fn create(names: &BTreeSet<String>, now: OffsetDateTime) -> Result<Authority, Error> {
        let lifetimes = Lifetimes::default();
        let ca = Ca::create(lifetimes.ca, now)?;
        let leaf = ca.issue(names, lifetimes.certificate, now)?;
        Ok(Authority { ca_certificate: ca.certificate, certificate: leaf.certificate, key: leaf.key })
    }
}

/// The parts of a certificate that decide whether it can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// When it ends.
    pub expires: OffsetDateTime,
    /// When it begins.
    pub begins: OffsetDateTime,
    /// Its DNS names and IP addresses.
    pub names: BTreeSet<String>,
    /// Its public key, as DER of a SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
}

impl Certificate {
    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(pem: &str) -> Result<Certificate, Error> {
        use x509_parser::{extensions::GeneralName, pem::parse_x509_pem};
        let (_, pem) = parse_x509_pem(pem.as_bytes()).map_err(|e| Error::Read(e.to_string()))?;
        let certificate = pem.parse_x509().map_err(|e| Error::Read(e.to_string()))?;
        let mut names = BTreeSet::new();
        if let Ok(Some(alternatives)) = certificate.subject_alternative_name() {
            for name in &alternatives.value.general_names {
                match name {
                    GeneralName::DNSName(name) => {
                        names.insert((*name).to_owned());
                    }
                    GeneralName::IPAddress(bytes) => {
                        let address = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
                        let address = address.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
                        names.extend(address.map(|a| a.to_string()).ok());
                    }
                    _ => {}
                }
            }
        }
        let validity = certificate.validity();
        Ok(Certificate {
            expires: validity.not_after.to_datetime(),
            begins: validity.not_before.to_datetime(),
            names,
            public_key: certificate.public_key().raw.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn a_leaf_carries_its_names_and_ends_with_its_ca_at_the_latest() {
        let now = OffsetDateTime::now_utc();
        let ca = Ca::create(Duration::days(10), now).unwrap();
        let leaf = ca.issue(&names(&["localhost", "127.0.0.1", "::1"]), Duration::days(365), now).unwrap();
        let read = Certificate::read(&leaf.certificate).unwrap();
        assert_eq!(read.names, names(&["localhost", "127.0.0.1", "::1"]));
        assert_eq!(Some(read.expires), ca.expires());
        assert!(crate::certificate::certified_key(leaf.certificate.as_bytes(), leaf.key.as_bytes()).is_ok());
    }

    #[test]
    fn a_ca_whose_key_is_another_ones_is_none() {
        let now = OffsetDateTime::now_utc();
        let (a, b) =
            (Ca::create(Duration::days(1), now).unwrap(), Ca::create(Duration::days(1), now).unwrap());
        assert!(a.expires().is_some());
        assert_eq!(Ca { key: b.key, ..a }.expires(), None);
        assert_eq!(Ca { certificate: "no certificate".into(), key: "no key".into() }.expires(), None);
    }

    #[test]
    fn what_lives_long_is_due_90_days_before_its_end_and_what_lives_short_in_its_last_third() {
        let now = OffsetDateTime::now_utc();
        let due = |life, left| Lifetimes::is_due(life, now + left, now);
        assert!(
            !due(Duration::days(3650), Duration::days(91)) && due(Duration::days(3650), Duration::days(90))
        );
        assert!(
            !due(Duration::seconds(30), Duration::seconds(11))
                && due(Duration::seconds(30), Duration::seconds(10))
        );
    }
}
