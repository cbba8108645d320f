//! Making access keys.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use mc_core::model::{AccessKey, Role};
use mc_core::{Error, ErrorKind, Secret, Timestamp};
use mc_pipeline::Center;
use mc_pipeline::repo::AccessKeys;

/// A key to be made. What is not given is generated.
pub struct NewAccessKey {
    /// The project it opens.
    pub project: String,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Whether HTTP Basic is accepted.
    pub basic: bool,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// The networks it may be used from.
    pub allowed_cidrs: Vec<String>,
    /// The channels it may send through.
    pub allowed_channels: Vec<String>,
    /// Who makes it.
    pub created_by: Option<String>,
    /// The key it follows.
    pub replaces: Option<String>,
    /// The public half, where a first start fixes it.
    pub access_key_id: Option<String>,
    /// The secret half, where a first start fixes it.
    pub secret: Option<Secret>,
}

impl NewAccessKey {
    /// A key without restrictions.
    pub fn new(project: impl Into<String>, name: impl Into<String>, role: Role) -> Self {
        Self {
            project: project.into(),
            name: name.into(),
            role,
            basic: true,
            expires_at: None,
            allowed_cidrs: Vec::new(),
            allowed_channels: Vec::new(),
            created_by: None,
            replaces: None,
            access_key_id: None,
            secret: None,
        }
    }
}

/// Makes a key and stores it; answers it with its secret, which nobody can see again.
pub async fn issue(center: &Center, new: NewAccessKey) -> mc_core::Result<(AccessKey, Secret)> {
    let access_key_id = new.access_key_id.unwrap_or_else(|| generate_id(center));
    let secret = new.secret.unwrap_or_else(|| generate_secret(center));
    let sealed = center
        .sealer
        .seal(&AccessKeys::seal_context(&access_key_id), secret.expose())
        .map_err(|e| Error::new(ErrorKind::Sealed, "an access key's secret cannot be sealed").because(e))?;
    let key = AccessKey {
        id: access_key_id.clone(),
        access_key_id,
        secret: sealed,
        project: new.project,
        name: new.name,
        role: new.role,
        basic: new.basic,
        enabled: true,
        expires_at: new.expires_at,
        allowed_cidrs: new.allowed_cidrs,
        allowed_channels: new.allowed_channels,
        created_by: new.created_by,
        replaces: new.replaces,
        replaced_by: None,
        created_at: center.clock.now(),
    };
    center.access_keys.put(&key).await?;
    Ok((key, secret))
}

/// `MC` and 18 letters and digits that cannot be mistaken for each other.
fn generate_id(center: &Center) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut bytes = [0; 18];
    center.random.fill(&mut bytes);
    let letters = bytes.iter().map(|b| char::from(LETTERS[usize::from(b % 32)]));
    "MC".chars().chain(letters).collect()
}

/// 240 random bits as 40 characters that need no escaping anywhere.
fn generate_secret(center: &Center) -> Secret {
    let mut bytes = zeroize::Zeroizing::new([0; 30]);
    center.random.fill(bytes.as_mut_slice());
    Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}
