//! Signing what is sent, so that the receiver knows it is from us.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mc_content::FieldError;
use mc_core::{Secret, Timestamp};
use ring::hmac;
use serde_json::{Map, Value};

use super::headers::name_problem;
use super::sigv4;
use crate::fields::Fields;

/// The header of hmac_sha256 where the settings name none.
const USUAL_HEADER: &str = "x-signature-256";

/// How a request is signed.
pub(super) enum Signer {
    /// Not at all.
    None,
    /// <https://www.standardwebhooks.com>: `webhook-timestamp` and `webhook-signature`.
    StandardWebhooks(hmac::Key),
    /// HMAC-SHA256 of the body in hex, in a header of its own.
    HmacSha256 { key: hmac::Key, header: String, prefix: String },
    /// AWS Signature Version 4, as API Gateway and its like want it.
    AwsSigv4(sigv4::Key),
}

/// What is signed.
pub(super) struct ToSign<'a> {
    /// The push.
    pub(super) id: &'a str,
    /// When it is tried.
    pub(super) now: Timestamp,
    pub(super) method: &'a str,
    pub(super) url: &'a str,
    pub(super) body: &'a [u8],
}

#[derive(Clone, Copy, Default)]
enum Scheme {
    #[default]
    None,
    StandardWebhooks,
    HmacSha256,
    AwsSigv4,
}

const SCHEMES: &str = "is one of none, standard_webhooks, hmac_sha256, aws_sigv4";

impl Scheme {
    fn named(name: &Value) -> Option<Self> {
        match name.as_str()? {
            "none" => Some(Self::None),
            "standard_webhooks" => Some(Self::StandardWebhooks),
            "hmac_sha256" => Some(Self::HmacSha256),
            "aws_sigv4" => Some(Self::AwsSigv4),
            _ => None,
        }
    }
}

/// What `sign` says.
#[derive(Default)]
struct Given {
    scheme: Scheme,
    header: Option<String>,
    prefix: Option<String>,
    access_key_id: Option<String>,
    region: Option<String>,
    service: Option<String>,
}

impl Given {
    /// A scheme alone, or an object with one and what belongs to it; nothing where the scheme is none that there is.
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let given = match fields.optional::<Value>("sign") {
            None => return Some(Self::default()),
            Some(Value::Object(given)) => given,
            Some(name) => {
                let scheme = Scheme::named(&name);
                if scheme.is_none() {
                    fields.problem("sign", format!("{SCHEMES}, or an object with one as its type"));
                }
                return Some(Self { scheme: scheme?, ..Self::default() });
            }
        };
        let mut within = Fields::new("/settings/sign", &given);
        let scheme = within.as_given("type").and_then(Scheme::named);
        if scheme.is_none() {
            within.problem("type", SCHEMES);
        }
        let read = Self {
            scheme: scheme.unwrap_or_default(),
            header: within.optional("header"),
            prefix: within.optional("prefix"),
            access_key_id: within.optional("access_key_id"),
            region: within.optional("region"),
            service: within.optional("service"),
        };
        fields.adopt(within);
        scheme.is_some().then_some(read)
    }
}

/// The headers in which the signature stands, in small letters, as far as the settings could set them too.
pub(super) fn written_headers(settings: &Map<String, Value>) -> Vec<String> {
    let given = Given::read(&mut Fields::new("/settings", settings)).unwrap_or_default();
    match given.scheme {
        Scheme::None | Scheme::StandardWebhooks => Vec::new(),
        Scheme::HmacSha256 => vec![given.header.as_deref().unwrap_or(USUAL_HEADER).to_ascii_lowercase()],
        Scheme::AwsSigv4 => sigv4::HEADERS.map(str::to_owned).to_vec(),
    }
}

impl Signer {
    /// Reads `sign`; answers a problem of the secret, which has a place of its own.
    pub(super) fn read(fields: &mut Fields<'_>, secret: Option<&Secret>) -> (Self, Option<FieldError>) {
        let Some(given) = Given::read(fields) else { return (Self::None, None) };
        if !matches!(given.scheme, Scheme::HmacSha256) && (given.header.is_some() || given.prefix.is_some()) {
            fields.problem("sign", "only hmac_sha256 has a header and a prefix");
        }
        let of_aws = [&given.access_key_id, &given.region, &given.service];
        if !matches!(given.scheme, Scheme::AwsSigv4) && of_aws.iter().any(|one| one.is_some()) {
            fields.problem("sign", "only aws_sigv4 has an access_key_id, a region and a service");
        }
        if matches!(given.scheme, Scheme::None) {
            return (Self::None, None);
        }
        let problem = |detail: &str| (Self::None, Some(FieldError::new("/secrets/secret", detail)));
        let Some(secret) = secret else { return problem("is required to sign") };
        if matches!(given.scheme, Scheme::StandardWebhooks) {
            let text = secret.expose();
            return match STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)) {
                Ok(key) if key.len() >= 16 => {
                    (Self::StandardWebhooks(hmac::Key::new(hmac::HMAC_SHA256, &key)), None)
                }
                _ => problem("is whsec_ and the base64 of 24 to 64 random bytes"),
            };
        }
        if matches!(given.scheme, Scheme::AwsSigv4) {
            let mut required = |name: &str, given: Option<String>, what: &str| {
                let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
                given.filter(|text| plain(text)).unwrap_or_else(|| {
                    fields.problem(&format!("sign/{name}"), what);
                    String::new()
                })
            };
            let id = required("access_key_id", given.access_key_id, "is required: the key's id, like AKIA…");
            let region = required("region", given.region, "is required, like eu-central-1");
            let service = given.service.unwrap_or_else(|| "execute-api".to_owned());
            let service = required("service", Some(service), "is a service's name, like execute-api");
            let key = sigv4::Key { id, secret: secret.clone(), region, service };
            return (Self::AwsSigv4(key), None);
        }
        let header = given.header.unwrap_or_else(|| USUAL_HEADER.to_owned());
        if let Some(problem) = name_problem(&header) {
            fields.problem("sign/header", problem);
        }
        let prefix = given.prefix.unwrap_or_else(|| "sha256=".to_owned());
        if prefix.contains(|c: char| c.is_control()) {
            fields.problem("sign/prefix", "cannot be put into a header");
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        (Self::HmacSha256 { key, header, prefix }, None)
    }

    /// Adds the headers that sign a request; nothing if its address cannot be signed. The time is that of the try, so
    /// every try is signed anew.
    pub(super) fn sign(&self, what: &ToSign<'_>, headers: &mut Vec<(String, String)>) -> Option<()> {
        match self {
            Self::None => {}
            Self::StandardWebhooks(key) => {
                let timestamp = what.now.seconds().to_string();
                let mut context = hmac::Context::with_key(key);
                for piece in [what.id.as_bytes(), b".", timestamp.as_bytes(), b".", what.body] {
                    context.update(piece);
                }
                let signature = format!("v1,{}", STANDARD.encode(context.sign()));
                headers.push(("webhook-timestamp".to_owned(), timestamp));
                headers.push(("webhook-signature".to_owned(), signature));
            }
            Self::HmacSha256 { key, header, prefix } => {
                let tag = hmac::sign(key, what.body);
                let mut value = prefix.clone();
                for byte in tag.as_ref() {
                    value.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
                    value.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
                }
                headers.push((header.clone(), value));
            }
            Self::AwsSigv4(key) => {
                let signature = key.sign(what, headers)?;
                headers.extend(signature);
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn signed(secret: &str, id: &str, seconds: i64, body: &str) -> Vec<(String, String)> {
        let settings = json!({"sign": "standard_webhooks"});
        let mut fields = Fields::new("/settings", settings.as_object().unwrap());
        let (signer, problem) = Signer::read(&mut fields, Some(&Secret::new(secret)));
        assert_eq!(problem, None);
        signed_by(&signer, id, seconds, "POST", "https://h/x", body)
    }

    fn signed_by(
        signer: &Signer,
        id: &str,
        seconds: i64,
        method: &str,
        url: &str,
        body: &str,
    ) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        let now = Timestamp::from_millis(seconds * 1000);
        signer.sign(&ToSign { id, now, method, url, body: body.as_bytes() }, &mut headers).unwrap();
        headers
    }

    #[test]
    fn agrees_with_the_published_vectors() {
        let cases = [
            (
                "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (
                "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "msg_cn1",
                1_700_000_000,
                r#"{"标题":"告警"}"#,
                "v1,7y3Pxi58zfbnumhHtdbDy/jA1QszTuY/YhtmemC/Yu0=",
            ),
        ];
        for (secret, id, seconds, body, expected) in cases {
            let headers = signed(secret, id, seconds, body);
            assert_eq!(headers[0], ("webhook-timestamp".to_owned(), seconds.to_string()));
            assert_eq!(headers[1], ("webhook-signature".to_owned(), expected.to_owned()));
        }
    }

    #[test]
    fn a_secret_that_cannot_sign_is_refused() {
        for (secret, sign) in [
            (None, "hmac_sha256"),
            (Some("whsec_!!"), "standard_webhooks"),
            (Some("c2hvcnQ="), "standard_webhooks"),
        ] {
            let settings = json!({"sign": sign});
            let mut fields = Fields::new("/settings", settings.as_object().unwrap());
            let (_, problem) = Signer::read(&mut fields, secret.map(Secret::new).as_ref());
            assert_eq!(problem.unwrap().pointer, "/secrets/secret", "{sign}");
        }
    }

    #[test]
    fn plain_hmac_goes_into_the_named_header() {
        let settings = json!({"sign": {"type": "hmac_sha256", "header": "X-Hub-Signature-256"}});
        let mut fields = Fields::new("/settings", settings.as_object().unwrap());
        let (signer, _) = Signer::read(&mut fields, Some(&Secret::new("It's a Secret to Everybody")));
        let headers = signed_by(&signer, "id", 0, "POST", "https://h/x", "Hello, World!");
        let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(headers, [("X-Hub-Signature-256".to_owned(), expected.to_owned())]);
    }
    #[test]
    fn aws_signatures_agree_with_the_published_vectors() {
        let settings = json!({"sign": {"type": "aws_sigv4", "access_key_id": "AKIDEXAMPLE", "region": "us-east-1", "service": "service"}});
        let mut fields = Fields::new("/settings", settings.as_object().unwrap());
        let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let (signer, problem) = Signer::read(&mut fields, Some(&secret));
        assert_eq!(problem, None);
        for (method, url, signature) in [
            (
                "GET",
                "https://example.amazonaws.com/",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "POST",
                "https://example.amazonaws.com",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
        ] {
            let headers = signed_by(&signer, "id", 1_440_938_160, method, url, "");
            let header = |name: &str| &headers.iter().find(|(found, _)| found == name).unwrap().1;
            assert_eq!(header("x-amz-date"), "20150830T123600Z");
            assert_eq!(
                header("authorization"),
                &format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature={signature}"
                )
            );
        }
    }
}
