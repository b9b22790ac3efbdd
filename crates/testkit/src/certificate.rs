//! The certificates and keys of one control plane: one authority, made anew for each run.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use time::OffsetDateTime;

/// Longer than any test or demo runs.
const VALID_FOR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Clocks of virtual machines jump; a certificate is valid a little before it is made.
const VALID_BEFORE: Duration = Duration::from_secs(60 * 60);

/// A certificate and its private key in PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// What the components of a control plane need, written to one folder.
pub(crate) struct Certificates {
    pub(crate) authority: String,
    pub(crate) authority_file: PathBuf,
    pub(crate) authority_key_file: PathBuf,
    pub(crate) server_file: PathBuf,
    pub(crate) server_key_file: PathBuf,
    /// Signs service-account tokens.
    pub(crate) service_account_key_file: PathBuf,
    /// Checks them.
    pub(crate) service_account_public_key_file: PathBuf,
    /// `system:masters`: may do everything.
    pub(crate) admin: Pair,
    pub(crate) admin_file: PathBuf,
    pub(crate) admin_key_file: PathBuf,
    pub(crate) controller_manager: Pair,
    /// Signs for whoever joins later, such as a node.
    pub(crate) issuer: Authority,
}

impl Certificates {
    /// Makes all of them, in `folder`. The API server answers to `server_names` as well.
    pub(crate) fn create(folder: &Path, server_names: &[String]) -> anyhow::Result<Certificates> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let authority = Authority::create()?;
        let names = [
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "127.0.0.1",
            "10.96.0.1",
        ];
        let names: Vec<String> =
            names.into_iter().map(str::to_owned).chain(server_names.iter().cloned()).collect();
        let server = authority.sign(
            CertificateParams::new(names)?,
            ExtendedKeyUsagePurpose::ServerAuth,
            name(None, "kube-apiserver"),
        )?;
        let client = |organization, common_name| authority.client(organization, common_name);
        let write = |file: &str, content: &str| -> anyhow::Result<PathBuf> {
            let path = folder.join(file);
            fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(path)
        };
        let service_account = KeyPair::generate()?;
        let admin = client(Some("system:masters"), "testkit-admin")?;
        Ok(Certificates {
            authority_file: write("ca.crt", &authority.certificate)?,
            authority_key_file: write("ca.key", &authority.issuer.key().serialize_pem())?,
            server_file: write("kube-apiserver.crt", &server.certificate)?,
            server_key_file: write("kube-apiserver.key", &server.key)?,
            service_account_key_file: write("service-account.key", &service_account.serialize_pem())?,
            service_account_public_key_file: write("service-account.pub", &service_account.public_key_pem())?,
            admin_file: write("admin.crt", &admin.certificate)?,
            admin_key_file: write("admin.key", &admin.key)?,
            admin,
            controller_manager: client(None, "system:kube-controller-manager")?,
            authority: authority.certificate.clone(),
            issuer: authority,
        })
    }
}

/// Signs the certificates of one control plane.
pub(crate) struct Authority {
    pub(crate) certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    fn create() -> anyhow::Result<Authority> {
        let mut params = valid(CertificateParams::default());
        params.distinguished_name = name(None, "testkit-ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Authority { certificate, issuer: Issuer::new(params, key) })
    }

    /// A certificate for a client named `common_name`, member of the group `organization`.
    pub(crate) fn client(&self, organization: Option<&str>, common_name: &str) -> anyhow::Result<Pair> {
        let params = CertificateParams::default();
        self.sign(params, ExtendedKeyUsagePurpose::ClientAuth, name(organization, common_name))
    }

    fn sign(
        &self,
        params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
        name: DistinguishedName,
    ) -> anyhow::Result<Pair> {
        let mut params = valid(params);
        params.distinguished_name = name;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Pair { certificate, key: key.serialize_pem() })
    }
}

fn valid(mut params: CertificateParams) -> CertificateParams {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    params.not_before = OffsetDateTime::UNIX_EPOCH + (now - VALID_BEFORE.min(now));
    params.not_after = OffsetDateTime::UNIX_EPOCH + (now + VALID_FOR);
    params
}

fn name(organization: Option<&str>, common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name.push(DnType::CommonName, common_name);
    name
}
