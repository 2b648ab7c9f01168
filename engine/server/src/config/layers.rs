//! From four sources to one set of settings, each with the place it came from.

use std::fmt;
use std::net::SocketAddr;

use toml::de::{DeTable, DeValue};

use super::keys::{KEYS, Key};

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The table of settings.
    Default,
    /// A line of the configuration file.
    File {
        /// As it was given to us.
        path: String,
        /// Counted from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "the default"),
            Self::File { path, line } => write!(f, "{path} line {line}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One setting as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The value, in range.
    pub text: String,
    /// Who said so.
    pub source: Source,
}

/// Why the configuration cannot be used. Every message names the key and the place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {error}")]
    Unreadable {
        /// As it was given.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path} line {line}: {message}")]
    Syntax {
        /// The file.
        path: String,
        /// Counted from 1.
        line: usize,
        /// What the parser missed.
        message: String,
    },
    /// Nobody knows this key.
    #[error("{place}: {key} is not a setting{}", suggestion(.key))]
    Unknown {
        /// Where it stands.
        place: Source,
        /// What stands there.
        key: String,
    },
    /// A value out of its range, or of another type.
    #[error("{place}: {key} = {value} is not accepted: it must be {expected}")]
    Value {
        /// Where it stands.
        place: Source,
        /// Which setting.
        key: &'static str,
        /// What stands there.
        value: String,
        /// What would have been accepted.
        expected: String,
    },
    /// Two settings that exclude each other.
    #[error("{left} and {right} do not fit together: {why}")]
    Relation {
        /// One setting with its value and place.
        left: String,
        /// The other.
        right: String,
        /// The rule between them.
        why: &'static str,
    },
}

fn suggestion(key: &str) -> String {
    match Key::nearest(key) {
        Some(near) => format!("; did you mean {}?", near.name),
        None => "; `arcane zone --print-config` lists them all".to_owned(),
    }
}

/// One value per key of [`KEYS`], in that order.
#[derive(Clone, Debug)]
pub struct Settings(Vec<Setting>);

impl Settings {
    /// What holds when nobody says anything.
    #[must_use]
    pub fn defaults() -> Self {
        let setting = |key: &Key| Setting { text: key.default.to_owned(), source: Source::Default };
        Self(KEYS.iter().map(setting).collect())
    }

    /// Reads a file over what is there.
    ///
    /// # Errors
    /// [`ConfigError`] with the file, the line and the key.
    pub fn add_file(&mut self, path: &str) -> Result<(), ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        self.add_toml(path, &text)
    }

    /// Reads the text of a file over what is there.
    ///
    /// # Errors
    /// As [`Settings::add_file`].
    pub fn add_toml(&mut self, path: &str, text: &str) -> Result<(), ConfigError> {
        let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        let file = File { path, text };
        self.add_table(&file, "", table.get_ref())
    }

    fn add_table(&mut self, file: &File<'_>, section: &str, table: &DeTable<'_>) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key = format!("{section}{}", name.get_ref());
            let place = file.place(name.span().start);
            let is_section = KEYS.iter().any(|known| known.name.starts_with(&format!("{key}.")));
            match (value.get_ref(), Key::find(&key)) {
                (DeValue::Table(inner), None) if is_section => {
                    self.add_table(file, &format!("{key}."), inner)?;
                }
                (value, Some(known)) => self.set(known, toml_text(known, value, &place)?, place)?,
                (_, None) => return Err(ConfigError::Unknown { place, key }),
            }
        }
        Ok(())
    }

    /// Reads environment variables over what is there; those that do not begin with `ARCANE_` are not ours.
    ///
    /// # Errors
    /// [`ConfigError`] with the variable and the key.
    pub fn add_variables(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        for (name, value) in variables {
            let Some(short) = name.strip_prefix("ARCANE_") else { continue };
            // Kubernetes sets these in every pod beside a service of the name "arcane".
            if short == "PORT" || short.starts_with("PORT_") || short.starts_with("SERVICE_") {
                continue;
            }
            if name == CONFIG_VARIABLE {
                continue; // names the file, which was read before
            }
            let place = Source::Variable(name.clone());
            match KEYS.iter().find(|key| key.variable() == name) {
                Some(key) => self.set(key, value, place)?,
                None => {
                    let key = short.to_lowercase();
                    let dotted = key.replacen('_', ".", 1);
                    let near = Key::nearest(&key).or_else(|| Key::nearest(&dotted));
                    return Err(ConfigError::Unknown { place, key: near.map_or(key, |_| dotted) });
                }
            }
        }
        Ok(())
    }

    /// Puts one flag over what is there.
    ///
    /// # Errors
    /// [`ConfigError::Value`] with the flag and the key.
    ///
    /// # Panics
    /// If there is no such key: flags are ours.
    pub fn add_flag(&mut self, flag: &'static str, key: &str, value: &str) -> Result<(), ConfigError> {
        let key = Key::find(key).expect("every flag names a key of the table");
        self.set(key, value.to_owned(), Source::Flag(flag))
    }

    fn set(&mut self, key: &'static Key, text: String, source: Source) -> Result<(), ConfigError> {
        if let Err(expected) = key.check(&text) {
            return Err(ConfigError::Value { place: source, key: key.name, value: text, expected });
        }
        self.0[place_of(key.name)] = Setting { text, source };
        Ok(())
    }

    /// A setting by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> &Setting {
        &self.0[place_of(name)]
    }

    /// A value as text.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        &self.get(name).text
    }

    /// A value as a number.
    #[must_use]
    pub fn whole(&self, name: &str) -> u64 {
        self.text(name).parse().expect("numbers were checked when read")
    }

    /// A value as an address.
    #[must_use]
    pub fn address(&self, name: &str) -> SocketAddr {
        self.text(name).parse().expect("addresses were checked when read")
    }

    /// The error that two settings exclude each other.
    #[must_use]
    pub fn relation(&self, left: &str, right: &str, why: &'static str) -> ConfigError {
        let show = |name: &str| format!("{name} = {} ({})", self.text(name), self.get(name).source);
        ConfigError::Relation { left: show(left), right: show(right), why }
    }
}

/// Names the configuration file when no flag does.
pub const CONFIG_VARIABLE: &str = "ARCANE_CONFIG";

impl fmt::Display for Settings {
    /// A configuration file with these settings: above each what it accepts, behind it where it comes from.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, setting) in KEYS.iter().zip(&self.0) {
            let is_number = !key.takes_text();
            let value = if is_number { setting.text.clone() } else { format!("{:?}", setting.text) };
            writeln!(f, "# {}: {}.", key.doc, key.expected())?;
            writeln!(f, "{:<36} # from {}", format!("{} = {value}", key.name), setting.source)?;
        }
        Ok(())
    }
}

struct File<'a> {
    path: &'a str,
    text: &'a str,
}

impl File<'_> {
    fn place(&self, at_byte: usize) -> Source {
        Source::File { path: self.path.to_owned(), line: line_of(self.text, at_byte) }
    }
}

fn place_of(name: &str) -> usize {
    KEYS.iter().position(|key| key.name == name).expect("the key stands in the table")
}

fn line_of(text: &str, at_byte: usize) -> usize {
    text.bytes().take(at_byte).filter(|byte| *byte == b'\n').count() + 1
}

fn toml_text(key: &'static Key, value: &DeValue<'_>, place: &Source) -> Result<String, ConfigError> {
    let wrong = |value: String| ConfigError::Value {
        place: place.clone(),
        key: key.name,
        value,
        expected: key.expected(),
    };
    match value {
        DeValue::String(text) if key.takes_text() => Ok(text.to_string()),
        DeValue::String(text) => Err(wrong(format!("{text:?}"))),
        DeValue::Integer(number) if key.takes_number() => Ok(number.to_string()),
        DeValue::Integer(number) => Err(wrong(number.to_string())),
        other => Err(wrong(format!("a {}", other.type_str()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_error(text: &str) -> String {
        Settings::defaults().add_toml("zone.toml", text).unwrap_err().to_string()
    }

    fn variable_error(name: &str, value: &str) -> String {
        Settings::defaults().add_variables([(name.into(), value.into())]).unwrap_err().to_string()
    }

    #[test]
    fn a_later_source_wins_and_is_remembered() {
        let mut settings = Settings::defaults();
        let text = "[zone]\nseed = 2\nside_m = 1024\ncreatures = 7\n";
        settings.add_toml("zone.toml", text).unwrap();
        settings.add_variables([("ARCANE_ZONE_SIDE_M".into(), "2048".into())]).unwrap();
        settings.add_variables([("ARCANE_ZONE_CREATURES".into(), "8".into())]).unwrap();
        settings.add_flag("--creatures", "zone.creatures", "9").unwrap();
        let shown = |name| format!("{} from {}", settings.text(name), settings.get(name).source);
        assert_eq!(shown("zone.seed"), "2 from zone.toml line 2");
        assert_eq!(shown("zone.side_m"), "2048 from environment variable ARCANE_ZONE_SIDE_M");
        assert_eq!(shown("zone.creatures"), "9 from flag --creatures");
        assert_eq!(shown("log.level"), "info from the default");
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_the_likely_one() {
        let expected = "zone.toml line 2: zone.seeed is not a setting; did you mean zone.seed?";
        assert_eq!(file_error("[zone]\nseeed = 1"), expected);
        assert!(file_error("[gateway]\nport = 1").starts_with("zone.toml line 1: gateway is not a setting"));
        assert!(file_error("zone = 3").contains("zone is not a setting"));
        assert!(file_error("[zone.seed]\nx = 1").contains("zone.seed = a table is not accepted"));
        let text = variable_error("ARCANE_ZONE_SEEED", "1");
        assert_eq!(
            text,
            "environment variable ARCANE_ZONE_SEEED: zone.seeed is not a setting; did you mean zone.seed?"
        );
    }

    #[test]
    fn a_value_out_of_range_is_refused_with_the_range() {
        assert_eq!(
            file_error("\n\nzone.side_m = 5000000"),
            "zone.toml line 3: zone.side_m = 5000000 is not accepted: \
             it must be a whole number from 64 to 4194 (metres)"
        );
        assert!(file_error("zone.side_m = \"512\"").contains("zone.side_m = \"512\" is not accepted"));
        assert!(file_error("zone.seed = -1").contains("zone.seed = -1 is not accepted"));
        assert!(file_error("log.level = 3").contains("one of error, warn, info, debug, trace"));
        assert!(file_error("zone.ticks_per_second = 25").contains("it must be 20 or 30"));
        assert!(variable_error("ARCANE_CORES", "1-").contains("cores = 1- is not accepted"));
        let mut settings = Settings::defaults();
        let text = settings.add_flag("--admin", "admin.addr", "0.0.0.0:1").unwrap_err().to_string();
        assert!(text.starts_with("flag --admin: admin.addr = 0.0.0.0:1"), "{text}");
    }

    #[test]
    fn broken_toml_and_a_missing_file_say_where() {
        assert!(file_error("[zone]\nseed = ").starts_with("zone.toml line 2: "));
        let text = Settings::defaults().add_file("/no/such/arcane.toml").unwrap_err().to_string();
        assert!(text.starts_with("cannot read the configuration file /no/such/arcane.toml: "), "{text}");
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same_settings() {
        let mut settings = Settings::defaults();
        settings.add_toml("zone.toml", "data_dir = \"a \\\" b\"\ncores = \"0-1\"").unwrap();
        let mut copy = Settings::defaults();
        copy.add_toml("printed", &settings.to_string()).unwrap();
        for key in &KEYS {
            assert_eq!(copy.text(key.name), settings.text(key.name));
        }
    }

    #[test]
    fn variables_of_others_are_left_alone() {
        let mut settings = Settings::defaults();
        let others =
            [("PATH", "x"), ("ARCANE_PORT", "tcp://1"), ("ARCANE_SERVICE_HOST", "y"), ("ARCANE_CONFIG", "z")];
        settings.add_variables(others.map(|(name, value)| (name.into(), value.into()))).unwrap();
    }
}
