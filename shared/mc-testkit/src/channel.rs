//! What every channel must do, whatever its platform.
//!
//! A kind's tests build a [`Harness`]: the channel, and a counterpart that plays the platform and can be told to
//! misbehave. Cases are chosen by what the counterpart says it can play.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::collections::BTreeSet;

use mc_core::id::MessageId;
use mc_core::model::{AddressKind, Content, Format, Recipient};
use mc_core::ports::{
    Batching, Part, Push, Receipt, RenderContext, RenderError, Rendered, SendError, SendFailure,
    SharedChannel,
};
use serde_json::{Map, Value};
use ulid::Ulid;

/// A way in which the platform treats the next push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It has trouble of its own and says so.
    Busy,
    /// It says that we are too fast.
    TooFast,
    /// It refuses this very message.
    Refuses,
    /// It says that the channel's credentials or address are wrong.
    Disowns,
    /// It carries the push out and cuts the connection instead of answering.
    CutsAfter,
    /// It answers 200 with a page that is not its own form.
    Page,
    /// A gateway in front of it answers 502 with a page.
    Gateway,
    /// It takes its time, within the channel's timeout.
    Slow,
    /// It says that the access token is over, before its time.
    EndsToken,
    /// A new token is needed, and the connection is cut instead of an answer to asking for one.
    CutsLogin,
    /// A new token is needed, and the platform has trouble and says so.
    BusyLogin,
    /// A new token is needed, and the platform refuses the credentials.
    RefusesLogin,
}

impl Trouble {
    /// Every trouble.
    pub const ALL: [Trouble; 12] = [
        Trouble::Busy,
        Trouble::TooFast,
        Trouble::Refuses,
        Trouble::Disowns,
        Trouble::CutsAfter,
        Trouble::Page,
        Trouble::Gateway,
        Trouble::Slow,
        Trouble::EndsToken,
        Trouble::CutsLogin,
        Trouble::BusyLogin,
        Trouble::RefusesLogin,
    ];
}

/// A channel and its counterpart.
pub trait Harness: Send + Sync {
    /// A channel that is configured as it should be.
    fn channel(&self) -> SharedChannel;

    /// The same channel pointed at a port where nobody listens.
    fn unreachable(&self) -> SharedChannel;

    /// Whom a push goes to.
    fn recipient(&self) -> Recipient;

    /// Has the platform treat the next push like this; `false` if it never would.
    fn trouble(&self, trouble: Trouble) -> bool;

    /// What an answer of this kind must be taken as; most platforms agree with the default.
    fn expected(&self, trouble: Trouble) -> Expected {
        Expected::usual(trouble)
    }

    /// The texts the platform has accepted so far, in order.
    fn arrived(&self) -> Vec<String>;

    /// An override that touches recipients, credentials or what else belongs to the channel alone.
    fn forbidden_override(&self) -> Option<Value>;

    /// What must never show in any error.
    fn secrets(&self) -> Vec<String>;

    /// How many access tokens the platform has given out so far; `None` if it knows none.
    fn tokens_given(&self) -> Option<u64> {
        None
    }

    /// Ends all access tokens that the platform has given out, before their time.
    fn end_tokens(&self) {}

    /// Somebody whom the platform refuses while it takes the others; `None` if it names nobody.
    fn unknown_recipient(&self) -> Option<Recipient> {
        None
    }

    /// A mobile number that the platform knows somebody by, without its country's code, and one that is nobody's; `None` if
    /// it finds nobody by numbers.
    fn numbers(&self) -> Option<[&'static str; 2]> {
        None
    }

    /// The longest body it takes, in characters, if it neither splits what is longer nor takes long ones anyway.
    fn longest(&self) -> Option<usize> {
        None
    }
}

/// What a push must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Taken.
    Accepted,
    /// [`SendFailure::Permanent`].
    Permanent,
    /// [`SendFailure::Channel`].
    Channel,
    /// [`SendFailure::Throttled`].
    Throttled,
    /// [`SendFailure::Transient`].
    Transient,
    /// [`SendFailure::Doubt`].
    Doubt,
}

impl Expected {
    /// What a trouble comes to on most platforms.
    pub fn usual(trouble: Trouble) -> Self {
        match trouble {
            // Without a token nothing was pushed, so nothing is in doubt.
            Trouble::Busy | Trouble::Gateway | Trouble::CutsLogin | Trouble::BusyLogin => Expected::Transient,
            Trouble::TooFast => Expected::Throttled,
            Trouble::Refuses => Expected::Permanent,
            Trouble::Disowns | Trouble::RefusesLogin => Expected::Channel,
            Trouble::CutsAfter | Trouble::Page => Expected::Doubt,
            Trouble::Slow | Trouble::EndsToken => Expected::Accepted,
        }
    }

    /// What a result is.
    pub fn of(result: &Result<Receipt, SendError>) -> Self {
        match result.as_ref().map_err(|error| error.failure) {
            Ok(_) => Expected::Accepted,
            Err(SendFailure::Permanent) => Expected::Permanent,
            Err(SendFailure::Channel) => Expected::Channel,
            Err(SendFailure::Throttled { .. }) => Expected::Throttled,
            Err(SendFailure::Transient { .. }) => Expected::Transient,
            Err(SendFailure::Doubt) => Expected::Doubt,
        }
    }
}

/// Runs every case.
pub async fn all(harness: &dyn Harness) {
    rendering_is_pure_and_fits(harness);
    protected_places_stay(harness);
    a_push_arrives(harness).await;
    long_contents_arrive_whole(harness).await;
    every_trouble_has_its_class(harness).await;
    nobody_there_is_transient(harness).await;
    a_check_sends_nothing_and_helps(harness).await;
    a_token_serves_many_and_is_renewed_once(harness).await;
    refused_recipients_fail_alone(harness).await;
    people_are_found_by_their_number(harness).await;
}

fn context<'a>(
    to: &'a [Recipient],
    empty: &'a Map<String, Value>,
    overrides: Option<&'a Value>,
) -> RenderContext<'a> {
    RenderContext {
        project: "default",
        message: MessageId::new(Ulid::from_parts(1_796_083_200_000, 7)),
        delivery: "dlv_0000000000000000000000000A-0",
        to,
        data: empty,
        params: empty,
        overrides,
        files: &[],
    }
}

fn render(
    harness: &dyn Harness,
    content: &Content,
    overrides: Option<&Value>,
) -> Result<Rendered, RenderError> {
    let (to, empty) = ([harness.recipient()], Map::new());
    harness.channel().render(content, &context(&to, &empty, overrides))
}

async fn push(
    channel: &SharedChannel,
    harness: &dyn Harness,
    part: &Part,
    id: &str,
) -> Result<Receipt, SendError> {
    let to = match channel.capability().batching {
        Batching::Broadcast => Vec::new(),
        Batching::Single | Batching::UpTo(_) => vec![harness.recipient()],
    };
    push_to(channel, harness, part, id, &to).await
}

async fn push_to(
    channel: &SharedChannel,
    harness: &dyn Harness,
    part: &Part,
    id: &str,
    to: &[Recipient],
) -> Result<Receipt, SendError> {
    let push = Push {
        project: "default",
        message: MessageId::new(Ulid::from_parts(1_796_083_200_000, 7)),
        delivery: "dlv_0000000000000000000000000A-0",
        push_id: id,
        again: false,
        part,
        to,
        attachments: &[],
        slot: None,
    };
    let result = channel.send(push).await;
    if let Err(error) = &result {
        let shown = format!("{error} {error:?}");
        for secret in harness.secrets() {
            assert!(!shown.contains(&secret), "an error shows a secret: {shown}");
        }
        assert!(!error.code.is_empty(), "{error:?}");
    }
    result
}

fn rendering_is_pure_and_fits(harness: &dyn Harness) {
    for format in [Format::Text, Format::Markdown, Format::Html] {
        let body = match harness.longest() {
            None => "A *body* with <b>marks</b> & signs.",
            // As little as possible that has all of it.
            Some(_) => "A *body* & <b>m</b>",
        };
        let content = Content::new("A title", format, body);
        let first = render(harness, &content, None).unwrap();
        assert_eq!(first, render(harness, &content, None).unwrap(), "{format:?}");
        assert_eq!(first.parts.len(), 1, "{format:?}");
        assert!(first.size.used <= first.size.allowed, "{format:?}");
        assert!(first.text.contains("body"), "{format:?}: {}", first.text);
    }
}

fn protected_places_stay(harness: &dyn Harness) {
    let Some(patch) = harness.forbidden_override() else { return };
    let error = render(harness, &Content::new("t", Format::Text, "b"), Some(&patch)).unwrap_err();
    assert_eq!(error.code, "bad_override");
}

async fn a_push_arrives(harness: &dyn Harness) {
    let channel = harness.channel();
    for (at, format) in [Format::Text, Format::Markdown, Format::Html].into_iter().enumerate() {
        let content = Content::new("A title", format, format!("arrives as {}", format.as_str()));
        let before = harness.arrived().len();
        let rendered = render(harness, &content, None).unwrap();
        push(&channel, harness, &rendered.parts[0], &format!("arrives-{at}")).await.unwrap();
        let arrived = harness.arrived();
        assert_eq!(arrived.len(), before + 1, "{format:?}");
        let text = &arrived[before];
        assert!(text.contains(&format!("arrives as {}", format.as_str())), "{format:?}: {text}");
    }
}

async fn long_contents_arrive_whole(harness: &dyn Harness) {
    let channel = harness.channel();
    let lines: Vec<String> = (0..600).map(|n| format!("第 {n} 行 \"quoted\" line")).collect();
    let content = Content::new("Long", Format::Text, lines.join("\n"));
    if let Some(longest) = harness.longest() {
        let fits = Content::new("Long", Format::Text, "字".repeat(longest));
        assert!(render(harness, &fits, None).is_ok(), "{longest} characters fit");
        let over = Content::new("Long", Format::Text, "字".repeat(longest + 1));
        for content in [over, content] {
            assert_eq!(render(harness, &content, None).unwrap_err().code, "too_large");
        }
        return;
    }
    let rendered = render(harness, &content, None).unwrap();
    let before = harness.arrived().len();
    for (at, part) in rendered.parts.iter().enumerate() {
        push(&channel, harness, part, &format!("long-{at}")).await.unwrap();
    }
    let arrived = harness.arrived()[before..].concat();
    let missing: BTreeSet<_> = lines.iter().filter(|line| !arrived.contains(line.as_str())).collect();
    assert!(missing.is_empty(), "lost on the way: {missing:?}");
}

async fn every_trouble_has_its_class(harness: &dyn Harness) {
    let channel = harness.channel();
    for (at, trouble) in Trouble::ALL.into_iter().enumerate() {
        let content = Content::new("Trouble", Format::Text, format!("{trouble:?}"));
        let rendered = render(harness, &content, None).unwrap();
        if !harness.trouble(trouble) {
            continue;
        }
        let before = harness.arrived().len();
        let result = push(&channel, harness, &rendered.parts[0], &format!("trouble-{at}")).await;
        assert_eq!(Expected::of(&result), harness.expected(trouble), "{trouble:?}: {result:?}");
        if trouble == Trouble::CutsAfter {
            assert_eq!(harness.arrived().len(), before + 1, "it was carried out all the same");
        }
        // Whatever happened, the next push is none the worse for it.
        let after = push(&channel, harness, &rendered.parts[0], &format!("after-{at}")).await;
        assert_eq!(Expected::of(&after), Expected::Accepted, "after {trouble:?}: {after:?}");
    }
}

async fn nobody_there_is_transient(harness: &dyn Harness) {
    let (channel, to, empty) = (harness.unreachable(), [harness.recipient()], Map::new());
    let content = Content::new("t", Format::Text, "b");
    let rendered = channel.render(&content, &context(&to, &empty, None)).unwrap();
    let result = push(&channel, harness, &rendered.parts[0], "unreachable").await;
    assert_eq!(Expected::of(&result), Expected::Transient, "{result:?}");
}

async fn a_check_sends_nothing_and_helps(harness: &dyn Harness) {
    let before = harness.arrived().len();
    let steps = harness.channel().check().await;
    assert!(!steps.is_empty() && steps.iter().all(|step| step.ok), "{steps:?}");
    assert_eq!(harness.arrived().len(), before);
    let steps = harness.unreachable().check().await;
    let failed = steps.iter().find(|step| !step.ok).expect("nobody is there");
    assert!(failed.next_step.as_ref().is_some_and(|next| !next.is_empty()), "{failed:?}");
    for secret in harness.secrets() {
        assert!(!format!("{steps:?}").contains(&secret), "a step shows a secret: {steps:?}");
    }
}

async fn a_token_serves_many_and_is_renewed_once(harness: &dyn Harness) {
    if harness.tokens_given().is_none() {
        return;
    }
    let given = || harness.tokens_given().unwrap_or_default();
    let [one, other] = [harness.channel(), harness.channel()];
    let rendered = render(harness, &Content::new("Token", Format::Text, "kept"), None).unwrap();
    let part = &rendered.parts[0];
    push(&one, harness, part, "token-0").await.unwrap();
    let before = given();
    push(&one, harness, part, "token-1").await.unwrap();
    push(&other, harness, part, "token-2").await.unwrap();
    assert_eq!(given(), before, "a token is kept, and shared between instances");
    harness.end_tokens();
    push(&one, harness, part, "token-3").await.unwrap();
    assert_eq!(given(), before + 1, "it is renewed when the platform says that it is over");
    harness.end_tokens();
    let results = tokio::join!(
        push(&one, harness, part, "token-4"),
        push(&other, harness, part, "token-5"),
        push(&one, harness, part, "token-6"),
        push(&other, harness, part, "token-7"),
    );
    for result in [results.0, results.1, results.2, results.3] {
        result.unwrap();
    }
    assert_eq!(given(), before + 2, "who finds it over at the same time shares one renewal");
}

async fn refused_recipients_fail_alone(harness: &dyn Harness) {
    let Some(unknown) = harness.unknown_recipient() else { return };
    let channel = harness.channel();
    let rendered = render(harness, &Content::new("Some", Format::Text, "are unknown"), None).unwrap();
    let part = &rendered.parts[0];
    let both = [harness.recipient(), unknown.clone()];
    let receipt = push_to(&channel, harness, part, "some-0", &both).await.unwrap();
    let refused: Vec<usize> = receipt.refused.iter().map(|failure| failure.index).collect();
    assert_eq!(refused, [1], "{receipt:?}");
    assert!(!receipt.refused[0].code.is_empty() && !receipt.refused[0].text.is_empty(), "{receipt:?}");
    let result = push_to(&channel, harness, part, "some-1", &[unknown]).await;
    let all = matches!(&result, Ok(receipt) if receipt.refused.len() == 1);
    assert!(all || Expected::of(&result) == Expected::Permanent, "{result:?}");
}

async fn people_are_found_by_their_number(harness: &dyn Harness) {
    let channel = harness.channel();
    let Some([known, unknown]) = harness.numbers() else {
        assert!(channel.lookups().is_none(), "whom does it find?");
        return;
    };
    assert_eq!(channel.capability().addresses.last(), Some(&AddressKind::Mobile));
    let lookups = channel.lookups().expect("it finds people");
    let id = lookups.by_mobile(known).await.unwrap();
    assert!(id.as_ref().is_some_and(|id| !id.is_empty()), "{id:?}");
    assert_eq!(
        lookups.by_mobile(&format!("+86{known}")).await.unwrap(),
        id,
        "the mainland's code changes nothing"
    );
    assert_eq!(lookups.by_mobile(unknown).await.unwrap(), None);
    let unreachable = harness.unreachable();
    let error = unreachable.lookups().expect("it would").by_mobile(known).await.unwrap_err();
    assert!(matches!(error.failure, SendFailure::Transient { .. }), "{error:?}");
}
