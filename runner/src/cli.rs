//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// One API for WeCom, DingTalk, e-mail and self-built IM.
#[derive(Parser)]
#[command(name = "message-center", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Run the message center on this machine.
    Serve(ServeArgs),
    /// Send one message.
    Send(SendArgs),
    /// Check a channel before the first message goes through it.
    Check(CheckArgs),
    /// Write down a project's configuration as YAML; secrets become names of environment variables.
    ///
    /// Settings are written as they are, but for headers that are called like credentials: a token in an address is in clear, and a warning names its place.
    /// A schedule whose one time has passed is left out.
    Export(ExportArgs),
    /// Make a project's configuration as YAML files say. Doing it again changes nothing.
    ///
    /// What the files do not name stays as it is. A section `project` without a name is for the access key's own project.
    Apply(ApplyArgs),
}

/// Flags of `serve`; each wins over the configuration file and the environment.
#[derive(Args)]
pub struct ServeArgs {
    /// A configuration file (see `--print-config` for every key).
    #[arg(long, env = "MESSAGE_CENTER_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:8080].
    #[arg(long)]
    pub listen: Option<SocketAddr>,
    /// The folder for everything that must survive [default: ./data].
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
    /// Start the sandbox platforms with channels and a template ready to try.
    #[arg(long)]
    pub sandbox: bool,
    /// Print the default configuration with its comments, and stop.
    #[arg(long)]
    pub print_config: bool,
}

/// Where the center is and who asks.
#[derive(Args)]
pub struct Access {
    /// The center's address.
    #[arg(long, env = "MESSAGE_CENTER_URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// The access key id.
    #[arg(long, env = "MESSAGE_CENTER_ACCESS_KEY_ID")]
    pub access_key_id: String,
    /// The secret access key; better given by the environment than on the command line.
    #[arg(long, env = "MESSAGE_CENTER_SECRET_ACCESS_KEY", hide_env_values = true)]
    pub secret_access_key: String,
}

/// One message.
#[derive(Args)]
pub struct SendArgs {
    /// Where the center is and who asks.
    #[command(flatten)]
    pub access: Access,
    /// The template.
    #[arg(long, conflicts_with_all = ["text", "markdown"])]
    pub template: Option<String>,
    /// Plain text in place of a template; - reads standard input.
    #[arg(long, conflicts_with = "markdown")]
    pub text: Option<String>,
    /// Markdown in place of a template; - reads standard input.
    #[arg(long)]
    pub markdown: Option<String>,
    /// The title of a text or Markdown.
    #[arg(long, default_value = "")]
    pub title: String,
    /// A recipient: `email:a@b.c`, `wecom:id`, `dingtalk:id`, `mobile:+86…`, a contact's id or `@group`. May be repeated.
    #[arg(long)]
    pub to: Vec<String>,
    /// A channel, in place of the template's routing. May be repeated.
    #[arg(long)]
    pub channel: Vec<String>,
    /// A value, `name=text` or `name:=JSON`. May be repeated.
    #[arg(long)]
    pub data: Vec<String>,
    /// Sends once however often the command is repeated with this key.
    #[arg(long)]
    pub idempotency_key: Option<String>,
    /// Show what would be sent, and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Wait up to so many seconds for the final status.
    #[arg(long)]
    pub wait: Option<u64>,
}

/// A channel to check.
#[derive(Args)]
pub struct CheckArgs {
    /// Where the center is and who asks.
    #[command(flatten)]
    pub access: Access,
    /// The channel.
    pub channel: String,
}

/// Where to write.
#[derive(Args)]
pub struct ExportArgs {
    /// Where the center is and who asks; the key needs the role `admin`.
    #[command(flatten)]
    pub access: Access,
    /// A folder to write a file per resource into, in place of standard output.
    #[arg(long, short)]
    pub output: Option<PathBuf>,
}

/// What to apply.
#[derive(Args)]
pub struct ApplyArgs {
    /// Where the center is and who asks; the key needs the role `admin`.
    #[command(flatten)]
    pub access: Access,
    /// A YAML file, of one document or several, a folder of them, or - for standard input.
    #[arg(long, short)]
    pub file: PathBuf,
    /// Show what would change, and change nothing.
    ///
    /// Fields that are unknown, missing or of a wrong type are found, by the center's own description of its API. Only
    /// applying it finds out whether what is named is there, templates can be rendered, and times, addresses, secrets
    /// and the settings of a channel's kind are right.
    #[arg(long)]
    pub dry_run: bool,
    /// Send secrets even where nothing else differs, as after a rotation.
    #[arg(long)]
    pub secrets: bool,
}
