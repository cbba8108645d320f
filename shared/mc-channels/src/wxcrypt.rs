//! Signature and encryption of the callbacks of WeCom, WeChat and DingTalk, which are one algorithm: AES-256-CBC around
//! `16 random bytes ‖ length ‖ message ‖ receive id`, signed by SHA-1 over sorted texts (WeCom's page 90968).

use aes::Aes256;
use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use mc_core::Secret;
use ring::digest;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The padding's block, which is not the cipher's.
const PAD_BLOCK: usize = 32;
/// The cipher's own block; nothing shorter than two of them holds a message.
const CIPHER_BLOCK: usize = 16;
/// Random bytes in front, and the length behind them.
const HEAD: usize = 16 + 4;
/// A key's last character carries two bits that belong to nobody, and the platforms do not clear them.
const KEY_FORM: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// What a callback's encryption needs of an account: its EncodingAESKey and whom messages are for.
pub(crate) struct WxCrypt {
    key: Zeroizing<[u8; 32]>,
    receive_id: String,
}

/// Why an encrypted text is not taken. Said to nobody in more detail, so that nobody can learn from it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotOurs;

impl WxCrypt {
    /// `None` if the EncodingAESKey is not 43 characters of base64. `receive_id` is the corp id, app id or app key.
    pub(crate) fn new(encoding_aes_key: &Secret, receive_id: impl Into<String>) -> Option<Self> {
        let text = Zeroizing::new(format!("{}=", encoding_aes_key.expose()));
        let bytes = Zeroizing::new(KEY_FORM.decode(text.as_bytes()).ok()?);
        let key = <[u8; 32]>::try_from(bytes.as_slice()).ok()?;
        Some(Self { key: Zeroizing::new(key), receive_id: receive_id.into() })
    }

    /// Opens what an `Encrypt` or `echostr` holds. Check the [`signature`] before.
    ///
    /// # Behavior
    /// - Padding, length and receive id must all be right.
    pub(crate) fn decrypt(&self, encrypted: &str) -> Result<Vec<u8>, NotOurs> {
        let mut bytes = STANDARD.decode(encrypted).map_err(|_| NotOurs)?;
        if bytes.len() < 2 * CIPHER_BLOCK || !bytes.len().is_multiple_of(CIPHER_BLOCK) {
            return Err(NotOurs);
        }
        let cipher = cbc::Decryptor::<Aes256>::new((&*self.key).into(), &self.iv().into());
        cipher.decrypt_padded::<NoPadding>(&mut bytes).map_err(|_| NotOurs)?;
        let pad = usize::from(*bytes.last().ok_or(NotOurs)?);
        if !(1..=PAD_BLOCK).contains(&pad) || pad > bytes.len() {
            return Err(NotOurs);
        }
        let (plain, padding) = bytes.split_at(bytes.len() - pad);
        if padding.iter().any(|byte| usize::from(*byte) != pad) {
            return Err(NotOurs);
        }
        let length = plain.get(16..HEAD).and_then(|four| four.try_into().ok()).ok_or(NotOurs)?;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| NotOurs)?;
        let (message, receive_id) = plain[HEAD..].split_at_checked(length).ok_or(NotOurs)?;
        if receive_id != self.receive_id.as_bytes() {
            return Err(NotOurs);
        }
        Ok(message.to_vec())
    }

    /// What goes into the `Encrypt` of an answer.
    pub(crate) fn encrypt(&self, random: &[u8; 16], message: &[u8]) -> String {
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
        let mut plain = [&random[..], &length, message, self.receive_id.as_bytes()].concat();
        let pad = PAD_BLOCK - plain.len() % PAD_BLOCK;
        plain.resize(plain.len() + pad, u8::try_from(pad).unwrap_or_default());
        let whole = plain.len();
        let cipher = cbc::Encryptor::<Aes256>::new((&*self.key).into(), &self.iv().into());
        // Whole blocks always fit into themselves.
        cipher
            .encrypt_padded::<NoPadding>(&mut plain, whole)
            .map(|sealed| STANDARD.encode(sealed))
            .unwrap_or_default()
    }

    fn iv(&self) -> [u8; CIPHER_BLOCK] {
        let mut iv = [0; CIPHER_BLOCK];
        iv.copy_from_slice(&self.key[..CIPHER_BLOCK]);
        iv
    }
}

/// The lower-case hexadecimal SHA-1 of the texts, sorted by their bytes and joined.
pub(crate) fn signature(texts: &[&str]) -> String {
    let mut texts = texts.to_vec();
    texts.sort_unstable();
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, texts.concat().as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether `given` is the signature of the texts, the token among them. Takes as long whatever the difference is.
pub(crate) fn is_signed(given: &str, texts: &[&str]) -> bool {
    signature(texts).as_bytes().ct_eq(given.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One verified example of a platform's page or SDK.
    struct Vector {
        token: &'static str,
        key: &'static str,
        id: &'static str,
        timestamp: &'static str,
        nonce: &'static str,
        encrypted: &'static str,
        signature: &'static str,
        random: &'static [u8; 16],
        message: &'static str,
    }

    const V1: Vector = Vector {
        token: "QDG6eK",
        key: "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
        id: "wx5823bf96d3bd56c7",
        timestamp: "1409659589",
        nonce: "263014780",
        encrypted: "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ==",
        signature: "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3",
        random: b"c41b64491c2468d0",
        message: "1616140317555161061",
    };

    const V2: Vector = Vector {
        token: "QDG6eK",
        key: "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
        id: "wx5823bf96d3bd56c7",
        timestamp: "1409659813",
        nonce: "1372623149",
        encrypted: "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUpj911L3vg3W/sYYvuJTs3TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gsijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUax5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/uh9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIGHBZZIs2pDBS8R07+qN+E7Q==",
        signature: "477715d11cdb4164915debcba66cb864d751f3e6",
        random: b"0960688932c47ef1",
        message: "<xml><ToUserName><![CDATA[wx5823bf96d3bd56c7]]></ToUserName>\n<FromUserName><![CDATA[mycreate]]></FromUserName>\n<CreateTime>1409659813</CreateTime>\n<MsgType><![CDATA[text]]></MsgType>\n<Content><![CDATA[hello]]></Content>\n<MsgId>4561255354251345929</MsgId>\n<AgentID>218</AgentID>\n</xml>",
    };

    const V3: Vector = Vector {
        token: "123456",
        key: "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR",
        id: "wx49f0ab532d5d035a",
        timestamp: "1411525903",
        nonce: "461056294",
        encrypted: "9s4gMv99m88kKTh/H8IdkOiMg6bisoy3ypwy9H4hvSPe9nsGaqyw5hhSjdYbcrKk+j3nba4HMOTzHrluLBYqxgNcBqGsL8GqxlhZgURnAtObvesEl5nZ+uBE8bviY0LWke8Zy9V/QYKxNV2FqllNXcfmstttyIkMKCCmVbCFM2JTF5wY0nFhHZSjPUL2Q1qvSUCUld+/WIXrx0oyKQmpB6o8NRrrNrsDf03oxI1p9FxUgMnwKKZeOA/uu+2IEvEBtb7muXsVbwbgX05UPPJvFurDXafG0RQyPR+mf1nDnAtQmmNOuiR5MIkdQ39xn1vWwi1O5oazPoQJz0nTYjxxEE8kv3kFxtAGVRe3ypD3WeK2XeFYFMNMpatF9XiKzHo3",
        signature: "407518b7649e86ef23978113f92d27afa9296533",
        random: b"1234567890123456",
        message: "<xml>\n<MsgType><![CDATA[text]]></MsgType>\n<Content><![CDATA[test]]></Content>\n<FromUserName><![CDATA[wx49f0ab532d5d035a]]></FromUserName>\n<ToUserName><![CDATA[messense]]></ToUserName>\n<AgentID>1</AgentID>\n<CreateTime>1411525903</CreateTime>\n</xml>",
    };

    fn crypt(vector: &Vector) -> WxCrypt {
        WxCrypt::new(&Secret::new(vector.key), vector.id).unwrap()
    }

    #[test]
    fn the_vectors_open_and_close_again() {
        for vector in [V1, V2, V3] {
            let texts = [vector.token, vector.timestamp, vector.nonce, vector.encrypted];
            assert_eq!(signature(&texts), vector.signature);
            assert!(is_signed(vector.signature, &texts));
            let crypt = crypt(&vector);
            assert_eq!(crypt.decrypt(vector.encrypted).unwrap(), vector.message.as_bytes());
            assert_eq!(crypt.encrypt(vector.random, vector.message.as_bytes()), vector.encrypted);
        }
    }

    #[test]
    fn a_key_without_spare_bits_opens_too() {
        let key = Secret::new("4Ma3YBrSBbX2aez8MJpXGBne5LSDwgGqHbhM9WPYIws");
        let encrypted =
            "6KmUQuPVu7UhjyVqRdbo5SfcRqaHvbUlKSHFvBV2ZuR6TIlKsygcfeSd1GDplg1C5KSKr6UPHCaC/nIX3ZNt9w==";
        let texts = ["kjr2TKI8umCBfVF3wAHk8JiPwma5VBme", "1583940690", "VHh7ymSeb0jc4lSb", encrypted];
        assert_eq!(signature(&texts), "1ba3cb09c0d2c2b3ed6900d37f91a6efae6cb011");
        let crypt = WxCrypt::new(&key, "ww6a112864f8022910").unwrap();
        assert_eq!(crypt.decrypt(encrypted).unwrap(), b"94966531020182955848408");
    }

    #[test]
    fn a_wrong_signature_is_no_signature() {
        let texts = [V1.token, V1.timestamp, V1.nonce, V1.encrypted];
        for wrong in ["", "5c45", &V1.signature.to_uppercase(), &V1.signature.replace('5', "6")] {
            assert!(!is_signed(wrong, &texts), "{wrong}");
        }
        assert!(!is_signed(V1.signature, &["other", V1.timestamp, V1.nonce, V1.encrypted]));
    }

    #[test]
    fn what_is_not_ours_is_refused_whatever_it_is() {
        let ours = crypt(&V1);
        assert_eq!(
            WxCrypt::new(&Secret::new(V1.key), "another").unwrap().decrypt(V1.encrypted),
            Err(NotOurs)
        );
        let sealed = STANDARD.decode(V1.encrypted).unwrap();
        for length in 0..sealed.len() {
            assert_eq!(ours.decrypt(&STANDARD.encode(&sealed[..length])), Err(NotOurs), "{length} bytes");
        }
        // Whatever is changed never opens to the same message.
        for at in 16..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 0x80;
            assert_ne!(
                ours.decrypt(&STANDARD.encode(&changed)).as_deref(),
                Ok(V1.message.as_bytes()),
                "byte {at}"
            );
        }
        for text in ["", "=", "not base64!", "AAAA", "你好"] {
            assert_eq!(ours.decrypt(text), Err(NotOurs), "{text}");
        }
    }

    #[test]
    fn a_length_beyond_the_text_is_refused() {
        let crypt = crypt(&V1);
        let seal = |mut plain: Vec<u8>, pad: u8, padding: u8| {
            plain.extend(std::iter::repeat_n(padding, usize::from(pad)));
            let whole = plain.len();
            let cipher = cbc::Encryptor::<Aes256>::new((&*crypt.key).into(), &crypt.iv().into());
            STANDARD.encode(cipher.encrypt_padded::<NoPadding>(&mut plain, whole).unwrap())
        };
        for length in [27_u32, 1_000, u32::MAX] {
            let plain = [&[7_u8; 16][..], &length.to_be_bytes(), b"12345678"].concat();
            assert_eq!(crypt.decrypt(&seal(plain, 4, 4)), Err(NotOurs), "{length}");
        }
        let right = [&[7_u8; 16][..], &2_u32.to_be_bytes(), b"ok", V1.id.as_bytes()].concat();
        assert_eq!(crypt.decrypt(&seal(right.clone(), 24, 24)).unwrap(), b"ok");
        for (pad, padding) in [(24, 0), (24, 33), (24, 255), (24, 23)] {
            assert_eq!(crypt.decrypt(&seal(right.clone(), pad, padding)), Err(NotOurs), "{padding}");
        }
    }

    #[test]
    fn a_key_of_another_form_is_none() {
        for key in ["", "short", &"A".repeat(42), &"A".repeat(44), &"!".repeat(43)] {
            assert!(WxCrypt::new(&Secret::new(key), "x").is_none(), "{key}");
        }
    }
}
