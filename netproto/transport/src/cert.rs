//! Who this server is: one P-256 key for ever, a certificate for a week, and the key of stateless resets.
//!
//! Native clients pin the SHA-256 of the public key, so the certificate may change under them. Browsers pin the
//! certificate itself and accept at most 14 days, so it is renewed every 7.
use ring::digest;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const KEY_FILE: &str = "transport-key.pem";
const RESET_FILE: &str = "transport-reset.key";
const CERTIFICATE_FILE: &str = "transport-certificate.der";
/// The name in the certificate; clients look at the key, not at this.
pub(crate) const SERVER_NAME: &str = "arcane";

const RENEW_AFTER: Duration = Duration::from_secs(7 * 86_400);
/// For clients whose clocks run behind.
const VALID_BEFORE: Duration = Duration::from_secs(86_400);
const VALID_AFTER: Duration = Duration::from_secs(12 * 86_400);
// Browsers refuse hash-pinned certificates that are valid longer. Source: W3C WebTransport, section 3.3.
const _: () = assert!(VALID_BEFORE.as_secs() + VALID_AFTER.as_secs() < 14 * 86_400);

const HMAC_BYTES: usize = 64;
const CID_KEY_BYTES: usize = 32;

/// Why the server has no identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Other users of this machine can read a secret.
    #[error(
        "secret {path} is open to others (mode {mode:03o}): run `chmod 600 {path}`, or delete it to get a new key"
    )]
    Exposed {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} {path}: {source}; check that the data directory belongs to this user")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file is there and makes no sense.
    #[error(
        "{path} is damaged ({what}): restore it from a backup, or delete it to get a new key (clients must then pin the new one)"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// The operating system gave no random bytes, or signing failed.
    #[error("cannot make a key or certificate: {0}")]
    Crypto(String),
}

/// Key, certificate and reset key of one server, kept in its data directory.
pub(crate) struct Identity {
    key: rcgen::KeyPair,
    certificate: CertificateDer<'static>,
    certified_at: SystemTime,
    certificate_path: PathBuf,
    reset: ResetKeys,
}

/// What makes stateless resets of this server recognisable over restarts. Source: RFC 9000 section 10.3.
pub(crate) struct ResetKeys {
    pub(crate) hmac: [u8; HMAC_BYTES],
    /// Lets the next process recognise this one's connection ids.
    pub(crate) cid: [u8; CID_KEY_BYTES],
}

impl Identity {
    /// Reads the identity from `dir`, or makes one.
    ///
    /// # Errors
    /// When a file is exposed, damaged, or cannot be read or written.
    pub(crate) fn open(dir: &Path, now: SystemTime) -> Result<Self, IdentityError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|source| file_error("create", dir, source))?;
        let key = open_key(&dir.join(KEY_FILE))?;
        let reset = open_reset(&dir.join(RESET_FILE))?;
        let certificate_path = dir.join(CERTIFICATE_FILE);
        let kept = read_certificate(&certificate_path, &key, now);
        let (certificate, certified_at) = match kept {
            Some(kept) => kept,
            None => (certify(&key, now, &certificate_path)?, now),
        };
        Ok(Self { key, certificate, certified_at, certificate_path, reset })
    }

    /// Makes a new certificate when the present one is a week old, and says whether it did.
    pub(crate) fn renew_if_due(&mut self, now: SystemTime) -> Result<bool, IdentityError> {
        if !is_old(self.certified_at, now) {
            return Ok(false);
        }
        self.certificate = certify(&self.key, now, &self.certificate_path)?;
        self.certified_at = now;
        Ok(true)
    }

    /// SHA-256 of the public key: what native clients pin.
    pub(crate) fn spki_pin(&self) -> [u8; 32] {
        sha256(&rcgen::PublicKeyData::subject_public_key_info(&self.key))
    }

    /// SHA-256 of the certificate: what browsers pin.
    pub(crate) fn certificate_hash(&self) -> [u8; 32] {
        sha256(&self.certificate)
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()))
    }

    pub(crate) fn reset(&self) -> &ResetKeys {
        &self.reset
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

fn open_key(path: &Path) -> Result<rcgen::KeyPair, IdentityError> {
    if let Some(bytes) = read_secret(path)? {
        let pem = String::from_utf8(bytes).map_err(|error| damaged(path, error))?;
        return rcgen::KeyPair::from_pem_and_sign_algo(&pem, &rcgen::PKCS_ECDSA_P256_SHA256)
            .map_err(|error| damaged(path, error));
    }
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
        .map_err(|error| IdentityError::Crypto(error.to_string()))?;
    write_file(path, key.serialize_pem().as_bytes(), 0o600)?;
    Ok(key)
}

fn open_reset(path: &Path) -> Result<ResetKeys, IdentityError> {
    let bytes = match read_secret(path)? {
        Some(bytes) => bytes,
        None => {
            let mut bytes = vec![0; HMAC_BYTES + CID_KEY_BYTES];
            getrandom::fill(&mut bytes).map_err(|error| IdentityError::Crypto(error.to_string()))?;
            write_file(path, &bytes, 0o600)?;
            bytes
        }
    };
    let wrong = || damaged(path, format!("{} bytes instead of {}", bytes.len(), HMAC_BYTES + CID_KEY_BYTES));
    let (hmac, cid) = bytes.split_first_chunk::<HMAC_BYTES>().ok_or_else(wrong)?;
    let cid: [u8; CID_KEY_BYTES] = cid.try_into().map_err(|_| wrong())?;
    Ok(ResetKeys { hmac: *hmac, cid })
}

/// A certificate is kept only when it is young and made for this key; otherwise a new one is made, silently.
fn read_certificate(
    path: &Path,
    key: &rcgen::KeyPair,
    now: SystemTime,
) -> Option<(CertificateDer<'static>, SystemTime)> {
    let made_at = fs::metadata(path).and_then(|meta| meta.modified()).ok()?;
    let der = CertificateDer::from(fs::read(path).ok()?);
    let parsed = rustls::server::ParsedCertificate::try_from(&der).ok()?;
    let ours = rcgen::PublicKeyData::subject_public_key_info(key);
    let fits = parsed.subject_public_key_info().as_ref() == ours.as_slice();
    (fits && !is_old(made_at, now)).then_some((der, made_at))
}

/// A clock that jumped back counts as old: better a new certificate than one from the future.
fn is_old(made_at: SystemTime, now: SystemTime) -> bool {
    now.duration_since(made_at).map_or(true, |age| age >= RENEW_AFTER)
}

fn certify(
    key: &rcgen::KeyPair,
    now: SystemTime,
    path: &Path,
) -> Result<CertificateDer<'static>, IdentityError> {
    let crypto = |error: rcgen::Error| IdentityError::Crypto(error.to_string());
    let mut params = rcgen::CertificateParams::new(vec![SERVER_NAME.to_owned()]).map_err(crypto)?;
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let today = rcgen::date_time_ymd(1970, 1, 1) + since_epoch;
    params.not_before = today - VALID_BEFORE;
    params.not_after = today + VALID_AFTER;
    let certificate = params.self_signed(key).map_err(crypto)?.der().clone();
    write_file(path, &certificate, 0o644)?;
    Ok(certificate)
}

/// The bytes of a secret file, `None` when there is none yet.
fn read_secret(path: &Path) -> Result<Option<Vec<u8>>, IdentityError> {
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(file_error("read", path, source)),
    };
    // Asked of the open file, so that nobody can swap it between the check and the read.
    let mode =
        file.metadata().map_err(|source| file_error("read", path, source))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(IdentityError::Exposed { path: path.display().to_string(), mode });
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|source| file_error("read", path, source))?;
    Ok(Some(bytes))
}

/// Writes beside the target and renames, so that a crash leaves the old file or the new one.
fn write_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), IdentityError> {
    let draft = path.with_extension("new");
    let write = || -> io::Result<()> {
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().map_err(|source| file_error("write", path, source))
}

fn file_error(action: &'static str, path: &Path, source: io::Error) -> IdentityError {
    IdentityError::File { action, path: path.display().to_string(), source }
}

fn damaged(path: &Path, what: impl ToString) -> IdentityError {
    IdentityError::Damaged { path: path.display().to_string(), what: what.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(n: u64) -> Duration {
        Duration::from_secs(n * 86_400)
    }

    #[test]
    fn key_and_certificate_outlive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let first = Identity::open(dir.path(), now).unwrap();
        let second = Identity::open(dir.path(), now + days(1)).unwrap();
        assert_eq!(first.spki_pin(), second.spki_pin());
        assert_eq!(first.certificate_hash(), second.certificate_hash());
        assert_eq!(first.reset().cid, second.reset().cid);
    }

    #[test]
    fn after_a_week_the_certificate_changes_and_the_pin_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let mut identity = Identity::open(dir.path(), now).unwrap();
        let (pin, hash) = (identity.spki_pin(), identity.certificate_hash());
        assert!(!identity.renew_if_due(now + days(6)).unwrap());
        assert!(identity.renew_if_due(now + days(8)).unwrap());
        assert_ne!(identity.certificate_hash(), hash);
        assert_eq!(identity.spki_pin(), pin);
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused_and_the_error_says_what_to_do() {
        for name in [KEY_FILE, RESET_FILE] {
            let dir = tempfile::tempdir().unwrap();
            Identity::open(dir.path(), SystemTime::now()).unwrap();
            let path = dir.path().join(name);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            let error = Identity::open(dir.path(), SystemTime::now()).err().expect("exposed").to_string();
            assert!(error.contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn a_damaged_secret_is_an_error_and_never_silently_replaced() {
        for name in [KEY_FILE, RESET_FILE] {
            let dir = tempfile::tempdir().unwrap();
            Identity::open(dir.path(), SystemTime::now()).unwrap();
            let path = dir.path().join(name);
            fs::write(&path, b"short").unwrap();
            let error = Identity::open(dir.path(), SystemTime::now()).err().expect("damaged");
            assert!(matches!(error, IdentityError::Damaged { .. }), "{error}");
        }
    }
}
