//! The files a zone keeps or leaves: its data directory, its epoch, the note that it is ready.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

const EPOCH_FILE: &str = "epoch";
/// Writer number of the one zone that a data directory belongs to.
const WRITER: u32 = 1;

/// Makes the data directory, for this user only, unless it is there.
///
/// # Errors
/// When it can be neither found nor made.
pub fn make_data_dir(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make the data directory {} (data_dir)", path.display()))
}

/// Takes the data directory for as long as the returned file is open: two zones on one would give out the same
/// ids and overwrite each other's files.
///
/// # Errors
/// When another process has it, or it cannot be locked.
pub fn lock_data_dir(path: &Path) -> anyhow::Result<fs::File> {
    let dir = fs::File::open(path)
        .with_context(|| format!("cannot open the data directory {} (data_dir)", path.display()))?;
    match dir.try_lock() {
        Ok(()) => Ok(dir),
        Err(fs::TryLockError::WouldBlock) => anyhow::bail!(
            "another zone runs on the data directory {} (data_dir): stop it, or give this one its own",
            path.display()
        ),
        Err(fs::TryLockError::Error(error)) => Err(error)
            .with_context(|| format!("cannot lock the data directory {} (data_dir)", path.display())),
    }
}

/// The high half of every durable id that this process gives out: writer 16 bits, epoch 16 bits. Each start has
/// an epoch of its own, so an id is never given out twice.
///
/// # Errors
/// When the epoch cannot be read or written: without it ids could repeat.
pub fn next_id_high(data_dir: &Path) -> anyhow::Result<u32> {
    let path = data_dir.join(EPOCH_FILE);
    let last = match fs::read_to_string(&path) {
        Ok(text) => text
            .trim()
            .parse::<u16>()
            .with_context(|| format!("{} holds no number from 0 to 65535", path.display()))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let epoch = last.checked_add(1).with_context(|| format!("all epochs of {} are used", path.display()))?;
    replace(&path, format!("{epoch}\n").as_bytes())
        // Without this the old name may be back after a power cut, and with it the old epoch.
        .and_then(|()| fs::File::open(data_dir)?.sync_all())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(WRITER << 16 | u32::from(epoch))
}

/// What others need to find a zone that has just started.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ready {
    /// Where players connect.
    pub listen: SocketAddr,
    /// Where operators look.
    pub admin: SocketAddr,
    /// SHA-256 of the public key, in hexadecimal.
    pub pin: String,
    /// What players of private networks come in with, if they may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
    /// Process id.
    pub pid: u32,
}

impl Ready {
    /// Leaves the note; it appears whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string(self).context("the ready note is plain JSON")?;
        replace(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Writes a file beside its place and moves it there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn every_start_gives_out_other_ids() {
        let dir = tempfile::tempdir().unwrap();
        let first = next_id_high(dir.path()).unwrap();
        assert_eq!((first, next_id_high(dir.path()).unwrap()), (0x1_0001, 0x1_0002));
        fs::write(dir.path().join(EPOCH_FILE), "65535").unwrap();
        assert!(next_id_high(dir.path()).unwrap_err().to_string().contains("all epochs"));
        fs::write(dir.path().join(EPOCH_FILE), "rubbish").unwrap();
        assert!(next_id_high(dir.path()).is_err());
    }

    #[test]
    fn a_data_directory_belongs_to_one_zone_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = lock_data_dir(dir.path()).unwrap();
        let text = lock_data_dir(dir.path()).unwrap_err().to_string();
        assert!(text.contains("another zone") && text.contains(&dir.path().display().to_string()), "{text}");
        drop(first);
        lock_data_dir(dir.path()).unwrap();
    }

    #[test]
    fn a_new_data_directory_is_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        make_data_dir(&path).unwrap();
        make_data_dir(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(dir.path().join("file"), "").unwrap();
        let text = format!("{:#}", make_data_dir(&dir.path().join("file/x")).unwrap_err());
        assert!(text.contains("file/x (data_dir)"), "{text}");
    }
}
