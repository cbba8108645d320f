//! The encryption of WeCom's, WeChat's and DingTalk's callbacks, from the platform's side: it encrypts what it tells, and
//! decrypts what DingTalk is answered.

use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use ring::digest;

/// The padding's block, which is not the cipher's.
const BLOCK: usize = 32;

/// Encrypts for one account.
pub(crate) struct WxCipher {
    key: [u8; 32],
    /// What stands behind the message: the corp id or app id.
    id: String,
}

impl WxCipher {
    /// A cipher, unless the EncodingAESKey is not 43 characters of base64. The last of them may carry bits that
    /// belong to nobody.
    pub(crate) fn new(encoding_aes_key: &str, id: &str) -> Option<WxCipher> {
        let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
        let key = GeneralPurpose::new(&ALPHABET, config).decode(format!("{encoding_aes_key}=")).ok()?;
        Some(WxCipher { key: key.try_into().ok()?, id: id.to_owned() })
    }

    /// What goes into `Encrypt`: base64 of 16 random bytes, the message's length, the message and the id, encrypted.
    pub(crate) fn encrypt(&self, random: &[u8; 16], message: &str) -> String {
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
        let mut plain = [&random[..], &length, message.as_bytes(), self.id.as_bytes()].concat();
        let pad = BLOCK - plain.len() % BLOCK;
        plain.resize(plain.len() + pad, u8::try_from(pad).unwrap_or_default());
        let cipher = cbc::Encryptor::<aes::Aes256>::new(&self.key.into(), &self.iv().into());
        let length = plain.len();
        // The text was padded to whole blocks, so nothing can fail.
        let encrypted = cipher.encrypt_padded::<NoPadding>(&mut plain, length).unwrap_or_default();
        STANDARD.encode(encrypted)
    }

    /// The message in what `encrypt` makes for the same account; `None` if it is something else.
    pub(crate) fn decrypt(&self, encrypted: &str) -> Option<String> {
        let mut bytes = STANDARD.decode(encrypted).ok()?;
        let cipher = cbc::Decryptor::<aes::Aes256>::new(&self.key.into(), &self.iv().into());
        let plain = cipher.decrypt_padded::<NoPadding>(&mut bytes).ok()?;
        let pad = usize::from(*plain.last()?);
        let padding = plain.len().checked_sub(pad).filter(|_| (1..=BLOCK).contains(&pad))?;
        let length = u32::from_be_bytes(plain.get(16..20)?.try_into().ok()?);
        let end = 20 + usize::try_from(length).ok()?;
        let is_ours = plain.len().is_multiple_of(BLOCK) && plain.get(end..padding)? == self.id.as_bytes();
        is_ours.then(|| String::from_utf8(plain[20..end].to_vec()).ok())?
    }

    fn iv(&self) -> [u8; 16] {
        let mut iv = [0; 16];
        iv.copy_from_slice(&self.key[..16]);
        iv
    }
}

/// The hexadecimal SHA-1 of the parts, sorted and joined.
pub(crate) fn signature(parts: &[&str]) -> String {
    let mut parts = parts.to_vec();
    parts.sort_unstable();
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, parts.concat().as_bytes());
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_pages() {
        assert_eq!(
            signature(&["AAAAA", "1714036504", "1514711492"]),
            "f464b24fc39322e44b38aa78f5edd27bd1441696"
        );
        let cipher = WxCipher::new(&"A".repeat(43), "wxba5fad812f8e6fb9").unwrap();
        let encrypted = cipher.encrypt(b"707722b803182950", r#"{"demo_resp":"good luck"}"#);
        assert_eq!(
            encrypted,
            "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ=="
        );
        assert_eq!(
            signature(&["AAAAA", "1713424427", "415670741", &encrypted]),
            "1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1"
        );
    }

    #[test]
    fn a_key_with_bits_to_spare() {
        let key = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
        let cipher = WxCipher::new(key, "wxb11529c136998cb6").unwrap();
        assert_eq!(
            cipher.encrypt(b"aaaabbbbccccdddd", "我是中文abcd123"),
            "jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg=="
        );
        assert!(WxCipher::new("too-short", "x").is_none());
        let encrypted = cipher.encrypt(b"aaaabbbbccccdddd", "success");
        assert_eq!(cipher.decrypt(&encrypted).as_deref(), Some("success"));
        assert_eq!(WxCipher::new(key, "another").unwrap().decrypt(&encrypted), None);
        assert!(["", "AAAA", "not base64!"].iter().all(|text| cipher.decrypt(text).is_none()));
    }
}
