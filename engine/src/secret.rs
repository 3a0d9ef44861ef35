//! Secrets: a text that does not print itself, and the encrypted files that keep tokens.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::auth::Tokens;
use crate::disk;
use crate::error::{Code, Error, Result, Retry, printable};
use crate::files::sync_folder;

/// A text that must not be shown: it has no `Display`, and its `Debug` is `Secret(***)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps the text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself; call this only where it goes onto the wire or into the store.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Environment variable that holds the key of the store: 32 bytes, base64.
pub const KEY_VARIABLE: &str = "LONGSHORE_KEY";
/// Name of the key file beside the tokens, used when the variable is not set.
const KEY_FILE: &str = "longshore.key";
/// Bytes of an AES-256 key.
const KEY_LENGTH: usize = 32;
/// First bytes of a token file; the digit is the version of the format.
const MAGIC: &[u8; 8] = b"LSTOKEN1";
/// Bytes of the key's fingerprint in a token file.
const FINGERPRINT_LENGTH: usize = 8;
/// A token file is a few kilobytes; more is not one.
const MAX_FILE: u64 = 1 << 20;

/// Tokens at rest: one file per connection, `<connection>.tokens`, encrypted with AES-256-GCM.
///
/// A file is the magic, the fingerprint of the key, the nonce, and the sealed tokens. The name of
/// the connection is authenticated with them, so that a file does not work under another name.
/// Files are replaced atomically and durably, and readable by their owner only.
#[derive(Clone)]
pub struct SecretStore {
    directory: Arc<Path>,
    key: Arc<Key>,
}

struct Key {
    cipher: RandomizedNonceKey,
    fingerprint: [u8; FINGERPRINT_LENGTH],
    /// What the salts of connections are made of.
    salt: [u8; 32],
    origin: String,
}

impl SecretStore {
    /// Opens the store in `directory`, which is created if it does not exist. The key comes from
    /// the environment variable [`KEY_VARIABLE`]; without it, from `longshore.key` in the same
    /// directory, which is created with a random key at first use.
    ///
    /// # Errors
    /// [`Code::SecretStoreUnavailable`] if the directory or the key cannot be used.
    pub fn open(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)
            .map_err(|error| io_error("the secret store cannot be created", directory, &error))?;
        let key = match std::env::var(KEY_VARIABLE) {
            Ok(text) => Key::read(&text, format!("the environment variable {KEY_VARIABLE}"))?,
            Err(std::env::VarError::NotPresent) => Key::from_file(&directory.join(KEY_FILE))?,
            Err(std::env::VarError::NotUnicode(_)) => return Err(key_error(KEY_VARIABLE)),
        };
        Ok(Self { directory: directory.into(), key: Arc::new(key) })
    }

    /// Opens the store in an existing `directory` with a given key (32 bytes, base64).
    ///
    /// # Errors
    /// [`Code::SecretStoreUnavailable`] if the key is not 32 bytes in base64.
    pub fn with_key(directory: &Path, key: &Secret) -> Result<Self> {
        let key = Key::read(key.expose(), "the given key".to_owned())?;
        Ok(Self { directory: directory.into(), key: Arc::new(key) })
    }

    /// The tokens of `connection`, or `None` if none were saved.
    ///
    /// # Errors
    /// [`Code::SecretStoreUnavailable`] if the file cannot be read or was written with another key,
    /// [`Code::StateCorrupt`] if it is damaged.
    pub fn load(&self, connection: &str) -> Result<Option<Tokens>> {
        let path = self.path(connection)?;
        let mut content = Vec::new();
        match File::open(&path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut content)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("the tokens cannot be read", &path, &error)),
        }
        let plain = self.unseal(connection, &path, &mut content)?;
        Tokens::from_stored(plain).map(Some).ok_or_else(|| damaged(&path, "unknown content"))
    }

    /// Saves the tokens of `connection`; when this returns, they survive a power failure.
    ///
    /// # Errors
    /// [`Code::SecretStoreUnavailable`] or [`Code::DiskFull`].
    pub fn save(&self, connection: &str, tokens: &Tokens) -> Result<()> {
        let path = self.path(connection)?;
        let mut sealed = tokens.to_stored();
        let nonce = self
            .key
            .cipher
            .seal_in_place_append_tag(Aad::from(connection.as_bytes()), &mut sealed)
            .map_err(|_| Error::new(Code::Internal, "the tokens could not be encrypted"))?;
        let content = [&MAGIC[..], &self.key.fingerprint, nonce.as_ref(), &sealed].concat();
        write_durably(&path, &content)
            .map_err(|error| io_error("the tokens cannot be written", &path, &error))
    }

    /// Forgets the tokens of `connection`; no error if there are none.
    ///
    /// # Errors
    /// [`Code::SecretStoreUnavailable`] if the file cannot be removed.
    pub fn remove(&self, connection: &str) -> Result<()> {
        let path = self.path(connection)?;
        match fs::remove_file(&path).and_then(|()| sync_folder(&self.directory)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error("the tokens cannot be removed", &path, &error))
            }
            _ => Ok(()),
        }
    }

    /// A secret of this connection that is always the same under one key, for hashes that no one
    /// else can make.
    #[must_use]
    pub fn salt(&self, connection: &str) -> [u8; 32] {
        let hash = digest(&SHA256, &[&self.key.salt[..], connection.as_bytes()].concat());
        let mut salt = [0; 32];
        salt.copy_from_slice(hash.as_ref());
        salt
    }

    fn unseal<'c>(&self, connection: &str, path: &Path, content: &'c mut [u8]) -> Result<&'c [u8]> {
        let rest = content
            .split_first_chunk_mut()
            .filter(|(magic, _)| *magic == MAGIC)
            .and_then(|(_, rest)| rest.split_first_chunk_mut::<FINGERPRINT_LENGTH>());
        let Some((fingerprint, rest)) = rest else {
            return Err(damaged(path, "it does not begin like a token file"));
        };
        if *fingerprint != self.key.fingerprint {
            return Err(Error::new(
                Code::SecretStoreUnavailable,
                format!("{} was encrypted with another key", path.display()),
            )
            .cause(format!("the key in use comes from {}", self.key.origin))
            .fix(format!(
                "set {KEY_VARIABLE} to the key the file was written with, or run `longshore connect`"
            )));
        }
        let Some((nonce, sealed)) = rest.split_first_chunk_mut::<NONCE_LEN>() else {
            return Err(damaged(path, "it is too short"));
        };
        let plain = self
            .key
            .cipher
            .open_in_place(Nonce::from(&*nonce), Aad::from(connection.as_bytes()), sealed)
            .map_err(|_| damaged(path, "it was changed, or belongs to another connection"))?;
        Ok(plain)
    }

    /// The file of a connection, whose name must not be able to leave the directory.
    fn path(&self, connection: &str) -> Result<PathBuf> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let valid = (1..=128).contains(&connection.len())
            && !connection.starts_with('.')
            && connection.bytes().all(plain);
        if !valid {
            return Err(Error::new(
                Code::InputInvalid,
                format!("`{}` cannot be the name of a connection", printable(connection, 130)),
            )
            .fix("use 1 to 128 letters, digits, `-`, `_` and `.`, not beginning with `.`"));
        }
        Ok(self.directory.join(format!("{connection}.tokens")))
    }
}

impl fmt::Debug for SecretStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretStore({})", self.directory.display())
    }
}

impl Key {
    fn read(text: &str, origin: String) -> Result<Self> {
        let bytes = BASE64.decode(text.trim()).map_err(|_| key_error(&origin))?;
        let bytes: [u8; KEY_LENGTH] = bytes.try_into().map_err(|_| key_error(&origin))?;
        let cipher =
            RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| key_error(&origin))?;
        let hash = digest(&SHA256, &[b"longshore key fingerprint", &bytes[..]].concat());
        let mut fingerprint = [0; FINGERPRINT_LENGTH];
        fingerprint.copy_from_slice(&hash.as_ref()[..FINGERPRINT_LENGTH]);
        let mut salt = [0; 32];
        let hash = digest(&SHA256, &[b"longshore privacy salt", &bytes[..]].concat());
        salt.copy_from_slice(hash.as_ref());
        Ok(Self { cipher, fingerprint, salt, origin })
    }

    /// Reads the key file, or creates it with a random key.
    fn from_file(path: &Path) -> Result<Self> {
        let unusable = |error: io::Error| io_error("the key file cannot be used", path, &error);
        if !path.try_exists().map_err(unusable)? {
            let mut bytes = [0; KEY_LENGTH];
            aws_lc_rs::rand::fill(&mut bytes)
                .map_err(|_| Error::new(Code::Internal, "the system gives no random numbers"))?;
            let text = format!("{}\n", BASE64.encode(bytes));
            match create_durably(path, text.as_bytes()) {
                // Somebody else was faster: theirs is the key.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => result.map_err(unusable)?,
            }
        }
        let text = fs::read_to_string(path).map_err(unusable)?;
        Self::read(&text, format!("the file {}", path.display()))
    }
}

/// Replaces `path`: after a crash it holds the old content or the new one, never a part.
fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let file = write_beside(path, content)?;
    file.persist(path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Creates `path`; fails if it exists.
fn create_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let file = write_beside(path, content)?;
    file.persist_noclobber(path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// A synced temporary file in the directory of `path`, mode 0600, removed unless it is renamed.
fn write_beside(path: &Path, content: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".longshore-").tempfile_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn io_error(what: &str, path: &Path, error: &io::Error) -> Error {
    let unavailable = Code::SecretStoreUnavailable;
    let (code, fix) = match error.kind() {
        _ if disk::is_full(error) => (Code::DiskFull, "free some space"),
        io::ErrorKind::PermissionDenied => {
            (unavailable, "give this user read and write access to the directory")
        }
        _ => (unavailable, "check that the directory exists and its disk is healthy"),
    };
    Error::new(code, format!("{what}: {}", path.display()))
        .cause(error.to_string())
        .fix(fix)
        .retry(Retry::Later(None))
}

fn damaged(path: &Path, cause: &str) -> Error {
    Error::new(Code::StateCorrupt, format!("the token file {} is damaged", path.display()))
        .cause(cause)
        .fix("restore the file from a backup, or delete it and run `longshore connect`")
}

fn key_error(origin: &str) -> Error {
    Error::new(Code::SecretStoreUnavailable, format!("{origin} does not hold a key"))
        .cause("a key is 32 bytes written in base64 (44 characters)")
        .fix("use the key the store was created with; a new one: head -c 32 /dev/urandom | base64")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn tokens(generation: u64) -> Tokens {
        Tokens {
            access: Secret::new("simulated-access"),
            refresh: Some(Secret::new("simulated-refresh")),
            expires_at: Some(Timestamp::from_second(2_000_000_000).unwrap()),
            fields: [("base_url".to_owned(), "https://a.example.com".to_owned())].into(),
            obtained_at: Timestamp::from_second(1_900_000_000).unwrap(),
            generation,
        }
    }

    #[test]
    fn tokens_come_back_and_are_not_readable_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let store = SecretStore::open(directory.path()).unwrap();
        assert_eq!(store.load("acme").unwrap(), None);
        store.save("acme", &tokens(1)).unwrap();
        store.save("acme", &tokens(2)).unwrap();

        let again = SecretStore::open(directory.path()).unwrap();
        assert_eq!(again.load("acme").unwrap(), Some(tokens(2)));

        let mut names = Vec::new();
        for entry in fs::read_dir(directory.path()).unwrap() {
            let entry = entry.unwrap();
            let content = String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned();
            assert!(!content.contains("simulated") && !content.contains("example"), "{content}");
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            }
            names.push(entry.file_name().into_string().unwrap());
        }
        names.sort();
        assert_eq!(names, ["acme.tokens", "longshore.key"]);

        again.remove("acme").unwrap();
        again.remove("acme").unwrap();
        assert_eq!(again.load("acme").unwrap(), None);
    }

    #[test]
    fn a_wrong_key_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let store = |byte| {
            let key = Secret::new(BASE64.encode([byte; KEY_LENGTH]));
            SecretStore::with_key(directory.path(), &key).unwrap()
        };
        store(1).save("acme", &tokens(1)).unwrap();
        let error = store(2).load("acme").unwrap_err();
        assert_eq!(error.code, Code::SecretStoreUnavailable);
        assert!(error.to_string().contains("acme.tokens was encrypted with another key"));
        assert!(error.fix.as_deref().unwrap_or_default().contains(KEY_VARIABLE));
    }

    #[test]
    fn a_changed_renamed_or_cut_file_is_damaged_not_trusted() {
        let directory = tempfile::tempdir().unwrap();
        let store = SecretStore::open(directory.path()).unwrap();
        store.save("acme", &tokens(1)).unwrap();
        let path = directory.path().join("acme.tokens");
        let content = fs::read(&path).unwrap();
        let code = |content: &[u8], name: &str| {
            fs::write(directory.path().join(format!("{name}.tokens")), content).unwrap();
            store.load(name).unwrap_err().code
        };
        assert_eq!(code(&content, "other"), Code::StateCorrupt);
        for length in 0..content.len() {
            assert_eq!(code(&content[..length], "acme"), Code::StateCorrupt, "{length}");
        }
        for position in [0, content.len() / 2, content.len() - 1] {
            let mut changed = content.clone();
            changed[position] ^= 1;
            assert_eq!(code(&changed, "acme"), Code::StateCorrupt, "{position}");
        }
    }

    #[test]
    fn keys_and_names_that_cannot_be_used_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        for key in ["", "short", "c2ltdWxhdGVk", "not base64 at all: !!!!"] {
            let error = SecretStore::with_key(directory.path(), &Secret::new(key)).unwrap_err();
            assert_eq!(error.code, Code::SecretStoreUnavailable);
        }
        let store = SecretStore::open(directory.path()).unwrap();
        for name in ["", ".", "..", "../x", "a/b", "a\\b", "a\0b", "ä", &"x".repeat(129)] {
            assert_eq!(store.load(name).unwrap_err().code, Code::InputInvalid, "{name}");
        }
    }

    #[test]
    fn a_directory_that_went_away_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let store = SecretStore::open(directory.path()).unwrap();
        fs::remove_dir_all(directory.path()).unwrap();
        let error = store.save("acme", &tokens(1)).unwrap_err();
        assert_eq!(error.code, Code::SecretStoreUnavailable);
        assert!(error.to_string().contains("acme.tokens"), "{error}");
    }
}
