//! The command line: roles, their flags, and what a failure's exit code says.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::layers::CONFIG_VARIABLE;
use crate::config::{Config, ConfigError, Settings};
use crate::zone::BeginFlags;
use crate::zone::record::RecordFlags;
use crate::{up, zone};

/// Something was started and did not end well.
pub const EXIT_FAILED: u8 = 1;
/// The command line or the configuration is wrong. Also what clap uses.
pub const EXIT_USAGE: u8 = 2;
/// A file, a socket or another resource cannot be had.
pub const EXIT_IO: u8 = 3;
/// A tick panicked: what it was made of is in a crash dump. The number is that of EX_SOFTWARE in sysexits(3).
pub const EXIT_PANICKED: u8 = 70;

/// An authoritative game server for a living world.
#[derive(Debug, Parser)]
#[command(name = "arcane", version, propagate_version = true, args_override_self = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

const EXAMPLES: &str = "\
Examples:
  arcane up --bots 100         a local realm with 100 bots; Ctrl-C ends it
  arcane zone --cores 0-3      one zone on four cores, one thread bound to each
  arcane zone --print-config   every setting: its value, its source, what it accepts

Settings come from a TOML file (--config or ARCANE_CONFIG), then environment variables such as \
ARCANE_ZONE_SEED=7, then flags; the later one wins. Unknown keys are refused.

Exit codes: 0 ended well, 1 did not end well, 2 wrong command line or configuration, 3 a file or port cannot \
be had, 70 a tick panicked.";

#[derive(Debug, Subcommand)]
enum Role {
    /// Runs one zone: a world, its sockets, its admin page.
    #[command(after_help = ZONE_HELP)]
    Zone(ZoneArgs),
    /// Starts a local realm, with bots if you like, and shows how it is doing until Ctrl-C.
    #[command(after_help = UP_HELP)]
    Up(UpArgs),
}

const ZONE_HELP: &str = "\
The zone listens on one port: QUIC on UDP, WebSocket on TCP. Health, metrics and status are on the admin address.

WebSocket has no TLS and there are no accounts: only this machine may come in. A private address needs \
--plain-websocket private (`arcane up --lan` gives it); any other address a proxy with TLS in front and \
--plain-websocket anybody.

SIGINT or SIGTERM drains: nobody comes in, everybody is told, and the process ends with 0 within two seconds. A \
second signal ends it at once.";

const UP_HELP: &str = "\
Ports: the game on --port (8080), the admin page two above it (8082); --port 0 takes free ones.

With --for the time counts from the moment all bots are connected; then a summary is printed and everything ends. \
With --json the last line of stdout is one object with the figures.";

/// Flags of the world itself, the same for `zone` and `up`. Texts here, so that every source of a setting is
/// checked by the same rules and refused with the same words.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "World")]
pub struct WorldFlags {
    /// Seed of walls, creatures and everything random
    #[arg(long, value_name = "N")]
    pub seed: Option<String>,
    /// Side of the square world, in metres
    #[arg(long, value_name = "M")]
    pub side_m: Option<String>,
    /// Rate of the simulation and of snapshots: 20 or 30
    #[arg(long, value_name = "HZ")]
    pub ticks_per_second: Option<String>,
    /// Most players at once
    #[arg(long, value_name = "N")]
    pub players_max: Option<String>,
    /// Creatures that live in the world
    #[arg(long, value_name = "N")]
    pub creatures: Option<String>,
    /// Players appear within this of the middle, in metres
    #[arg(long, value_name = "M")]
    pub spawn_radius_m: Option<String>,
    /// Players appear in the middle; for measuring: in towns, or anywhere and walking by plan (w1, w1-j)
    #[arg(long, value_name = "WHERE")]
    pub spawn: Option<String>,
    /// When clients are told what is not urgent: news (within a tenth of a second) or every-tick
    #[arg(long, value_name = "WHEN")]
    pub send: Option<String>,
    /// Whether the world outlives the process: on or off
    #[arg(long, value_name = "WORD")]
    pub keep: Option<String>,
    /// How much is logged: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
}

impl WorldFlags {
    /// Flag, key and value of what was given.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
        [
            ("--seed", "zone.seed", &self.seed),
            ("--side-m", "zone.side_m", &self.side_m),
            ("--ticks-per-second", "zone.ticks_per_second", &self.ticks_per_second),
            ("--players-max", "zone.players_max", &self.players_max),
            ("--creatures", "zone.creatures", &self.creatures),
            ("--spawn-radius-m", "zone.spawn_radius_m", &self.spawn_radius_m),
            ("--spawn", "zone.spawn", &self.spawn),
            ("--send", "zone.send", &self.send),
            ("--keep", "zone.keep", &self.keep),
            ("--log", "log.level", &self.log),
        ]
        .into_iter()
        .filter_map(|(flag, key, value)| Some((flag, key, value.as_deref()?)))
    }
}

/// Flags of `arcane zone`.
#[derive(Clone, Debug, Default, Args)]
pub struct ZoneArgs {
    /// TOML file with settings; also ARCANE_CONFIG
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,
    /// Cores of this zone, such as 0-3,5; one thread is bound to each
    #[arg(long, value_name = "LIST")]
    pub cores: Option<String>,
    /// Where players connect; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Who may come by WebSocket, which has no TLS here: loopback, private, or anybody (behind a proxy with TLS)
    #[arg(long, value_name = "WHO")]
    pub plain_websocket: Option<String>,
    /// Web pages that may play, by their origins; those from the address that it listens at may anyway
    #[arg(long, value_name = "LIST")]
    pub origins: Option<String>,
    /// Health, metrics and status; a loopback address
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<String>,
    /// Directory of the server's key and other files that outlive the process
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Histograms of tick and stages: files, memory (admin page only) or off
    #[arg(long, value_name = "WHERE")]
    pub histograms: Option<String>,
    /// Print every setting with its source and end
    #[arg(long)]
    pub print_config: bool,
    /// Write addresses, key pin and process id to this file (JSON) as soon as the zone listens
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// How it begins
    #[command(flatten)]
    pub begin: BeginFlags,
    /// The world
    #[command(flatten)]
    pub world: WorldFlags,
}

impl ZoneArgs {
    /// Reads all sources: defaults, file, environment, flags.
    fn settings(
        &self,
        variables: impl IntoIterator<Item = (String, String)>,
        config_variable: Option<String>,
    ) -> Result<Settings, ConfigError> {
        let mut settings = Settings::defaults();
        if let Some(file) = self.config.clone().or(config_variable) {
            settings.add_file(&file)?;
        }
        settings.add_variables(variables)?;
        let own = [
            ("--cores", "cores", &self.cores),
            ("--listen", "listen.addr", &self.listen),
            ("--plain-websocket", "listen.plain_websocket", &self.plain_websocket),
            ("--origins", "listen.origins", &self.origins),
            ("--admin", "admin.addr", &self.admin),
            ("--data-dir", "data_dir", &self.data_dir),
            ("--histograms", "histograms", &self.histograms),
        ];
        let own = own.into_iter().filter_map(|(flag, key, value)| Some((flag, key, value.as_deref()?)));
        for (flag, key, value) in own.chain(self.world.given()) {
            settings.add_flag(flag, key, value)?;
        }
        Ok(settings)
    }
}

/// Which transports the bots use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BotTransport {
    /// Half of them QUIC, half WebSocket.
    Mixed,
    /// QUIC only.
    Quic,
    /// WebSocket only.
    Websocket,
}

impl BotTransport {
    /// As `arcanectl bots` calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Quic => "quic",
            Self::Websocket => "websocket",
        }
    }
}

/// Flags of `arcane up`.
#[derive(Clone, Debug, Args)]
pub struct UpArgs {
    /// Bots that walk and fight in the realm
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=20_000))]
    pub bots: u32,
    /// How the bots connect
    #[arg(long, value_enum, default_value_t = BotTransport::Mixed)]
    pub transport: BotTransport,
    /// Stop by itself after this long, such as 20s or 2m, and print a summary
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub run_for: Option<Duration>,
    /// Print the figures as one JSON object on the last line of stdout
    #[arg(long)]
    pub json: bool,
    /// Port of the game; the admin page is two above it; 0 takes free ones
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub port: u16,
    /// Directory of this realm's key; made if missing
    #[arg(long, value_name = "DIR", default_value = "./data/up")]
    pub data_dir: PathBuf,
    /// Let people on the local network in, by a join code; with an address, such as --lan=192.168.1.5, on that one
    #[arg(long, value_name = "ADDR", num_args = 0..=1, require_equals = true)]
    pub lan: Option<Option<IpAddr>>,
    /// What of the zone is recorded
    #[command(flatten)]
    pub record: RecordFlags,
    /// The world
    #[command(flatten)]
    pub world: WorldFlags,
}

/// Reads `20s`, `500ms`, `2m`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time: write for example 500ms, 20s or 2m");
    let at = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?;
    let (digits, unit) = text.split_at(at);
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let ms = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        _ => None,
    };
    ms.filter(|ms| (1..=7 * 86_400_000).contains(ms)).map(Duration::from_millis).ok_or_else(wrong)
}

/// Reads the command line and plays the role it asks for.
#[must_use]
pub fn main() -> ExitCode {
    let result = match Cli::parse().role {
        Role::Zone(args) => run_zone(&args),
        Role::Up(args) => up::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            // The whole chain on one line: this is the last thing a person sees.
            eprintln!("arcane: {error:#}");
            ExitCode::from(if error.is::<ConfigError>() { EXIT_USAGE } else { EXIT_IO })
        }
    }
}

fn run_zone(args: &ZoneArgs) -> anyhow::Result<ExitCode> {
    let settings =
        args.settings(std::env::vars_os().filter_map(unicode), std::env::var(CONFIG_VARIABLE).ok())?;
    let config = Config::from_settings(&settings)?;
    if args.print_config {
        print!("{settings}");
        return Ok(ExitCode::SUCCESS);
    }
    zone::run(&config, &settings, args.ready_file.as_deref(), &args.begin)
}

/// Variables that are not text cannot be ours.
fn unicode((name, value): (std::ffi::OsString, std::ffi::OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(duration("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for bad in ["", "20", "s", "-1s", "1.5s", "20 s", "0s", "99999999999999999999s", "9999999m"] {
            assert!(duration(bad).is_err(), "{bad:?} passed");
        }
    }

    #[test]
    fn the_last_of_two_equal_flags_wins() {
        let cli = Cli::parse_from(["arcane", "up", "--bots", "500", "--bots", "7"]);
        let Role::Up(up) = cli.role else { panic!("not up") };
        assert_eq!(up.bots, 7);
    }

    #[test]
    fn every_setting_has_a_flag() {
        let args = |flag: &str, value: &str| Cli::parse_from(["arcane", "zone", flag, value]).role;
        for (flag, key, value) in [
            ("--cores", "cores", "0"),
            ("--listen", "listen.addr", "127.0.0.1:1"),
            ("--plain-websocket", "listen.plain_websocket", "private"),
            ("--origins", "listen.origins", "https://game.example"),
            ("--admin", "admin.addr", "127.0.0.1:2"),
            ("--data-dir", "data_dir", "/x"),
            ("--histograms", "histograms", "off"),
            ("--seed", "zone.seed", "3"),
            ("--side-m", "zone.side_m", "65"),
            ("--ticks-per-second", "zone.ticks_per_second", "30"),
            ("--players-max", "zone.players_max", "5"),
            ("--creatures", "zone.creatures", "6"),
            ("--spawn-radius-m", "zone.spawn_radius_m", "7"),
            ("--spawn", "zone.spawn", "towns"),
            ("--send", "zone.send", "every-tick"),
            ("--keep", "zone.keep", "off"),
            ("--log", "log.level", "trace"),
        ] {
            let Role::Zone(zone) = args(flag, value) else { panic!("not a zone") };
            let settings = zone.settings([], None).unwrap();
            assert_eq!(settings.text(key), value);
            assert_eq!(settings.get(key).source.to_string(), format!("flag {flag}"));
        }
        assert_eq!(crate::config::KEYS.len(), 17, "a new setting needs a flag, and a line above");
    }
}
