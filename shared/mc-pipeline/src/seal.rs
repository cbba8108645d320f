//! Sealing of secret values before they are stored.
//!
//! A sealed value is `v1.<key id>.<base64url of nonce, ciphertext and tag>`: AES-256-GCM under one of the keys of a
//! [`KeyRing`], with a random nonce. It is bound to its context (say `channel/default/mail/password`), so a value that
//! was copied to another place does not open there.
//!
//! To rotate, add a key and make it current. Old values still open; [`Sealer::needs_reseal`] finds them, and an old key
//! may go once no value names it. Random nonces are safe for some billions of values per key.

use std::{collections::BTreeMap, fmt, sync::Arc};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use mc_core::{Secret, ports::Random};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

const VERSION: &str = "v1";
const KEY_LEN: usize = 32;
const MAX_KEY_ID: usize = 32;

/// What is wrong with a key ring. Names key ids, never keys.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyRingError {
    /// Not `{"current": "…", "keys": {"…": "…"}}`.
    #[error("the key ring must be JSON of the form {{\"current\": id, \"keys\": {{id: base64}}}}")]
    Json,
    /// An id with other characters than letters, digits, `_` and `-`, or longer than 32.
    #[error("key ids are 1 to 32 letters, digits, _ or -")]
    KeyId,
    /// Not 32 bytes in base64.
    #[error("key {0} must be 32 bytes in base64")]
    Key(String),
    /// `generated` is too short, or there is a key of its id too.
    #[error("generated has at least 64 characters, and then keys holds no k0")]
    Generated,
    /// `current` names no key.
    #[error("the current key {0} is not among the keys")]
    NoCurrent(String),
    /// A key of this id is there already.
    #[error("there is already a key {0}")]
    Exists(String),
}

/// Why a value could not be sealed or opened. Never holds the value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SealError {
    /// Not a sealed value, or of a version we do not know.
    #[error("not a sealed value")]
    Format,
    /// Sealed under a key that is not in the ring.
    #[error("sealed under the unknown key {0}")]
    UnknownKey(String),
    /// Changed, or sealed for another context, or under another key of the same id.
    #[error("the sealed value does not open here")]
    Altered,
    /// Longer than the cipher can take.
    #[error("the value is too long")]
    TooLong,
}

/// The keys that values are sealed under, and which of them is used for new ones.
#[derive(Clone)]
pub struct KeyRing {
    current: String,
    keys: BTreeMap<String, Zeroizing<[u8; KEY_LEN]>>,
}

/// The stored form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyRingJson {
    current: String,
    keys: BTreeMap<String, Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    generated: Option<Secret>,
}

/// The key that follows from `generated`.
const GENERATED_KEY: &str = "k0";

/// A generated text is at least this long, so that it holds more than 256 bits whatever letters it is made of.
const GENERATED_LEN: usize = 64;

impl KeyRing {
    /// Reads `{"current": "k1", "keys": {"k1": "base64…"}}`.
    ///
    /// `"generated": "64 random letters and digits"` may stand besides, for places that can make up a text and nothing
    /// else: the key `k0` follows from it.
    pub fn parse(json: &str) -> Result<Self, KeyRingError> {
        // The parser's own message may quote what it stumbled over, so it is dropped.
        let json: KeyRingJson = serde_json::from_str(json).map_err(|_| KeyRingError::Json)?;
        let mut keys = BTreeMap::new();
        for (id, text) in json.keys {
            check_key_id(&id)?;
            let bytes = Zeroizing::new(STANDARD.decode(text.expose()).unwrap_or_default());
            let key: &[u8; KEY_LEN] =
                bytes.as_slice().try_into().map_err(|_| KeyRingError::Key(id.clone()))?;
            keys.insert(id, Zeroizing::new(*key));
        }
        if let Some(text) = json.generated {
            if text.expose().len() < GENERATED_LEN || keys.contains_key(GENERATED_KEY) {
                return Err(KeyRingError::Generated);
            }
            keys.insert(GENERATED_KEY.to_owned(), derived(&text));
        }
        if !keys.contains_key(&json.current) {
            return Err(KeyRingError::NoCurrent(json.current));
        }
        Ok(Self { current: json.current, keys })
    }

    /// A ring of one new key.
    pub fn generate(key_id: &str, random: &dyn Random) -> Result<Self, KeyRingError> {
        let mut ring = Self { current: String::new(), keys: BTreeMap::new() };
        ring.rotate(key_id, random)?;
        Ok(ring)
    }

    /// Adds a new key and makes it the current one.
    pub fn rotate(&mut self, key_id: &str, random: &dyn Random) -> Result<(), KeyRingError> {
        check_key_id(key_id)?;
        if self.keys.contains_key(key_id) {
            return Err(KeyRingError::Exists(key_id.to_owned()));
        }
        let mut key = Zeroizing::new([0; KEY_LEN]);
        random.fill(key.as_mut_slice());
        self.keys.insert(key_id.to_owned(), key);
        key_id.clone_into(&mut self.current);
        Ok(())
    }

    /// The form that [`KeyRing::parse`] reads, to be kept where secrets are kept.
    pub fn to_json(&self) -> Result<Secret, KeyRingError> {
        let keys =
            self.keys.iter().map(|(id, key)| (id.clone(), Secret::new(STANDARD.encode(key.as_slice()))));
        let json = KeyRingJson { current: self.current.clone(), keys: keys.collect(), generated: None };
        serde_json::to_string(&json).map(Secret::new).map_err(|_| KeyRingError::Json)
    }

    /// The key id that new values are sealed under.
    pub fn current(&self) -> &str {
        &self.current
    }

    /// All key ids.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("current", &self.current).field("keys", &self.keys.keys()).finish()
    }
}

/// The key of a generated text.
fn derived(text: &Secret) -> Zeroizing<[u8; KEY_LEN]> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"message-center key ring v1");
    let tag = hmac::sign(&key, text.expose().as_bytes());
    let mut bytes = Zeroizing::new([0; KEY_LEN]);
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

fn check_key_id(id: &str) -> Result<(), KeyRingError> {
    let fits = (1..=MAX_KEY_ID).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if fits { Ok(()) } else { Err(KeyRingError::KeyId) }
}

/// Seals and opens values.
pub struct Sealer {
    current: String,
    keys: BTreeMap<String, LessSafeKey>,
    random: Arc<dyn Random>,
}

impl Sealer {
    /// A sealer with these keys; nonces come from `random`.
    pub fn new(ring: &KeyRing, random: Arc<dyn Random>) -> Result<Self, KeyRingError> {
        let key = |(id, key): (&String, &Zeroizing<[u8; KEY_LEN]>)| {
            let key =
                UnboundKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| KeyRingError::Key(id.clone()))?;
            Ok((id.clone(), LessSafeKey::new(key)))
        };
        let keys = ring.keys.iter().map(key).collect::<Result<_, _>>()?;
        Ok(Self { current: ring.current.clone(), keys, random })
    }

    /// Seals a value for a context.
    pub fn seal(&self, context: &str, plaintext: &str) -> Result<String, SealError> {
        let key = self.key(&self.current)?;
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce);
        // One buffer of the full size, so that no copy of the plaintext is left behind by a reallocation.
        let mut sealed = Vec::with_capacity(NONCE_LEN + plaintext.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext.as_bytes());
        let text = &mut sealed[NONCE_LEN..];
        let tag = key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                bound_to(&self.current, context),
                text,
            )
            .map_err(|_| SealError::TooLong)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(format!("{VERSION}.{}.{}", self.current, URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// Opens a value that was sealed for the same context.
    pub fn open(&self, context: &str, sealed: &str) -> Result<Zeroizing<String>, SealError> {
        let (key_id, body) = split(sealed).ok_or(SealError::Format)?;
        let key = self.key(key_id)?;
        let mut bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(body).map_err(|_| SealError::Format)?);
        let (nonce, text) = bytes.split_first_chunk_mut::<NONCE_LEN>().ok_or(SealError::Format)?;
        let opened = key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), bound_to(key_id, context), text)
            .map_err(|_| SealError::Altered)?;
        // Only text is ever sealed, so other bytes mean that somebody else holds the key.
        let opened = str::from_utf8(opened).map_err(|_| SealError::Altered)?;
        Ok(Zeroizing::new(opened.to_owned()))
    }

    /// Whether a value should be sealed again: it is not under the current key, or cannot be read at all.
    pub fn needs_reseal(&self, sealed: &str) -> bool {
        split(sealed).is_none_or(|(key_id, _)| key_id != self.current)
    }

    /// Whether the ring has no other key than the current one.
    pub fn is_alone(&self) -> bool {
        self.keys.len() == 1
    }

    fn key(&self, id: &str) -> Result<&LessSafeKey, SealError> {
        self.keys.get(id).ok_or_else(|| SealError::UnknownKey(id.to_owned()))
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("current", &self.current)
            .field("keys", &self.keys.keys())
            .finish_non_exhaustive()
    }
}

/// Key id and body. The id is checked here because errors show it.
fn split(sealed: &str) -> Option<(&str, &str)> {
    let (key_id, body) = sealed.strip_prefix(VERSION)?.strip_prefix('.')?.split_once('.')?;
    check_key_id(key_id).is_ok().then_some((key_id, body))
}

/// The associated data. A key id has no dot, so the parts cannot run into each other.
fn bound_to(key_id: &str, context: &str) -> Aad<String> {
    Aad::from(format!("{VERSION}.{key_id}.{context}"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    /// Different bytes at each call.
    #[derive(Default)]
    struct Counter(AtomicU8);

    impl Random for Counter {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0.fetch_add(1, Ordering::Relaxed));
        }
    }

    fn ring() -> KeyRing {
        KeyRing::generate("k1", &Counter::default()).unwrap()
    }

    fn sealer(ring: &KeyRing) -> Sealer {
        Sealer::new(ring, Arc::new(Counter::default())).unwrap()
    }

    #[test]
    fn what_is_sealed_opens() {
        let sealer = sealer(&ring());
        for text in ["", "x", "密码 and more", &"long ".repeat(10_000)] {
            let sealed = sealer.seal("default/mail/password", text).unwrap();
            assert!(sealed.starts_with("v1.k1.") && (text.len() < 9 || !sealed.contains(text)), "{sealed}");
            assert_eq!(sealer.open("default/mail/password", &sealed).unwrap().as_str(), text);
            assert!(!sealer.needs_reseal(&sealed));
        }
        assert_ne!(
            sealer.seal("c", "same").unwrap(),
            sealer.seal("c", "same").unwrap(),
            "a nonce of its own each time"
        );
    }

    #[test]
    fn a_generated_text_is_a_key_for_ever() {
        let generated = "a".repeat(64);
        let first = format!(r#"{{"current": "k0", "keys": {{}}, "generated": "{generated}"}}"#);
        let sealed = sealer(&KeyRing::parse(&first).unwrap()).seal("c", "text").unwrap();
        // Worked out by another program.
        let later = r#"{"current": "k0", "keys": {"k0": "G1FJSHHM+N/Se2YH59vqguRHtCAVTRQvQhyk1yK++w0="}}"#;
        let mut later = KeyRing::parse(later).unwrap();
        later.rotate("k1", &Counter::default()).unwrap();
        let later = KeyRing::parse(later.to_json().unwrap().expose()).unwrap();
        assert_eq!(sealer(&later).open("c", &sealed).unwrap().as_str(), "text");
        assert!(sealer(&later).needs_reseal(&sealed));
        for bad in [
            first.replace("aaa", "a"),
            first.replace("{}", r#"{"k0": "G1FJSHHM+N/Se2YH59vqguRHtCAVTRQvQhyk1yK++w0="}"#),
        ] {
            assert!(matches!(KeyRing::parse(&bad), Err(KeyRingError::Generated)), "{bad}");
        }
    }

    #[test]
    fn another_context_does_not_open() {
        let sealer = sealer(&ring());
        let sealed = sealer.seal("a/b/c", "x").unwrap();
        for context in ["", "a/b", "a/b/c/", "a/b/d", "k1.a/b/c"] {
            assert_eq!(sealer.open(context, &sealed), Err(SealError::Altered), "{context}");
        }
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let sealer = sealer(&ring());
        let sealed = sealer.seal("c", "hunter2").unwrap();
        for (index, letter) in sealed.char_indices() {
            for other in ['A', 'Q', '.', 'é'] {
                if other != letter {
                    let mut changed = sealed.clone();
                    changed.replace_range(index..=index, other.encode_utf8(&mut [0; 4]));
                    assert!(sealer.open("c", &changed).is_err(), "{changed}");
                }
            }
            assert!(sealer.open("c", &sealed[..index]).is_err());
        }
        for broken in ["", "v1", "v1.", "v1..", "v1.k1", "v1.k1.", "v2.k1.AAAA", "v1.k1.AAAA=", "v1.a b.AAAA"]
        {
            assert_eq!(sealer.open("c", broken), Err(SealError::Format), "{broken}");
            assert!(sealer.needs_reseal(broken) || broken.starts_with("v1.k1."), "{broken}");
        }
    }

    #[test]
    fn rotation_keeps_old_values_readable() {
        let mut ring = ring();
        let old = sealer(&ring).seal("c", "hunter2").unwrap();
        let random = Counter(AtomicU8::new(7));
        ring.rotate("k2", &random).unwrap();
        assert_eq!((ring.current(), ring.key_ids().collect::<Vec<_>>()), ("k2", vec!["k1", "k2"]));
        let both = sealer(&ring);
        assert_eq!(both.open("c", &old).unwrap().as_str(), "hunter2");
        assert!(both.needs_reseal(&old));
        let new = both.seal("c", "hunter2").unwrap();
        assert!(new.starts_with("v1.k2.") && !both.needs_reseal(&new));
        assert_eq!(ring.rotate("k2", &random), Err(KeyRingError::Exists("k2".to_owned())));

        let only_new = sealer(&KeyRing::generate("k2", &random).unwrap());
        assert_eq!(only_new.open("c", &old), Err(SealError::UnknownKey("k1".to_owned())));
        assert_eq!(only_new.open("c", &new), Err(SealError::Altered), "another key of the same id");
        assert_eq!(both.open("c", &old.replace(".k1.", ".k2.")), Err(SealError::Altered));
    }

    #[test]
    fn rings_survive_storage_and_are_not_shown() {
        let ring = KeyRing::generate("k1", &Counter(AtomicU8::new(0x41))).unwrap();
        let json = ring.to_json().unwrap();
        let key = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
        assert_eq!(json.expose(), format!(r#"{{"current":"k1","keys":{{"k1":"{key}"}}}}"#));
        let sealed = sealer(&ring).seal("c", "x").unwrap();
        let again = KeyRing::parse(json.expose()).unwrap();
        assert_eq!(sealer(&again).open("c", &sealed).unwrap().as_str(), "x");
        let shown = format!("{ring:?} {:?} {json:?}", sealer(&ring));
        assert!(
            shown.contains("k1")
                && !shown.contains("QUFB")
                && !shown.contains("AAAA")
                && !shown.contains("65, 65"),
            "{shown}"
        );
    }

    #[test]
    fn bad_rings_are_refused_without_showing_keys() {
        let key = STANDARD.encode([7; 32]);
        let table = [
            (String::new(), KeyRingError::Json),
            (format!(r#"{{"current":"k1","keys":["{key}"]}}"#), KeyRingError::Json),
            (format!(r#"{{"current":"k1","keys":{{"k1":"{key}"}},"x":1}}"#), KeyRingError::Json),
            (format!(r#"{{"current":"k.1","keys":{{"k.1":"{key}"}}}}"#), KeyRingError::KeyId),
            (format!(r#"{{"current":"","keys":{{"":"{key}"}}}}"#), KeyRingError::KeyId),
            (format!(r#"{{"current":"k1","keys":{{"k1":"A{key}"}}}}"#), KeyRingError::Key("k1".to_owned())),
            (r#"{"current":"k1","keys":{"k1":"AAAA"}}"#.to_owned(), KeyRingError::Key("k1".to_owned())),
            (
                format!(r#"{{"current":"k2","keys":{{"k1":"{key}"}}}}"#),
                KeyRingError::NoCurrent("k2".to_owned()),
            ),
        ];
        for (json, expected) in table {
            let error = KeyRing::parse(&json).unwrap_err();
            assert!(!error.to_string().contains(&key));
            assert_eq!(error, expected, "{json}");
        }
        assert!(KeyRing::generate("", &Counter::default()).is_err());
    }
}
