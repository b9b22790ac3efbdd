//! Which authority the API server trusts for our webhooks, and what the operator serves.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use operator::certificate::keep;
use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{Seen, catalogue::Check, sheet::Sheet, text};
use crate::cluster::{self, Cluster};

/// A certificate that has less than this left should have been renewed.
const SOON: Duration = Duration::days(14);

/// Looks at every bundle, and at the certificate that is served.
///
/// # Errors
///
/// When the cluster cannot be asked.
pub(super) fn check(cluster: &Cluster, seen: &Seen, own: &str, sheet: &mut Sheet) -> anyhow::Result<()> {
    for made in [Check::WebhookBundle, Check::CertificateExpiry, Check::ConversionBundle] {
        sheet.made(made, "");
    }
    let mut bundles: Vec<&str> = Vec::new();
    for (object, webhook) in seen.own_webhooks() {
        let object = format!("{object}, webhook {}", text(webhook, "/name"));
        let bundle = text(webhook, "/clientConfig/caBundle");
        if let Some(certificates) = read(Check::WebhookBundle, &object, bundle, sheet)
            && !bundles.contains(&bundle)
        {
            bundles.push(bundle);
            of_bundle(&object, &certificates, sheet);
            served(cluster, webhook, own, &object, &certificates, sheet)?;
        }
    }
    for definition in &seen.definitions {
        let Some(webhook) = definition.pointer("/spec/conversion/webhook") else { continue };
        let name = text(definition, "/metadata/name");
        let bundle = text(webhook, "/clientConfig/caBundle");
        let is_read = read(Check::ConversionBundle, name, bundle, sheet).is_some();
        if is_read && !bundles.is_empty() && !bundles.contains(&bundle) {
            sheet.error(Check::ConversionBundle, name, "its caBundle is not that of the webhooks", "");
        }
    }
    Ok(())
}

/// The certificates of a bundle; what is wrong with it is noted.
fn read(check: Check, object: &str, bundle: &str, sheet: &mut Sheet) -> Option<Vec<CertificateDer<'static>>> {
    if bundle.is_empty() {
        sheet.error(check, object, "it has no caBundle", "");
        return None;
    }
    let pem = STANDARD.decode(bundle).unwrap_or_default();
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    if certificates.is_empty() || certificates.iter().any(|c| expires(c).is_none()) {
        sheet.error(check, object, "its caBundle holds something that is no certificate", "");
        return None;
    }
    Some(certificates)
}

/// The last moment of a certificate; none when it is none.
fn expires(certificate: &CertificateDer<'_>) -> Option<OffsetDateTime> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(certificate.validity().not_after.to_datetime())
}

/// Whether the authority that lasts longest lasts.
fn of_bundle(object: &str, certificates: &[CertificateDer<'_>], sheet: &mut Sheet) {
    let Some(last) = certificates.iter().filter_map(expires).max() else { return };
    expiry(&format!("the authority in the caBundle of {object}"), last, sheet);
}

fn expiry(what: &str, last: OffsetDateTime, sheet: &mut Sheet) {
    let left = last - OffsetDateTime::now_utc();
    if left <= Duration::ZERO {
        sheet.error(Check::CertificateExpiry, "", format!("{what} expired at {last}"), "");
    } else if left < SOON {
        sheet.warn(Check::CertificateExpiry, "", format!("{what} expires at {last}"), "");
    } else {
        sheet.made(Check::CertificateExpiry, format!("{} days left", left.whole_days()));
    }
}

/// What the operator serves: seen over the network where a URL says where, else read from the Secret.
fn served(
    cluster: &Cluster,
    webhook: &Value,
    own: &str,
    object: &str,
    trusted: &[CertificateDer<'static>],
    sheet: &mut Sheet,
) -> anyhow::Result<()> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted.iter().cloned());
    let url = text(webhook, "/clientConfig/url");
    let verified = if url.is_empty() {
        match in_secret(cluster, own)? {
            Some(chain) => {
                let service = |field: &str| text(webhook, &format!("/clientConfig/service/{field}"));
                verify(roots, &chain, &format!("{}.{}.svc", service("name"), service("namespace")))
                    .map(|()| chain)
            }
            None => return Ok(()),
        }
    } else {
        match url
            .parse::<http::Uri>()
            .ok()
            .and_then(|uri| Some((uri.host()?.to_owned(), uri.port_u16().unwrap_or(443))))
        {
            // Who is not reached from here may well be reached from the API server; that is tried elsewhere.
            Some((host, port)) => match cluster.wait_for(connect(roots, host, port)) {
                Some(Ok(chain)) => Ok(chain),
                Some(Err(Some(error))) => Err(error),
                Some(Err(None)) | None => return Ok(()),
            },
            None => {
                sheet.error(Check::WebhookBundle, object, format!("its url {url} is none"), "");
                return Ok(());
            }
        }
    };
    match verified {
        Ok(chain) => {
            if let Some(last) = chain.first().and_then(expires) {
                expiry("the certificate of the webhooks", last, sheet);
            }
        }
        // The Go operator's cert-manager set-up serves the authority itself, which the API server accepts.
        Err(rustls::Error::InvalidCertificate(CertificateError::Other(_))) if trusted.len() == 1 => {}
        Err(rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => sheet.error(
            Check::CertificateExpiry,
            object,
            "the certificate that the operator serves has expired",
            "",
        ),
        Err(error) => sheet.error(
            Check::WebhookBundle,
            object,
            format!("the API server does not trust the certificate that the operator serves: {error}"),
            "",
        ),
    }
    Ok(())
}

/// The serving certificate that is kept in the operator's Secret, if it may be read and holds one.
fn in_secret(cluster: &Cluster, own: &str) -> anyhow::Result<Option<Vec<CertificateDer<'static>>>> {
    // Without permission nothing is known, which is no mistake of the installation.
    let secret = cluster.get(&cluster::core(own, "secrets", keep::SECRET)?).ok().flatten();
    let pem = secret.and_then(|secret| STANDARD.decode(text(&secret, "/data/tls.crt")).ok());
    let chain: Option<Vec<_>> =
        pem.map(|pem| CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect());
    Ok(chain.filter(|chain| !chain.is_empty()))
}

fn verify(roots: RootCertStore, chain: &[CertificateDer<'_>], host: &str) -> Result<(), rustls::Error> {
    let unknown = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()))
            .build()
            .map_err(|_| unknown())?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| unknown())?;
    let (first, rest) = chain.split_first().ok_or_else(unknown)?;
    verifier.verify_server_cert(first, rest, &name, &[], UnixTime::now()).map(|_| ())
}

/// The chain that a server shows, if these authorities have signed it. An error that is none: it is not reached.
async fn connect(
    roots: RootCertStore,
    host: String,
    port: u16,
) -> Result<Vec<CertificateDer<'static>>, Option<rustls::Error>> {
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let plain = host.trim_matches(['[', ']']).to_owned();
    let stream = TcpStream::connect((plain.as_str(), port)).await.map_err(|_| None)?;
    let name = ServerName::try_from(plain).map_err(|_| None)?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned())?;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    Ok(chain.iter().map(|certificate| certificate.clone().into_owned()).collect())
}
