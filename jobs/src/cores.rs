//! Cores by number, and lists of them as people write them: `0`, `0-3`, `0-3,5`.

use std::fmt;
use std::str::FromStr;

use crate::sys;

/// Number of a logical core, as the kernel counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Core(pub u16);

/// Highest core number that a kernel affinity mask of 1,024 bits can name.
pub const CORE_MAX: u16 = 1023;

/// Cores in ascending order, each once, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreList(Vec<Core>);

/// Why a list of cores cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CoreListError {
    /// Nothing is named.
    #[error("the list of cores is empty: write for example 0 or 0-3,5")]
    Empty,
    /// A part that is neither a number nor a range.
    #[error("{part:?} is neither a core nor a range of cores: write for example 0 or 0-3,5")]
    Part {
        /// The text between two commas.
        part: String,
    },
    /// A range that runs downwards.
    #[error("the range {start}-{end} runs backwards: write {end}-{start}")]
    Backwards {
        /// First number of the range.
        start: u16,
        /// Last number of the range.
        end: u16,
    },
    /// A number no kernel mask can hold.
    #[error("core {core} is above {CORE_MAX}")]
    TooHigh {
        /// The number.
        core: u32,
    },
    /// The same core twice.
    #[error("core {core} is named twice")]
    Twice {
        /// The number.
        core: u16,
    },
    /// A core that this process may not use.
    #[error("core {core} is not usable here: this process may run on {usable}")]
    NotUsable {
        /// The number.
        core: u16,
        /// What the kernel allows.
        usable: CoreList,
    },
}

impl CoreList {
    /// A list of one core.
    #[must_use]
    pub fn one(core: Core) -> Self {
        Self(vec![core])
    }

    /// The cores that the calling thread may run on.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn usable() -> std::io::Result<Self> {
        Ok(Self(sys::affinity()?))
    }

    /// The cores, ascending.
    #[must_use]
    pub fn as_slice(&self) -> &[Core] {
        &self.0
    }

    /// The lowest core.
    #[must_use]
    pub fn first(&self) -> Core {
        self.0[0]
    }

    /// How many cores.
    #[must_use]
    pub fn n_cores(&self) -> usize {
        self.0.len()
    }

    /// Checks that every core is among `usable`.
    ///
    /// # Errors
    /// [`CoreListError::NotUsable`] with the first one that is not.
    pub fn check_usable(&self, usable: &Self) -> Result<(), CoreListError> {
        match self.0.iter().find(|core| !usable.0.contains(core)) {
            Some(core) => Err(CoreListError::NotUsable { core: core.0, usable: usable.clone() }),
            None => Ok(()),
        }
    }
}

impl FromStr for CoreList {
    type Err = CoreListError;

    fn from_str(text: &str) -> Result<Self, CoreListError> {
        if text.trim().is_empty() {
            return Err(CoreListError::Empty);
        }
        let mut cores = Vec::new();
        for part in text.split(',') {
            let (start, end) = range(part.trim())?;
            cores.extend((start..=end).map(Core));
        }
        cores.sort_unstable();
        match cores.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(CoreListError::Twice { core: pair[0].0 }),
            None => Ok(Self(cores)),
        }
    }
}

fn range(part: &str) -> Result<(u16, u16), CoreListError> {
    let (start, end) = part.split_once('-').unwrap_or((part, part));
    let (start, end) = (number(start, part)?, number(end, part)?);
    if start > end {
        return Err(CoreListError::Backwards { start, end });
    }
    Ok((start, end))
}

fn number(text: &str, part: &str) -> Result<u16, CoreListError> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let core = is_number.then(|| text.parse::<u32>().ok()).flatten();
    let core = core.ok_or_else(|| CoreListError::Part { part: part.to_owned() })?;
    u16::try_from(core).ok().filter(|core| *core <= CORE_MAX).ok_or(CoreListError::TooHigh { core })
}

impl fmt::Display for CoreList {
    /// Writes the shortest list that reads back as the same cores.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, run) in self.0.chunk_by(|left, right| left.0 + 1 == right.0).enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match run {
                [one] => write!(f, "{comma}{}", one.0)?,
                _ => write!(f, "{comma}{}-{}", run[0].0, run[run.len() - 1].0)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[u16]) {
        let list: CoreList = text.parse().unwrap();
        let expected: Vec<Core> = expected.iter().copied().map(Core).collect();
        assert_eq!(list.as_slice(), expected, "{text}");
        assert_eq!(list.to_string().parse(), Ok(list), "{text} written and read again");
    }

    fn refusal(text: &str) -> String {
        text.parse::<CoreList>().unwrap_err().to_string()
    }

    #[test]
    fn a_list_reads_as_people_write_it() {
        check("0", &[0]);
        check("0-3,5", &[0, 1, 2, 3, 5]);
        check(" 5 , 0-1 ", &[0, 1, 5]);
        check("2-2", &[2]);
        check("1022-1023", &[1022, 1023]);
    }

    #[test]
    fn a_list_is_written_in_its_shortest_form() {
        assert_eq!("5,3,2,1,0,8,9".parse::<CoreList>().unwrap().to_string(), "0-3,5,8-9");
    }

    #[test]
    fn a_wrong_list_says_which_part_is_wrong() {
        assert!(refusal("").contains("empty"));
        assert!(refusal("0,,1").contains("\"\""));
        assert!(refusal("0,x").contains("\"x\""));
        assert!(refusal("+1").contains("\"+1\""));
        assert!(refusal("-1").contains("\"-1\""));
        assert!(refusal("1-2-3").contains("\"1-2-3\""));
        assert_eq!(refusal("3-1"), "the range 3-1 runs backwards: write 1-3");
        assert_eq!(refusal("1024"), "core 1024 is above 1023");
        assert_eq!(refusal("0-2,1"), "core 1 is named twice");
        assert!(refusal("99999999999").contains("99999999999"));
    }

    #[test]
    fn a_core_that_is_not_ours_is_named_with_those_that_are() {
        let usable: CoreList = "0-1,4".parse().unwrap();
        let wanted: CoreList = "1-2".parse().unwrap();
        let text = wanted.check_usable(&usable).unwrap_err().to_string();
        assert_eq!(text, "core 2 is not usable here: this process may run on 0-1,4");
        assert_eq!(usable.check_usable(&usable), Ok(()));
    }
}
