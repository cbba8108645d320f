//! Signature and encryption of Feishu's calls to us.

use aes::Aes256;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mc_core::Secret;
use ring::digest::{self, Algorithm};
use subtle::ConstantTimeEq;

/// The vector that stands in front of what is encrypted.
const IV: usize = 16;

/// Opens what `encrypt` holds: AES-256-CBC under the hash of the Encrypt Key. `None` if it was not sealed with it.
pub(super) fn open(encrypt_key: &Secret, sealed: &str) -> Option<Vec<u8>> {
    let mut bytes = STANDARD.decode(sealed).ok()?;
    if bytes.len() <= IV || !bytes.len().is_multiple_of(IV) {
        return None;
    }
    let key = digest::digest(&digest::SHA256, encrypt_key.expose().as_bytes());
    let (iv, text) = bytes.split_at_mut(IV);
    let cipher = cbc::Decryptor::<Aes256>::new_from_slices(key.as_ref(), iv).ok()?;
    cipher.decrypt_padded::<Pkcs7>(text).ok().map(<[u8]>::to_vec)
}

/// Whether `given` signs an event: the SHA-256 of time, nonce, Encrypt Key and the body as it came.
pub(super) fn signs_event(given: &str, time: &str, nonce: &str, encrypt_key: &Secret, body: &[u8]) -> bool {
    signs(&digest::SHA256, given, &[time, nonce, encrypt_key.expose()], body)
}

/// Whether `given` signs a click on an old card: the SHA-1 of time, nonce, Verification Token and the body.
pub(super) fn signs_old_card(given: &str, time: &str, nonce: &str, token: &Secret, body: &[u8]) -> bool {
    signs(&digest::SHA1_FOR_LEGACY_USE_ONLY, given, &[time, nonce, token.expose()], body)
}

fn signs(algorithm: &'static Algorithm, given: &str, texts: &[&str], body: &[u8]) -> bool {
    let mut context = digest::Context::new(algorithm);
    texts.iter().for_each(|text| context.update(text.as_bytes()));
    context.update(body);
    let hash: String = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    hash.as_bytes().ct_eq(given.as_bytes()).into()
}

/// Whether two secrets are the same; takes as long whatever the difference is.
pub(super) fn same(secret: &Secret, given: &str) -> bool {
    secret.expose().as_bytes().ct_eq(given.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEALED: &str = "P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk=";
    const CHALLENGE: &str = "AAECAwQFBgcICQoLDA0ODw9mLTIAZS9jAmGTQ1wAhHp7T0KSqa6xlIO2zHinxKSs1K4/7o0J6jqt9tlbOFlHae7/cvXLvNi4ZpCEt5KzcrL1tjJXRzgeOikjXBgef8ne";

    fn key() -> Secret {
        Secret::new("test key")
    }

    #[test]
    fn the_vectors_open() {
        assert_eq!(open(&key(), SEALED).unwrap(), b"hello world");
        let challenge = r#"{"challenge":"ajls384kdjxxxx","token":"xxxxxx","type":"url_verification"}"#;
        assert_eq!(open(&key(), CHALLENGE).unwrap(), challenge.as_bytes());
    }

    #[test]
    fn the_vectors_are_signed() {
        for (sealed, signature) in [
            (SEALED, "08f4a798272523533059aead4ff01dda6c59617a85a164005408c23bf72220ea"),
            (CHALLENGE, "4fce578bd10ee34a1c71e5b3d0638f12e1d420ad6e2f508ad774901efc552c0b"),
        ] {
            let body = format!("{{\"encrypt\":\"{sealed}\"}}");
            let signs = |given: &str, body: &str| {
                signs_event(given, "1608725989", "3b9ac9ff", &key(), body.as_bytes())
            };
            assert!(signs(signature, &body));
            assert!(!signs(signature, &body.replace(':', ": ")), "it is the body as it came");
            assert!(!signs(&signature.to_uppercase(), &body) && !signs("", &body));
        }
    }

    #[test]
    fn what_is_not_ours_does_not_open() {
        let bytes = STANDARD.decode(CHALLENGE).unwrap();
        for length in 0..bytes.len() {
            let cut = open(&key(), &STANDARD.encode(&bytes[..length]));
            assert!(cut.is_none_or(|text| text != open(&key(), CHALLENGE).unwrap()), "{length}");
        }
        for text in ["", "=", "not base64!", "AAAA", "你好"] {
            assert!(open(&key(), text).is_none(), "{text}");
        }
    }
}
