//! Settings: defaults, then a TOML file, then the environment, then flags; the later one wins.
//!
//! [`keys`] is the one table of what may be set and in which range, [`layers`] reads the four sources into
//! settings that remember where they come from, [`Config`] is what the roles use.
//! Unknown keys are refused everywhere: a typing mistake must not become a silent default.

pub mod keys;
pub mod layers;

use std::net::SocketAddr;
use std::path::PathBuf;

use engine::{Drill, Sending};
use jobs::{CoreList, Level};
use transport::{Origin, PlainWebSocket, is_private};

pub use keys::{KEYS, Key};
pub use layers::{ConfigError, Setting, Settings, Source};

/// Everything a zone process can be told, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The world.
    pub zone: ZoneSettings,
    /// Where players connect: UDP and TCP.
    pub listen: SocketAddr,
    /// Who may come by WebSocket, which has no TLS; with it goes who needs no ticket.
    pub plain_websocket: PlainWebSocket,
    /// Web pages that may come by WebSocket, besides those from where the zone is.
    pub origins: Vec<Origin>,
    /// Where operators look; loopback only.
    pub admin: SocketAddr,
    /// The world outlives the process.
    pub keep: bool,
    /// Keys and other files that outlive the process.
    pub data_dir: PathBuf,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: String,
    /// What becomes of the histograms.
    pub histograms: Histograms,
    /// The core group; `None`: the first core this process may use.
    pub cores: Option<CoreList>,
}

/// What becomes of the histograms of tick and stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Histograms {
    /// They are on the admin page, and in files below the data directory.
    Files,
    /// They are on the admin page.
    Memory,
    /// There are none: of a tick its wall time is measured, and nothing else.
    Off,
}

impl Histograms {
    fn from_word(word: &str) -> Self {
        match word {
            "off" => Self::Off,
            "memory" => Self::Memory,
            _ => Self::Files,
        }
    }

    /// How much of a tick is measured.
    #[must_use]
    pub fn level(self) -> Level {
        if self == Self::Off { Level::Off } else { Level::On }
    }
}

/// Settings of the world itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneSettings {
    /// Seed of walls and of everything random.
    pub seed: u64,
    /// Side of the square.
    pub side_m: u32,
    /// Fixed rate of the simulation.
    pub ticks_per_second: u32,
    /// Most players at once.
    pub players_max: u32,
    /// Creatures kept alive.
    pub creatures: u32,
    /// Players appear within this of the middle.
    pub spawn_radius_m: u32,
    /// Where players appear.
    pub spawn: Spawn,
    /// When clients are told.
    pub sending: Sending,
}

/// Where players appear, and what leads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spawn {
    /// Near the middle.
    Middle,
    /// Most of them in five towns.
    Towns,
    /// Anywhere, and they walk by plan.
    Drill(Drill),
}

impl Spawn {
    fn from_word(word: &str) -> Self {
        match word {
            "towns" => Self::Towns,
            "w1" => Self::Drill(Drill::W1),
            "w1-j" => Self::Drill(Drill::W1_J),
            _ => Self::Middle,
        }
    }
}

impl Config {
    /// Turns checked settings into a configuration.
    ///
    /// # Errors
    /// [`ConfigError::Relation`] when two settings, each in its range, do not fit together.
    pub fn from_settings(settings: &Settings) -> Result<Self, ConfigError> {
        let zone = ZoneSettings {
            seed: settings.whole("zone.seed"),
            side_m: settings.whole("zone.side_m") as u32,
            ticks_per_second: settings.whole("zone.ticks_per_second") as u32,
            players_max: settings.whole("zone.players_max") as u32,
            creatures: settings.whole("zone.creatures") as u32,
            spawn_radius_m: settings.whole("zone.spawn_radius_m") as u32,
            spawn: Spawn::from_word(settings.text("zone.spawn")),
            sending: settings.text("zone.send").parse().expect("the word was checked when read"),
        };
        if zone.spawn_radius_m * 2 > zone.side_m {
            return Err(settings.relation(
                "zone.spawn_radius_m",
                "zone.side_m",
                "players must appear inside the square: the radius is at most half its side",
            ));
        }
        let listen = settings.address("listen.addr");
        let admin = settings.address("admin.addr");
        if listen == admin && listen.port() != 0 {
            return Err(settings.relation("listen.addr", "admin.addr", "two ports are needed"));
        }
        let plain_websocket = reach(settings, listen)?;
        let cores = settings.text("cores");
        Ok(Self {
            zone,
            listen,
            plain_websocket,
            origins: keys::origins(settings.text("listen.origins")).expect("origins were checked when read"),
            admin,
            keep: settings.text("zone.keep") == "on",
            data_dir: PathBuf::from(settings.text("data_dir")),
            log_level: settings.text("log.level").to_owned(),
            histograms: Histograms::from_word(settings.text("histograms")),
            cores: (cores != keys::CORES_AUTO).then(|| cores.parse().expect("cores were checked when read")),
        })
    }
}

/// Who may come in, if that goes with where the zone listens: an address that the internet can reach needs TLS for
/// WebSocket, which a zone does not have. A wildcard is such an address, for nobody knows what this machine will have.
fn reach(settings: &Settings, listen: SocketAddr) -> Result<PlainWebSocket, ConfigError> {
    let reach = match settings.text("listen.plain_websocket") {
        "anybody" => PlainWebSocket::Anybody,
        "private" => PlainWebSocket::Private,
        _ => PlainWebSocket::Loopback,
    };
    let ip = listen.ip();
    let why = if reach.allows(ip) {
        return Ok(reach);
    } else if is_private(ip) {
        "WebSocket has no TLS here, so other machines must not reach it: listen on 127.0.0.1, or let your local \
         network in with --plain-websocket private (`arcane up --lan` does that and prints a join code)"
    } else {
        "WebSocket has no TLS here, so nobody must reach it from the internet: listen on 127.0.0.1, or on one private \
         address with --plain-websocket private (`arcane up --lan` finds it), or, behind a proxy that adds TLS and \
         decides who comes in, say --plain-websocket anybody"
    };
    Err(settings.relation("listen.addr", "listen.plain_websocket", why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(file: &str) -> Result<Config, ConfigError> {
        let mut settings = Settings::defaults();
        settings.add_toml("arcane.toml", file)?;
        Config::from_settings(&settings)
    }

    #[test]
    fn the_defaults_are_a_working_zone() {
        let config = config("").unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.admin.to_string(), "127.0.0.1:8082");
        assert_eq!((config.zone.ticks_per_second, config.zone.side_m), (20, 512));
        assert_eq!(config.cores, None);
    }

    #[test]
    fn settings_that_do_not_fit_together_are_both_named() {
        let text = config("[zone]\nside_m = 100\nspawn_radius_m = 60").unwrap_err().to_string();
        assert!(text.contains("zone.spawn_radius_m = 60 (arcane.toml line 3)"), "{text}");
        assert!(text.contains("zone.side_m = 100 (arcane.toml line 2)"), "{text}");
        let text = config("listen.addr = \"127.0.0.1:8082\"").unwrap_err().to_string();
        assert!(text.contains("admin.addr = 127.0.0.1:8082 (the default)"), "{text}");
    }

    #[test]
    fn a_zone_without_tls_listens_where_those_it_lets_in_are() {
        let reach = |addr: &str, who: &str| {
            config(&format!("listen.addr = {addr:?}\nlisten.plain_websocket = {who:?}"))
        };
        for (addr, who) in [
            ("127.0.0.1:0", "loopback"),
            ("[::1]:0", "loopback"),
            ("127.0.0.1:0", "private"),
            ("10.1.2.3:8080", "private"),
            ("192.168.0.9:8080", "private"),
            ("[fd00::1]:8080", "private"),
            ("0.0.0.0:8080", "anybody"),
            ("203.0.113.5:8080", "anybody"),
        ] {
            assert!(reach(addr, who).is_ok(), "{addr} {who}");
        }
        for (addr, who, words) in [
            ("10.1.2.3:8080", "loopback", "--plain-websocket private (`arcane up --lan`"),
            ("0.0.0.0:8080", "loopback", "say --plain-websocket anybody"),
            ("0.0.0.0:8080", "private", "say --plain-websocket anybody"),
            ("[::]:8080", "private", "say --plain-websocket anybody"),
            ("203.0.113.5:8080", "loopback", "say --plain-websocket anybody"),
            ("203.0.113.5:8080", "private", "say --plain-websocket anybody"),
            ("[2001:db8::1]:8080", "private", "say --plain-websocket anybody"),
        ] {
            let text = reach(addr, who).unwrap_err().to_string();
            assert!(text.contains(words) && text.contains(addr), "{addr} {who}: {text}");
        }
    }
}
