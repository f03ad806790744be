//! Whom an HTTP client trusts.

use std::path::PathBuf;

use campanile::config::Invalid;

/// Mozilla's root certificates, and those in these files.
///
/// # Errors
///
/// When a file cannot be read, or has no certificate that can be one of a root.
#[cfg(feature = "tls")]
pub(super) fn roots(files: &[PathBuf]) -> Result<rustls::RootCertStore, Invalid> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};

    let mut roots = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    for file in files {
        let wrong = |rule| Invalid {
            concern: "http",
            field: "root_certificates",
            value: format!("{file:?}"),
            rule,
        };
        let certificates = CertificateDer::pem_file_iter(file)
            .map_err(|_| wrong("it is a file that can be read"))?;
        let before = roots.len();
        for certificate in certificates {
            let added = certificate.map(|certificate| roots.add(certificate));
            if !matches!(added, Ok(Ok(()))) {
                return Err(wrong("each certificate in it is one of X.509, in PEM"));
            }
        }
        if roots.len() == before {
            return Err(wrong("it has a certificate at least, in PEM"));
        }
    }
    Ok(roots)
}

/// Nobody is asked for a certificate.
#[cfg(not(feature = "tls"))]
pub(super) fn roots(files: &[PathBuf]) -> Result<(), Invalid> {
    let rule = "it takes the feature `tls`";
    Invalid::unless(files.is_empty(), "http", "root_certificates", &files, rule)
}
