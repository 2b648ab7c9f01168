//! The table of settings: one line each, and everything else about them is derived from it.

use std::net::SocketAddr;

use jobs::CoreList;
use transport::Origin;

/// Value of `cores` that leaves the choice to us.
pub const CORES_AUTO: &str = "auto";

/// One thing that may be set.
#[derive(Debug)]
pub struct Key {
    /// Name in the file, with its sections: `zone.seed`.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// Value when nobody says anything.
    pub default: &'static str,
    /// One sentence for people.
    pub doc: &'static str,
}

/// What values a setting takes.
#[derive(Debug)]
pub enum Kind {
    /// A whole number with both bounds and its unit.
    Whole {
        /// Lowest value.
        min: u64,
        /// Highest value.
        max: u64,
        /// For people; may be empty.
        unit: &'static str,
    },
    /// One of some numbers.
    OneOf(&'static [u64]),
    /// One of some words.
    Word(&'static [&'static str]),
    /// An IP address and a port.
    Address {
        /// Only this machine's own addresses.
        is_loopback: bool,
    },
    /// A directory.
    Path,
    /// A list of cores, or `auto`.
    Cores,
    /// A list of web pages' origins; may be empty.
    Origins,
}

/// A TOML integer has 63 bits without its sign.
const SEED_MAX: u64 = i64::MAX as u64;

/// Every setting of a zone.
pub const KEYS: [Key; 17] = [
    Key {
        name: "zone.seed",
        kind: Kind::Whole { min: 0, max: SEED_MAX, unit: "" },
        default: "1",
        doc: "Seed of walls, creatures and everything random",
    },
    Key {
        name: "zone.side_m",
        kind: Kind::Whole { min: 64, max: 4194, unit: "metres" },
        default: "512",
        doc: "Side of the square world",
    },
    Key {
        name: "zone.ticks_per_second",
        kind: Kind::OneOf(&[20, 30]),
        default: "20",
        doc: "Rate of the simulation and of snapshots",
    },
    Key {
        name: "zone.players_max",
        kind: Kind::Whole { min: 1, max: engine::PLAYERS_MAX as u64, unit: "players" },
        default: "600",
        doc: "Most players at once",
    },
    Key {
        name: "zone.creatures",
        kind: Kind::Whole { min: 0, max: engine::CREATURES_MAX as u64, unit: "creatures" },
        default: "2400",
        doc: "Creatures that live in the world",
    },
    Key {
        name: "zone.spawn_radius_m",
        kind: Kind::Whole { min: 1, max: 2097, unit: "metres" },
        default: "100",
        doc: "Players appear within this of the middle",
    },
    Key {
        name: "zone.spawn",
        kind: Kind::Word(&["middle", "towns", "w1", "w1-j"]),
        default: "middle",
        doc: "Players appear in the middle; for measuring: in towns, or anywhere and walking by plan",
    },
    Key {
        name: "zone.send",
        kind: Kind::Word(&["news", "every-tick"]),
        default: "news",
        doc: "Clients are told what is not urgent within a tenth of a second, or in every tick",
    },
    Key {
        name: "zone.keep",
        kind: Kind::Word(&["on", "off"]),
        default: "on",
        doc: "The world outlives the process, by a log and checkpoints in the data directory; off: it is forgotten",
    },
    Key {
        name: "listen.addr",
        kind: Kind::Address { is_loopback: false },
        default: "127.0.0.1:8080",
        doc: "Where players connect, QUIC on UDP and WebSocket on TCP; port 0 takes a free one",
    },
    Key {
        name: "listen.plain_websocket",
        kind: Kind::Word(&["loopback", "private", "anybody"]),
        default: "loopback",
        doc: "Who may come by WebSocket, which has no TLS here; anybody: only behind a proxy that adds it",
    },
    Key {
        name: "listen.origins",
        kind: Kind::Origins,
        default: "",
        doc: "Web pages that may play; others may when they come from the address that the zone listens at",
    },
    Key {
        name: "admin.addr",
        kind: Kind::Address { is_loopback: true },
        default: "127.0.0.1:8082",
        doc: "Health, metrics and status; port 0 takes a free one",
    },
    Key {
        name: "data_dir",
        kind: Kind::Path,
        default: "./data",
        doc: "Directory of the server's key and other files that outlive the process",
    },
    Key {
        name: "log.level",
        kind: Kind::Word(&["error", "warn", "info", "debug", "trace"]),
        default: "info",
        doc: "How much is logged to stderr",
    },
    Key {
        name: "histograms",
        kind: Kind::Word(&["files", "memory", "off"]),
        default: "files",
        doc: "Histograms of tick and stages: written below data_dir, kept for the admin page only, or not made",
    },
    Key {
        name: "cores",
        kind: Kind::Cores,
        default: CORES_AUTO,
        doc: "Cores of this zone, such as 0-3,5; one thread is bound to each",
    },
];

impl Key {
    /// Finds a key by its name in the file.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The key that somebody who wrote `name` probably meant.
    #[must_use]
    pub fn nearest(name: &str) -> Option<&'static Self> {
        let last = name.rsplit('.').next().unwrap_or(name);
        let tail = |key: &Self| distance(key.name.rsplit('.').next().unwrap_or(key.name), last);
        KEYS.iter()
            .min_by_key(|key| distance(key.name, name).min(tail(key)))
            .filter(|key| distance(key.name, name).min(tail(key)) <= 2)
    }

    /// Environment variable of this key: `ARCANE_ZONE_SEED`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("ARCANE_{}", self.name.replace('.', "_").to_uppercase())
    }

    /// Says whether a value is in range.
    ///
    /// # Errors
    /// What would have been accepted, to complete "must be ...".
    pub fn check(&self, text: &str) -> Result<(), String> {
        match &self.kind {
            Kind::Whole { min, max, .. } => {
                let value = digits(text).filter(|value| min <= value && value <= max);
                value.map(drop).ok_or_else(|| self.expected())
            }
            Kind::OneOf(values) => {
                let value = digits(text).filter(|value| values.contains(value));
                value.map(drop).ok_or_else(|| self.expected())
            }
            Kind::Word(words) => words.contains(&text).then_some(()).ok_or_else(|| self.expected()),
            Kind::Address { is_loopback } => {
                let addr: SocketAddr = text.parse().map_err(|_| self.expected())?;
                (!is_loopback || addr.ip().is_loopback()).then_some(()).ok_or_else(|| self.expected())
            }
            Kind::Origins => origins(text).map(drop).ok_or_else(|| self.expected()),
            Kind::Path => (!text.is_empty()).then_some(()).ok_or_else(|| self.expected()),
            Kind::Cores if text == CORES_AUTO => Ok(()),
            Kind::Cores => {
                text.parse::<CoreList>().map(drop).map_err(|error| format!("{} ({error})", self.expected()))
            }
        }
    }

    /// What is accepted, for people.
    #[must_use]
    pub fn expected(&self) -> String {
        match &self.kind {
            Kind::Whole { min, max, unit: "" } => format!("a whole number from {min} to {max}"),
            Kind::Whole { min, max, unit } => format!("a whole number from {min} to {max} ({unit})"),
            Kind::OneOf(values) => values.iter().map(u64::to_string).collect::<Vec<_>>().join(" or "),
            Kind::Word(words) => format!("one of {}", words.join(", ")),
            Kind::Address { is_loopback: true } => {
                "a loopback address and a port, such as 127.0.0.1:8082".to_owned()
            }
            Kind::Address { .. } => "an IP address and a port, such as 127.0.0.1:8080".to_owned(),
            Kind::Origins => "origins with commas between them, such as https://game.example".to_owned(),
            Kind::Path => "the path of a directory".to_owned(),
            Kind::Cores => format!("a list of cores such as 0-3,5, or {CORES_AUTO}"),
        }
    }

    /// Whether the file may hold a bare number here.
    #[must_use]
    pub fn takes_number(&self) -> bool {
        matches!(self.kind, Kind::Whole { .. } | Kind::OneOf(_) | Kind::Cores)
    }

    /// Whether the file may hold a quoted text here.
    #[must_use]
    pub fn takes_text(&self) -> bool {
        !matches!(self.kind, Kind::Whole { .. } | Kind::OneOf(_))
    }
}

/// Origins with commas between them; nothing when one of them is none.
#[must_use]
pub fn origins(text: &str) -> Option<Vec<Origin>> {
    let each = text.split(',').map(str::trim).filter(|_| !text.is_empty());
    each.map(|origin| origin.parse().ok()).collect()
}

/// Plain decimal digits: no sign, no spaces, so that every source reads numbers alike.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// How many letters must change to get from one word to the other.
/// Source: Wagner and Fischer, "The String-to-String Correction Problem", 1974.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (place, other) in right.iter().enumerate() {
            let change = diagonal + usize::from(letter != *other);
            diagonal = row[place + 1];
            row[place + 1] = change.min(row[place] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_in_its_own_range() {
        for key in &KEYS {
            assert_eq!(key.check(key.default), Ok(()), "{}", key.name);
        }
    }

    #[test]
    fn both_bounds_belong_to_the_range_and_nothing_beyond() {
        let side = Key::find("zone.side_m").unwrap();
        for good in ["64", "4194"] {
            assert_eq!(side.check(good), Ok(()));
        }
        for bad in ["63", "4195", "-1", "+70", "", " 70", "1e2", "99999999999999999999"] {
            assert_eq!(side.check(bad), Err("a whole number from 64 to 4194 (metres)".to_owned()), "{bad}");
        }
    }

    #[test]
    fn the_admin_page_stays_on_this_machine() {
        let admin = Key::find("admin.addr").unwrap();
        assert!(admin.check("[::1]:9000").is_ok());
        assert!(admin.check("0.0.0.0:8082").is_err());
    }

    #[test]
    fn origins_are_a_list_of_which_each_is_one() {
        let key = Key::find("listen.origins").unwrap();
        for (good, n) in [("", 0), ("https://game.example", 1), ("https://a.example, http://127.0.0.1:80", 2)]
        {
            assert_eq!(key.check(good), Ok(()), "{good}");
            assert_eq!(origins(good).unwrap().len(), n);
        }
        for bad in ["*", "null", "game.example", "https://game.example/", "https://a.example,", ","] {
            assert!(key.check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_typing_mistake_finds_its_key() {
        let nearest = |name| Key::nearest(name).map(|key| key.name);
        assert_eq!(nearest("zone.seeed"), Some("zone.seed"));
        assert_eq!(nearest("zone.creature"), Some("zone.creatures"));
        assert_eq!(nearest("side_m"), Some("zone.side_m"));
        assert_eq!(nearest("bananas"), None);
    }
}
