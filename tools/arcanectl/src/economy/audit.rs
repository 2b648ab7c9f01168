//! Whether all that players own adds up.

use std::path::PathBuf;

use engine::Content;
use engine::economy::{Market, Purse};
use serde::Serialize;
use storage::wal::Scan;

use super::id;
use crate::{Exit, wal};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A zone's data directory.
    #[arg(default_value = "./data")]
    dir: PathBuf,
    /// Show also what each player owns.
    #[arg(long)]
    players: bool,
    /// Threads that live the log again.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// One JSON object on the last line of stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Sum {
    thing: u16,
    name: String,
    made: u64,
    ended: u64,
    in_purses: u64,
    on_the_ground: u64,
}

#[derive(Debug, Serialize)]
struct Owner {
    player: String,
    gold: u32,
    things: Vec<(u16, u32)>,
    beasts: Vec<(String, String)>,
    newest_request: u32,
}

#[derive(Debug, Serialize)]
struct Audit {
    is_good: bool,
    tick: u32,
    purses: usize,
    drops: usize,
    offers: usize,
    things: Vec<Sum>,
    captured: u64,
    set_free: u64,
    in_stables: usize,
    problems: Vec<String>,
    players: Vec<Owner>,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let (disk, _) = wal::open(&args.dir)?;
    let scan = Scan::of(&disk)?;
    let Some(recovery) = wal::relive(&disk, &scan, args.threads)? else {
        println!("the log is empty: nobody owns anything");
        return Ok(Exit::Ok);
    };
    let world = recovery.world();
    let mut audit = of(world.market(), world.content(), world.now());
    if !args.players {
        audit.players.clear();
    }
    if args.json {
        println!("{}", serde_json::to_string(&audit)?);
    } else {
        print(&audit, world.content());
    }
    Ok(if audit.is_good { Exit::Ok } else { Exit::CheckFailed })
}

fn of(market: &Market, content: &Content, tick: u32) -> Audit {
    let economy = market.economy();
    let sum = |thing: u16| {
        let (made, ended) = economy.flow(thing);
        let held = economy.purses().iter().map(|purse| u64::from(purse.count(thing)));
        let lying = economy.drops().iter().filter(|drop| drop.goods.thing == thing);
        Sum {
            thing,
            name: content.things.get(thing).map_or_else(|| "?".to_owned(), |thing| thing.name.clone()),
            made,
            ended,
            in_purses: held.sum(),
            on_the_ground: lying.map(|drop| u64::from(drop.goods.count)).sum(),
        }
    };
    let things = (0..content.things.n() as u16).map(sum).collect();
    let problems = market.audit(&content.things);
    let (captured, set_free) = economy.beasts();
    let in_stables = economy.purses().iter().map(|purse| purse.stable.iter().flatten().count()).sum();
    Audit {
        is_good: problems.is_empty(),
        tick,
        purses: economy.purses().len(),
        drops: economy.drops().len(),
        offers: economy.offers().len(),
        things,
        captured,
        set_free,
        in_stables,
        problems,
        players: economy.purses().iter().map(owner).collect(),
    }
}

fn owner(purse: &Purse) -> Owner {
    let things = purse.stacks.iter().filter(|goods| goods.count > 0);
    let beasts = purse.stable.iter().flatten();
    Owner {
        player: id(purse.player),
        gold: purse.gold,
        things: things.map(|goods| (goods.thing, goods.count)).collect(),
        beasts: beasts.map(|beast| (id(beast.id), beast.kind.name().to_owned())).collect(),
        newest_request: purse.newest_request(),
    }
}

fn print(audit: &Audit, content: &Content) {
    println!(
        "tick {}: {} purses, {} drops on the ground, {} offers",
        audit.tick, audit.purses, audit.drops, audit.offers
    );
    println!("{:<14} {:>12} {:>12} {:>12} {:>12}", "thing", "made", "ended", "in purses", "on the ground");
    for sum in &audit.things {
        let Sum { name, made, ended, in_purses, on_the_ground, .. } = sum;
        println!("{name:<14} {made:>12} {ended:>12} {in_purses:>12} {on_the_ground:>12}");
    }
    let Audit { captured, set_free, in_stables, .. } = audit;
    println!("{:<14} {captured:>12} {set_free:>12} {in_stables:>12} {:>12}", "creatures", "-");
    for owner in &audit.players {
        let name = |thing: u16| content.things.get(thing).map_or("?", |thing| thing.name.as_str());
        let things: Vec<String> =
            owner.things.iter().map(|(thing, count)| format!("{count} {}", name(*thing))).collect();
        let beasts: Vec<&str> = owner.beasts.iter().map(|(_, kind)| kind.as_str()).collect();
        println!("{}  {} gold  {}  [{}]", owner.player, owner.gold, things.join(", "), beasts.join(", "));
    }
    audit.problems.iter().for_each(|problem| println!("NOT GOOD: {problem}"));
    if audit.is_good {
        println!("good");
    }
}
