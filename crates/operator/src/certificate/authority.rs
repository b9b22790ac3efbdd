//! The operator's own certificate authority: a CA, and a serving certificate signed by it.

use std::{collections::BTreeSet, net::IpAddr};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use time::{Duration, OffsetDateTime};

/// How long a new CA is valid.
const CA_LIFE: Duration = Duration::days(3650);
/// How long a new serving certificate is valid.
const LEAF_LIFE: Duration = Duration::days(365);
/// A serving certificate with less than this left is replaced.
const RENEW_BEFORE: Duration = Duration::days(90);
/// Clocks of API server and operator may differ by this much.
const CLOCK_SKEW: Duration = Duration::hours(1);

/// CA and serving certificate with their keys, as PEM: what is kept in the Secret or folder.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority {
    /// The CA's certificate: the `caBundle`.
    pub ca_certificate: String,
    /// The CA's key.
    pub ca_key: String,
    /// The serving certificate.
    pub certificate: String,
    /// The serving certificate's key.
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

impl std::fmt::Debug for Authority {
    // Keys stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// A new CA with a serving certificate for these names (DNS names and IP addresses).
    pub fn create(names: &BTreeSet<String>, now: OffsetDateTime) -> Result<Authority, Error> {
        let key = KeyPair::generate()?;
        let mut ca = CertificateParams::new(Vec::<String>::new())?;
        ca.distinguished_name.push(DnType::CommonName, "opentelemetry-operator CA");
        ca.distinguished_name.push(DnType::OrganizationalUnitName, "opentelemetry-operator");
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.not_before = now - CLOCK_SKEW;
        ca.not_after = now + CA_LIFE;
        let ca_certificate = ca.self_signed(&key)?.pem();
        let authority = Authority {
            ca_certificate,
            ca_key: key.serialize_pem(),
            certificate: String::new(),
            key: String::new(),
        };
        authority.reissue(names, now)
    }

    /// The same CA with a new serving certificate.
    pub fn reissue(&self, names: &BTreeSet<String>, now: OffsetDateTime) -> Result<Authority, Error> {
        let issuer = Issuer::from_ca_cert_pem(&self.ca_certificate, KeyPair::from_pem(&self.ca_key)?)?;
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
        leaf.not_after = (now + LEAF_LIFE).min(Certificate::read(&self.ca_certificate)?.expires);
        let certificate = leaf.signed_by(&key, &issuer)?.pem();
        Ok(Authority { certificate, key: key.serialize_pem(), ..self.clone() })
    }

    /// What is usable for these names now: itself, itself with a new serving certificate, or a new CA when the CA is
    /// about to expire or cannot be read.
    pub fn renewed(&self, names: &BTreeSet<String>, now: OffsetDateTime) -> Result<Authority, Error> {
        let ca_is_good = Certificate::read(&self.ca_certificate)
            .is_ok_and(|ca| ca.expires - now > RENEW_BEFORE)
            && KeyPair::from_pem(&self.ca_key).is_ok();
        if !ca_is_good {
            return Authority::create(names, now);
        }
        let leaf_is_good = Certificate::read(&self.certificate)
            .is_ok_and(|leaf| leaf.expires - now > RENEW_BEFORE && names.is_subset(&leaf.names))
            && super::certified_key(self.certificate.as_bytes(), self.key.as_bytes()).is_ok();
        if leaf_is_good { Ok(self.clone()) } else { self.reissue(names, now) }
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
}

impl Certificate {
    /// Reads the first certificate of a PEM text.
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
    fn a_good_authority_is_kept_as_it_is() {
        let now = OffsetDateTime::now_utc();
        let authority = Authority::create(&names(&["localhost", "127.0.0.1"]), now).unwrap();
        assert_eq!(authority.renewed(&names(&["127.0.0.1"]), now).unwrap(), authority);
        let leaf = Certificate::read(&authority.certificate).unwrap();
        assert_eq!(leaf.names, names(&["localhost", "127.0.0.1"]));
    }

    #[test]
    fn another_name_or_a_near_end_gives_a_new_leaf_of_the_same_ca() {
        let now = OffsetDateTime::now_utc();
        let authority = Authority::create(&names(&["localhost"]), now).unwrap();
        for renewed in [
            authority.renewed(&names(&["localhost", "webhook.svc"]), now).unwrap(),
            authority.renewed(&names(&["localhost"]), now + Duration::days(300)).unwrap(),
        ] {
            assert_eq!(renewed.ca_certificate, authority.ca_certificate);
            assert_ne!(renewed.certificate, authority.certificate);
        }
    }

    #[test]
    fn a_ca_at_its_end_or_damaged_is_replaced() {
        let now = OffsetDateTime::now_utc();
        let authority = Authority::create(&names(&["localhost"]), now).unwrap();
        let late = authority.renewed(&names(&["localhost"]), now + Duration::days(3600)).unwrap();
        assert_ne!(late.ca_certificate, authority.ca_certificate);
        let damaged = Authority { ca_key: "no key".into(), ..authority.clone() };
        assert_ne!(
            damaged.renewed(&names(&["localhost"]), now).unwrap().ca_certificate,
            authority.ca_certificate
        );
    }
}
