//! `arcanectl hist`: logs of histograms, as a table, a picture, a comparison, a sum.
//!
//! [`load`] reads files and folders into runs; [`show`], [`plot`], [`diff`] and [`merge`] are the commands, and
//! [`bootstrap`] says how sure a comparison is. Logs may come from a zone or from any tool of the HdrHistogram
//! family. A file that cannot be read whole is an error, never half an answer.

mod bootstrap;
mod diff;
mod load;
mod merge;
mod plot;
mod show;

use crate::Exit;
use clap::{Args as ClapArgs, Parser, Subcommand};
use std::path::PathBuf;

/// Arguments of `arcanectl hist`.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
A zone writes its logs to DATA_DIR/hist, a line per second and tag. Tags: tick (wall time), cpu, run_queue (ready, \
but without a core), stage.2 to stage.7-8. Where a FILE is wanted a folder may stand for all *.hlog in it.

Examples:
  arcanectl hist show data/hist                           every tag with its percentiles
  arcanectl hist show data/hist --from 60 --to 120        the second minute only
  arcanectl hist plot data/hist -o ticks.svg              a curve per tag; open it in a browser
  arcanectl hist plot old new --tag tick -o both.svg      two runs over each other
  arcanectl hist plot data/hist --timeline -o time.svg    p50, p99 and maximum of the tick over time
  arcanectl hist diff old new --max-regress p99=5%        exit code 1 when any p99 grew by more than 5 %
  arcanectl hist merge data/hist -o day.hlog              one line per tag

Exit codes: 0 done, 1 a regression or a log that does not read, 2 wrong command line, 3 a file cannot be opened \
or written.";

#[derive(Debug, Subcommand)]
enum Command {
    /// A table: count, mean, percentiles and maximum of every tag, all files together.
    Show(show::Args),
    /// A picture: percentile curves, one per FILE and tag, or figures over time.
    Plot(plot::Args),
    /// A comparison of two runs, with limits for what may grow.
    Diff(diff::Args),
    /// A sum: many logs into one, a line per tag or per tag and stretch of time.
    Merge(merge::Args),
}

/// Which part of a run counts.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Choice")]
pub(crate) struct Choice {
    /// Only this tag; may be given several times
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Leave out what began earlier, in seconds after the start of the run
    #[arg(long, value_name = "S", value_parser = seconds)]
    from: Option<f64>,
    /// Leave out what began later, in seconds after the start of the run
    #[arg(long, value_name = "S", value_parser = seconds)]
    to: Option<f64>,
}

/// Files, or folders of files.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Files {
    /// Logs, or folders with *.hlog files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    match &args.command {
        Command::Show(args) => show::run(args),
        Command::Plot(args) => plot::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Merge(args) => merge::run(args),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 =
        text.trim_end_matches('s').parse().map_err(|_| format!("{text:?} is no number of seconds"))?;
    (0.0..1e9).contains(&seconds).then_some(seconds).ok_or_else(|| format!("{text:?} is out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn seconds_are_read_with_or_without_their_unit() {
        assert_eq!((seconds("60"), seconds("1.5s")), (Ok(60.0), Ok(1.5)));
        assert!(seconds("-1").is_err() && seconds("x").is_err() && seconds("nan").is_err());
    }
}
