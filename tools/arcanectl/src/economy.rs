//! `arcanectl economy`: what players own, out of a zone's log and checkpoints. It only reads, also while the zone runs.
//!
//! [`audit`] says whether it adds up. Source: docs/economy.md.

mod audit;

use clap::Subcommand;
use engine::DurableId;
use engine::economy::{Asker, Bundle, Drop, Effect, Goods};
use serde_json::{Value, json};

use crate::Exit;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Whether all that players own adds up; exit code 1 if not.
    ///
    /// Lives the log again from the newest checkpoint. Of each thing, what was made less what has ended must be what purses
    /// and the ground hold, and every durable id must be in exactly one place.
    Audit(audit::Args),
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    match &args.command {
        Command::Audit(args) => audit::run(args),
    }
}

/// A durable id as logs and metrics show it.
pub(crate) fn id(id: DurableId) -> String {
    format!("{:08x}{:08x}", id.high, id.low)
}

/// A change of hands, for machines.
pub(crate) fn effect(effect: &Effect) -> Value {
    let mut shown = match effect {
        Effect::Left { drop, creature } => json!({ "drop": shown(drop), "creature": creature.0 }),
        Effect::PutDown { drop, .. } => json!({ "drop": shown(drop) }),
        Effect::PickedUp { drop, goods, .. } | Effect::Decayed { drop, goods } => {
            json!({ "drop": { "id": id(*drop), "thing": goods.thing, "count": goods.count } })
        }
        Effect::Given { to, goods, .. } => {
            json!({ "to": id(*to), "thing": goods.thing, "count": goods.count })
        }
        Effect::Traded { other, given, wanted, .. } => {
            json!({ "other": id(*other), "given": side(given), "wanted": side(wanted) })
        }
        Effect::Captured { beast, creature, .. } => {
            json!({ "beast": id(beast.id), "kind": beast.kind.name(), "creature": creature.0 })
        }
        Effect::Decreed { number, player, goods, .. } => {
            json!({ "decree": number, "player": id(*player), "thing": goods.thing, "count": goods.count })
        }
        Effect::SetFree { beast, .. } => json!({ "beast": id(beast.id), "kind": beast.kind.name() }),
    };
    shown["effect"] = json!(effect.name());
    if let Some(Asker { player, request }) = effect.asker() {
        (shown["player"], shown["request"]) = (json!(id(player)), json!(request));
    }
    shown
}

fn shown(drop: &Drop) -> Value {
    let Drop { goods, place, owner, .. } = drop;
    let owner = owner.map(id);
    json!({ "id": id(drop.id), "thing": goods.thing, "count": goods.count, "at_mm": [place.0, place.1], "owner": owner })
}

fn side(bundle: &Bundle) -> Value {
    let some = bundle.iter().filter(|goods| goods.count > 0);
    some.map(|Goods { thing, count }| json!([thing, count])).collect()
}
