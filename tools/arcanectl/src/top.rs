//! `arcanectl top`: how a zone is doing, in a terminal of 80 by 24 or more, from its admin address.
//!
//! [`fetch`] asks, [`model`] understands, [`draw`] lays out, [`screen`] owns the terminal. Nothing is changed in the
//! zone: every request is one that its page makes as well.

mod draw;
mod fetch;
mod model;
mod screen;

use crate::Exit;
use anyhow::Context as _;
use clap::Parser;
use draw::Size;
use fetch::Answers;
use model::Picture;
use screen::Screen;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a frame is laid out for where there is no terminal.
const PLAIN: Size = Size { columns: 80, rows: 24 };

/// Arguments of `arcanectl top`.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Admin address of the zone.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8082")]
    admin: SocketAddr,
    /// Show it once and end; 3 if the zone does not answer.
    #[arg(long)]
    once: bool,
    /// One JSON object per look, for programs.
    #[arg(long)]
    json: bool,
    /// Time between two looks, such as 1s or 500ms.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    interval: Duration,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    if args.once {
        return once(args);
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    if args.json || !std::io::stdout().is_terminal() {
        print_on(args, &stop);
    } else {
        watch(args, &stop)?;
    }
    Ok(Exit::Ok)
}

fn once(args: &Args) -> anyhow::Result<Exit> {
    let picture = Picture::read(
        &Answers::fetch(args.admin).with_context(|| format!("no zone answers at {}", args.admin))?,
    );
    if args.json {
        println!("{}", picture.json());
    } else {
        let size = screen::size().unwrap_or(PLAIN);
        // Whatever is there is shown; the terminal scrolls.
        let size = Size { rows: size.rows.max(PLAIN.rows), ..size };
        let lines = draw::frame(&picture, args.admin, None, size);
        let is_painted = screen::may_paint();
        lines.iter().for_each(|line| println!("{}", line.text(is_painted)));
    }
    Ok(Exit::Ok)
}

/// Away from a terminal: one frame, or one object, after the other.
fn print_on(args: &Args, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let next = Instant::now() + args.interval;
        match Answers::fetch(args.admin) {
            Ok(answers) if args.json => println!("{}", Picture::read(&answers).json()),
            Ok(answers) => {
                let lines = draw::frame(&Picture::read(&answers), args.admin, None, PLAIN);
                lines.iter().for_each(|line| println!("{}", line.text(false).trim_end()));
                println!();
            }
            Err(error) => eprintln!("top: the zone at {} does not answer: {error}", args.admin),
        }
        while Instant::now() < next && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(next.saturating_duration_since(Instant::now()).min(screen::KEY_WAIT));
        }
    }
}

/// On a terminal: drawn anew after every look, and when its size changes, until `q` or Ctrl-C.
fn watch(args: &Args, stop: &AtomicBool) -> anyhow::Result<()> {
    let mut screen = Screen::open()?;
    let (mut picture, mut answered) = (Picture::default(), None);
    while !stop.load(Ordering::Relaxed) {
        let next = Instant::now() + args.interval;
        let trouble = match Answers::fetch(args.admin) {
            Ok(answers) => {
                picture = Picture::read(&answers);
                answered = Some(Instant::now());
                None
            }
            Err(error) => Some(trouble(&error, answered.map(|at: Instant| at.elapsed()))),
        };
        let mut drawn = None;
        loop {
            let size = screen::size().unwrap_or(PLAIN);
            if drawn != Some(size) {
                screen.show(&draw::frame(&picture, args.admin, trouble.as_deref(), size))?;
                drawn = Some(size);
            }
            if screen.wants_to_quit()? {
                return Ok(());
            }
            if next <= Instant::now() || stop.load(Ordering::Relaxed) {
                break;
            }
        }
    }
    Ok(())
}

/// One line about a zone that does not answer.
fn trouble(error: &std::io::Error, silent_for: Option<Duration>) -> String {
    match silent_for {
        Some(silent_for) => {
            format!("the zone is away since {} s ({error}); trying again", silent_for.as_secs())
        }
        None => format!("no zone answers ({error}); trying again"),
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = crate::bots::duration(text)?;
    let is_sane = (Duration::from_millis(100)..=Duration::from_secs(3_600)).contains(&interval);
    if is_sane { Ok(interval) } else { Err("must be from 100ms to 1h".to_owned()) }
}
