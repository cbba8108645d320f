//! The little of an X.509 certificate that a signature needs: its RSA key, and when it is valid.
//!
//! Whose certificate it is follows from where it was fetched: over TLS from a host of SNS.

use mc_core::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// A key and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    /// An `RSAPublicKey` (RFC 8017), as ring takes it.
    pub(super) key: Vec<u8>,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The version of a certificate; version 1 leaves it out.
const VERSION: u8 = 0xa0;

/// Reads a PEM file.
pub(super) fn read(pem: &[u8]) -> Option<Certificate> {
    let der = CertificateDer::from_pem_slice(pem).ok()?;
    let mut certificate = Der(Der(&der).take(SEQUENCE)?);
    let mut signed = Der(certificate.take(SEQUENCE)?);
    if signed.peek() == Some(VERSION) {
        signed.any()?;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        signed.any()?;
    }
    let mut validity = Der(signed.take(SEQUENCE)?);
    let (not_before, not_after) = (time(validity.any()?)?, time(validity.any()?)?);
    // Subject.
    signed.any()?;
    let mut public_key = Der(signed.take(SEQUENCE)?);
    public_key.take(SEQUENCE)?;
    // A string of bits begins with how many of its last byte are unused.
    let key = public_key.take(BIT_STRING)?.strip_prefix(&[0])?.to_vec();
    Some(Certificate { key, not_before, not_after })
}

fn time((tag, text): (u8, &[u8])) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            // Two digits mean 1950 to 2049 (RFC 5280).
            let year: u32 = text.get(..2)?.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        GENERALIZED_TIME => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2);
    let [month, day, hour, minute, second] = [part(0)?, part(2)?, part(4)?, part(6)?, part(8)?];
    Timestamp::parse(&format!("{year:04}-{month}-{day}T{hour}:{minute}:{second}Z"))
}

/// What is left to read of a DER encoding.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next value, whatever it is, with its tag.
    fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, length], mut rest) = self.0.split_first_chunk::<2>()?;
        let length = if length < 0x80 {
            usize::from(length)
        } else {
            let (digits, after) =
                rest.split_at_checked(usize::from(length & 0x7f)).filter(|(d, _)| d.len() <= 4)?;
            rest = after;
            digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit))
        };
        let (value, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((tag, value))
    }

    /// The next value, which has to have this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.any().filter(|(found, _)| *found == tag).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &[u8] = include_bytes!("fixtures/certificate.pem");

    #[test]
    fn key_and_validity_are_found() {
        let certificate = read(PEM).unwrap();
        assert_eq!(certificate.not_before.to_string(), "2026-11-24T12:38:44.000Z");
        assert_eq!(certificate.not_after.to_string(), "2126-10-31T12:38:44.000Z");
        // 2,048 bits with a leading zero, and an exponent of three bytes.
        assert_eq!(certificate.key.len(), 4 + 4 + 257 + 5);
    }

    #[test]
    fn damage_is_no_certificate_and_no_panic() {
        assert_eq!(read(b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"), None);
        assert_eq!(read(b"nothing"), None);
        let der = CertificateDer::from_pem_slice(PEM).unwrap().to_vec();
        for end in 0..der.len() {
            let mut cut = Der(&der[..end]);
            assert_eq!(cut.take(SEQUENCE), None, "{end}");
        }
        assert_eq!(Der(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).any(), None);
    }
}
