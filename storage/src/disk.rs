//! A directory with files in it, as far as a log needs one: an argument, so that a test can lose power on purpose.
//!
//! What was written is safe once [`DiskFile::sync`] has returned, a name once [`Disk::sync_names`] has. After an error of
//! either nobody may try it again on the same thing: the system may have dropped what it could not write, and would say
//! that all is well (see fsync(2), and the discussion of Postgres' `data_sync_retry`).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A directory.
pub trait Disk: Send + Sync {
    /// Opens a file that is there, for reading and writing.
    ///
    /// # Errors
    /// As the system says.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Makes an empty file; one of that name is emptied.
    ///
    /// # Errors
    /// As the system says.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file another name; whoever had that one is gone.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// As the system says.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// All names, in order.
    ///
    /// # Errors
    /// As the system says.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes names safe: those made, changed and removed before.
    ///
    /// # Errors
    /// As the system says; do not call it again then.
    fn sync_names(&self) -> io::Result<()>;
    /// Bytes that can still be written, about.
    ///
    /// # Errors
    /// As the system says.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// A file of a [`Disk`].
pub trait DiskFile: Send {
    /// Its length.
    ///
    /// # Errors
    /// As the system says.
    fn n_bytes(&self) -> io::Result<u64>;
    /// Reads from a place until `bytes` is full or the file ends; says how many there were.
    ///
    /// # Errors
    /// As the system says.
    fn read_at(&self, at: u64, bytes: &mut [u8]) -> io::Result<usize>;
    /// Writes all bytes at a place.
    ///
    /// # Errors
    /// As the system says; some of them may have been written.
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes safe what was written.
    ///
    /// # Errors
    /// As the system says; write nothing more to this file then.
    fn sync(&self) -> io::Result<()>;
}

/// Reads a whole file.
///
/// # Errors
/// As the system says.
pub fn read_all(file: &dyn DiskFile) -> io::Result<Vec<u8>> {
    let n = usize::try_from(file.n_bytes()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; n];
    let n = file.read_at(0, &mut bytes)?;
    bytes.truncate(n);
    Ok(bytes)
}

/// A directory of this machine.
#[derive(Clone, Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// A directory that is there.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Disk for Directory {
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).open(self.path(name))?))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        Ok(Box::new(options.open(self.path(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            // A name that is no text is none of ours.
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let found = rustix::fs::statvfs(&self.0)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

impl DiskFile for File {
    fn n_bytes(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, at: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let mut n = 0;
        while n < bytes.len() {
            match FileExt::read_at(self, &mut bytes[n..], at + n as u64) {
                Ok(0) => break,
                Ok(more) => n += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(n)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_directory_keeps_what_it_is_given_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Directory::at(dir.path());
        let file = disk.create("b").unwrap();
        file.write_at(5, b"five").unwrap();
        file.sync().unwrap();
        disk.create("a").unwrap();
        disk.rename("b", "c").unwrap();
        disk.sync_names().unwrap();
        assert_eq!(disk.list().unwrap(), ["a", "c"]);
        assert_eq!(read_all(&*disk.open("c").unwrap()).unwrap(), b"\0\0\0\0\0five");
        assert_eq!(fs::metadata(dir.path().join("c")).unwrap().permissions().mode() & 0o777, 0o600);
        disk.remove("a").unwrap();
        assert!(disk.open("a").is_err() && disk.free_bytes().unwrap() > 0);
    }
}
