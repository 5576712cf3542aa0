//! SHA-256 of files, and the memory of hashes already computed.
//!
//! Owns hashing a file in pieces and the sidecar `.hashes.json` that spares a run from hashing gigabytes again.
//! It judges nothing: whether a hash is the right one is decided by whoever knows the right one.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::whole;

const SIDECAR: &str = ".hashes.json";
const BUFFER_BYTES: usize = 1 << 20;

/// The sidecar: absolute path to what was seen there.
type Memory = BTreeMap<String, Seen>;

/// A hash and the file's looks when it was computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    #[serde(flatten)]
    looks: Looks,
    sha256: String,
}

/// Everything about a file that changes when another one takes its place or when it is written to; a program can set
/// back the time of the last change of its content, and not that of its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looks {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Time of the last change of the content, nanoseconds since 1970.
    mtime_ns: i64,
    /// Time of the last change of the entry, nanoseconds since 1970.
    ctime_ns: i64,
}

impl Looks {
    /// The looks of the file at a path, or of what a link there leads to.
    ///
    /// # Errors
    /// Where nothing is there.
    pub fn of(path: &Path) -> io::Result<Self> {
        Ok(Self::new(&fs::metadata(path)?))
    }

    pub(super) fn new(metadata: &Metadata) -> Self {
        let ns = |seconds: i64, ns: i64| seconds * 1_000_000_000 + ns;
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            mtime_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The SHA-256 of the file's content.
pub fn hash_file(path: &Path) -> io::Result<Digest> {
    hash_file_with(path, |_| Ok(()))
}

/// As [`hash_file`]; `on_bytes` hears after every piece how many bytes are done, and stops the work with an error.
pub fn hash_file_with(
    path: &Path,
    mut on_bytes: impl FnMut(u64) -> io::Result<()>,
) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    feed(&mut hasher, File::open(path)?, &mut on_bytes)?;
    Ok(Digest::from_bytes(hasher.finalize().into()))
}

/// Feeds everything `reader` has to `hasher`; returns the number of bytes.
pub(crate) fn feed(
    hasher: &mut Sha256,
    mut reader: impl Read,
    on_bytes: &mut dyn FnMut(u64) -> io::Result<()>,
) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut done_bytes = 0;
    loop {
        let n_bytes = match reader.read(&mut buffer) {
            Ok(0) => return Ok(done_bytes),
            Ok(n_bytes) => n_bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..n_bytes]);
        done_bytes += n_bytes as u64;
        on_bytes(done_bytes)?;
    }
}

/// The SHA-256 of `path`, from the sidecar in `shelf_dir` if the file's size and time of change are those seen there.
pub fn cached_hash(shelf_dir: &Path, path: &Path) -> io::Result<Digest> {
    cached_hash_with(shelf_dir, path, |_| Ok(()))
}

/// As [`cached_hash`]; `on_bytes` as in [`hash_file_with`], called only if the file must be read.
pub fn cached_hash_with(
    shelf_dir: &Path,
    path: &Path,
    on_bytes: impl FnMut(u64) -> io::Result<()>,
) -> io::Result<Digest> {
    if let Some(digest) = remembered_hash(shelf_dir, path) {
        return Ok(digest);
    }
    let before = Looks::of(path)?;
    let digest = hash_file_with(path, on_bytes)?;
    // A file that changed while it was read is hashed again the next time.
    if Looks::of(path)? == before {
        remember_hash(shelf_dir, path, digest);
    }
    Ok(digest)
}

/// The hash in the sidecar, if the file still looks as it did then; reads no file content.
pub fn remembered_hash(shelf_dir: &Path, path: &Path) -> Option<Digest> {
    let looks = Looks::of(path).ok()?;
    let seen = read_memory(shelf_dir).remove(&key(path)?)?;
    (seen.looks == looks)
        .then(|| seen.sha256.parse().ok())
        .flatten()
}

/// Notes in the sidecar that the file, as it is now, has this hash.
pub fn remember_hash(shelf_dir: &Path, path: &Path, digest: Digest) {
    let (Some(key), Ok(looks)) = (key(path), Looks::of(path)) else {
        return;
    };
    let mut memory = read_memory(shelf_dir);
    memory.insert(
        key,
        Seen {
            looks,
            sha256: digest.to_string(),
        },
    );
    memory.retain(|path, _| Path::new(path).exists());
    // The sidecar only saves time: where it cannot be written, the file is hashed again the next time.
    let _ = write_memory(shelf_dir, &memory);
}

/// Names that are not UTF-8 are not remembered.
fn key(path: &Path) -> Option<String> {
    Some(path.canonicalize().ok()?.to_str()?.to_owned())
}

/// A sidecar that is missing or cannot be understood is an empty one.
fn read_memory(shelf_dir: &Path) -> Memory {
    let text = fs::read(shelf_dir.join(SIDECAR)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

fn write_memory(shelf_dir: &Path, memory: &Memory) -> io::Result<()> {
    // Two processes that write at once lose an entry, never the form.
    whole::write_file(&shelf_dir.join(SIDECAR), |mut file| {
        file.write_all(&serde_json::to_vec_pretty(memory)?)
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    /// The output of `sha256sum` for a file of one million letters `a` (also FIPS 180-4's long example).
    #[test]
    fn file_longer_than_a_piece() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "a".repeat(1_000_000)).unwrap();
        let expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
        assert_eq!(hash_file(&path).unwrap().to_string(), expected);
        fs::write(&path, vec![7; 2 * BUFFER_BYTES + 1]).unwrap();
        assert_eq!(
            hash_file(&path).unwrap(),
            Digest::of(&vec![7; 2 * BUFFER_BYTES + 1])
        );
    }

    /// True if the file was read again; and the hash.
    fn look(dir: &Path, path: &Path) -> (bool, Digest) {
        let mut was_read = false;
        let digest = cached_hash_with(dir, path, |_| {
            was_read = true;
            Ok(())
        });
        (was_read, digest.unwrap())
    }

    #[test]
    fn file_is_read_again_only_when_it_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.gguf");
        fs::write(&path, "one").unwrap();
        let past = SystemTime::now() - Duration::from_secs(1000);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(past)
            .unwrap();
        assert_eq!(look(dir.path(), &path), (true, Digest::of(b"one")));
        assert_eq!(look(dir.path(), &path), (false, Digest::of(b"one")));
        // Same size, other content, later time.
        fs::write(&path, "two").unwrap();
        assert_eq!(look(dir.path(), &path), (true, Digest::of(b"two")));
        // Other size, same time.
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "three").unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(time)
            .unwrap();
        assert_eq!(look(dir.path(), &path), (true, Digest::of(b"three")));
    }

    #[test]
    fn broken_sidecar_is_rewritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.gguf");
        fs::write(&path, "one").unwrap();
        for broken in ["", "{", "[1]", "{\"x\": 1}", "\u{0}\u{1}"] {
            fs::write(dir.path().join(SIDECAR), broken).unwrap();
            assert_eq!(
                look(dir.path(), &path),
                (true, Digest::of(b"one")),
                "{broken}"
            );
            assert_eq!(
                look(dir.path(), &path),
                (false, Digest::of(b"one")),
                "{broken}"
            );
        }
    }

    #[test]
    fn files_that_are_gone_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("first"), dir.path().join("second"));
        fs::write(&first, "1").unwrap();
        fs::write(&second, "2").unwrap();
        look(dir.path(), &first);
        fs::remove_file(&first).unwrap();
        look(dir.path(), &second);
        assert_eq!(read_memory(dir.path()).len(), 1);
        assert!(cached_hash(dir.path(), &first).is_err());
    }
}
