//! What every channel must do, whatever its platform.
//!
//! A kind's tests build a [`Harness`]: the channel, and a counterpart that plays the platform and can be told to
//! misbehave. Cases are chosen by what the counterpart says it can play.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::collections::BTreeSet;

use mc_core::id::MessageId;
use mc_core::model::{Content, Format, Recipient};
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
}

impl Trouble {
    /// Every trouble.
    pub const ALL: [Trouble; 8] = [
        Trouble::Busy,
        Trouble::TooFast,
        Trouble::Refuses,
        Trouble::Disowns,
        Trouble::CutsAfter,
        Trouble::Page,
        Trouble::Gateway,
        Trouble::Slow,
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
            Trouble::Busy | Trouble::Gateway => Expected::Transient,
            Trouble::TooFast => Expected::Throttled,
            Trouble::Refuses => Expected::Permanent,
            Trouble::Disowns => Expected::Channel,
            Trouble::CutsAfter | Trouble::Page => Expected::Doubt,
            Trouble::Slow => Expected::Accepted,
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
    let push = Push {
        project: "default",
        message: MessageId::new(Ulid::from_parts(1_796_083_200_000, 7)),
        delivery: "dlv_0000000000000000000000000A-0",
        push_id: id,
        part,
        to: &to,
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
        let content = Content::new("A title", format, "A *body* with <b>marks</b> & signs.");
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
