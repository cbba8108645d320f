//! Fake platforms that enforce the real rules and keep an inbox.
//!
//! A [`Sandbox`] answers on the platforms' own paths the way the platforms do: a wrong signature, an old
//! timestamp, one byte too many or the 21st message in a minute fails with HTTP 200 and the platform's own
//! code. What arrives, accepted or refused, is kept in an inbox that tests read through Rust methods and
//! people read over HTTP.
//!
//! The rules come from the platforms' pages, never from our own client, so that a misreading on one side
//! cannot hide on the other. Where a page is silent, the stricter reading is taken and the comment says so.
//!
//! | Platform | Path | Module |
//! |---|---|---|
//! | WeCom group robot | `POST /cgi-bin/webhook/send?key=`, `POST /cgi-bin/webhook/upload_media?key=` | `wecom` |
//! | WeCom apps | `GET /cgi-bin/gettoken`, `POST /cgi-bin/message/send`, `…/recall`, `…/update_template_card`, `/cgi-bin/media/upload`, … | `wecom::app` |
//! | DingTalk robot | `POST /robot/send?access_token=&timestamp=&sign=` | `dingtalk` |
//! | DingTalk apps | `GET /gettoken`, `POST /topapi/message/corpconversation/…`, `/media/upload`, `/topapi/v2/user/getbymobile` | `dingtalk::app` |
//! | Feishu app | `/open-apis/auth/…`, `/open-apis/im/v1/messages`, `/open-apis/message/v4/batch_send/`, … | `feishu` |
//! | Feishu robot | `POST /open-apis/bot/v2/hook/{token}` | `feishu` |
//! | Self-built IM | `ANY /im/{*path}` | `im` |
//! | Receiver of result webhooks | `POST /hook/{name}` | `hook` |
//! | WeChat official account | `/cgi-bin/stable_token`, `/cgi-bin/token`, `/cgi-bin/message/template/send`, … | `wechat` |
//! | WeChat mini program | `/cgi-bin/message/subscribe/send`, `/wxaapi/newtmpl/gettemplate` | `wechat` |
//! | Slack | `POST /services/{team}/{app}/{key}`, `POST /api/chat.postMessage` | `slack` |
//! | Amazon SES and its topic of SNS | `POST /v2/email/outbound-emails`, `GET /v2/email/account`, `GET /?Action=ConfirmSubscription`, … | `ses` |
//! | SMTP | [`Sandbox::serve_smtp`] | `smtp` |
//! | Inspection and control | `/_inbox`, `/_faults`, `/_dingtalk/{token}`, `/_dingtalk/apps/{app_key}`, `/_feishu/…`, `/_hook/{name}`, `/_im/{*path}`, `/_ses/{access_key_id}`, `/_wechat/{app_id}`, `/_wecom/{corp}/{agent}` | `control` |

#![deny(missing_docs)]

mod answer;
mod control;
mod dingtalk;
mod faults;
mod feishu;
mod hook;
mod im;
mod inbox;
mod item;
mod mask;
mod md5;
mod mime;
mod multipart;
mod options;
mod post;
mod rate;
mod receive;
mod request;
mod sandbox;
mod ses;
mod signing;
mod sigv4;
mod slack;
mod smtp;
mod wechat;
mod wecom;
mod wxcipher;

pub use dingtalk::{DingtalkApp, DingtalkCallback, DingtalkEvent, DingtalkPost};
pub use faults::{Fault, RetryAfter, SmtpStage};
pub use feishu::{FeishuApp, FeishuEvent, FeishuPost, FeishuRobot};
pub use im::{HmacEncoding, HmacRule, ImExpectation};
pub use item::{Attachment, Item, Mail, Platform};
pub use options::{Clock, RateLimit, SandboxOptions, SmtpOptions};
pub use sandbox::Sandbox;
pub use ses::{SesAccount, SesPost, SesTopic};
pub use sigv4::Sigv4Rule;
pub use wechat::{
    WechatAccount, WechatCallback, WechatEvent, WechatPopup, WechatPost, WechatStanding, WechatTemplate,
};
pub use wecom::app::{WecomApp, WecomCallback, WecomEvent, WecomPost};
