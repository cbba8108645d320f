//! TLS by hand: ring, Mozilla's roots compiled in, and the channel's own certificates.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// A configuration that trusts Mozilla's roots and the certificates of `extra` (PEM). Answers what is wrong with it.
pub(crate) fn config(extra: Option<&str>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = extra {
        add_pem(&mut roots, pem)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn add_pem(roots: &mut RootCertStore, pem: &str) -> Result<(), String> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate =
            certificate.map_err(|_| "is not PEM; give the whole file of the authority".to_owned())?;
        roots.add(certificate).map_err(|_| "holds a certificate that cannot be read".to_owned())?;
        count += 1;
    }
    if count == 0 {
        return Err("holds no certificate; a PEM file begins with -----BEGIN CERTIFICATE-----".to_owned());
    }
    Ok(())
}
