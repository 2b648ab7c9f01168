//! `arcanectl admin`: what an operator orders a running zone to do. What changes hands is in its log, with the reason.
//!
//! The zone's admin address is loopback, and its token lies in its data directory: whoever may read that may order.
//! Source: docs/OPERATIONS.md "Orders of operators".

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::Exit;

/// The token's place in a data directory.
const TOKEN_FILE: &str = "admin.token";
/// The zone waits for its log, and a busy one for its next tick.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
    /// Admin address of the zone.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8082", global = true)]
    admin: SocketAddr,
    /// The zone's data directory, where its token lies.
    #[arg(long, value_name = "DIR", default_value = "./data", global = true)]
    data_dir: PathBuf,
    /// The ruling as one JSON object.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Gives a player something.
    Give(Goods),
    /// Takes something away from a player.
    Take(Goods),
    /// Ends a player's connection; the body waits for 30 s, and the player may come back.
    Kick {
        /// Durable id, 16 hex digits, as `arcanectl economy audit --players` shows it.
        player: String,
        /// What the player is told.
        #[arg(long)]
        reason: String,
    },
    /// Tells everybody in the zone something.
    Say {
        /// At most 400 bytes.
        text: String,
    },
}

#[derive(Debug, clap::Args)]
struct Goods {
    /// Durable id, 16 hex digits, as `arcanectl economy audit --players` shows it.
    player: String,
    /// A thing by its name or number; Gold is 0.
    thing: String,
    /// How many.
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Why: it stays in the log. At most 200 bytes.
    #[arg(long)]
    reason: String,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let goods = |action, Goods { player, thing, count, reason }: &Goods| json!({ "action": action, "player": player, "thing": thing, "count": count, "reason": reason });
    let order = match &args.command {
        Command::Give(order) => goods("give", order),
        Command::Take(order) => goods("take", order),
        Command::Kick { player, reason } => json!({ "action": "kick", "player": player, "reason": reason }),
        Command::Say { text } => json!({ "action": "say", "text": text }),
    };
    let path = args.data_dir.join(TOKEN_FILE);
    let token = std::fs::read_to_string(&path).with_context(|| {
        format!("cannot read the zone's token {}: --data-dir names the zone's data directory", path.display())
    })?;
    let authorization = admin_client::bearer(&token);
    let answer =
        admin_client::post_body(args.admin, "/order", &authorization, &order.to_string(), TIMEOUT)
            .with_context(|| format!("no zone answers at {}: --admin names its admin address", args.admin))?;
    let ruling: Option<Value> = serde_json::from_str(&answer.body).ok();
    match ruling {
        Some(ruling) if args.json => println!("{ruling}"),
        Some(ruling) => println!("{}", sentence(&ruling)),
        None => eprintln!("arcanectl: {}", answer.body.trim_end()),
    }
    Ok(if answer.status == 200 { Exit::Ok } else { Exit::CheckFailed })
}

fn sentence(ruling: &Value) -> String {
    let tick = &ruling["tick"];
    let decree = ruling["decree"].as_u64().map(|number| format!(", decree {number}")).unwrap_or_default();
    match ruling["outcome"].as_str() {
        Some("Done") => format!("done in tick {tick}{decree}"),
        Some("Gone") => "not done: no such player".to_owned(),
        Some("TooFew") => "not done: the player has not so many".to_owned(),
        Some("NoRoom") => "not done: the player has no room for it".to_owned(),
        Some("ReadOnly") => "not done: the zone's log has no room, and nothing changes hands".to_owned(),
        other => format!("not done: {}", other.unwrap_or("the zone did not say why")),
    }
}
