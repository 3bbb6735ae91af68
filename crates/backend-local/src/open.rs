//! Opening a database file of ours in a data directory, creating both where absent.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{Database, Durability, ReadableDatabase, TableDefinition, TableError, WriteTransaction};

/// What a file is, as one row: its kind and the version of its format.
const FORMAT: TableDefinition<&str, u64> = TableDefinition::new("format");

/// Memory for cached pages, in bytes, of one file.
const CACHE_BYTES: usize = 64 << 20;

/// Why a data directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Something else than a directory has this name, or one above it.
    #[error("{} is not a directory; choose another with --data", path.display())]
    NotADirectory {
        /// The data directory asked for.
        path: PathBuf,
    },
    /// The directory, or a file in it, may not be written.
    #[error("cannot write to {}: {source}; choose another directory with --data or change its owner", path.display())]
    NotWritable {
        /// The directory or file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process (or another handle in this one) has the directory open.
    #[error("another cloudping uses {}; stop it or choose another --data", dir.display())]
    InUse {
        /// The data directory.
        dir: PathBuf,
    },
    /// The file is damaged, or is something else.
    #[error("{} is damaged or no {kind} of cloudping's ({reason}); move it away to start anew, or choose another --data", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What it should have been.
        kind: &'static str,
        /// What was found.
        reason: String,
    },
    /// A later cloudping wrote the file.
    #[error("{} has format {found}, but this cloudping knows formats up to {supported}; upgrade cloudping or choose another --data", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The latest format known here.
        supported: u64,
    },
    /// The operating system refused for another reason.
    #[error("cannot open {}: {source}; choose another directory with --data", path.display())]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => Self::NotADirectory { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::NotWritable { path, source },
            _ => Self::Io { path, source },
        }
    }
}

/// One of our database files.
pub(crate) struct FileKind {
    /// What it is, in its format row and in messages.
    pub(crate) name: &'static str,
    /// Its name in the data directory.
    pub(crate) file: &'static str,
    /// The version of the format that is written and read.
    pub(crate) format: u64,
}

impl FileKind {
    /// The error of a file in `dir` that is not what it should be.
    pub(crate) fn unreadable(&self, dir: &Path, reason: String) -> OpenError {
        OpenError::Unreadable { path: dir.join(self.file), kind: self.name, reason }
    }
}

/// Opens a file, after creating it with `initialise` in its first transaction if it is not there.
pub(crate) fn open(
    dir: &Path,
    kind: &FileKind,
    initialise: impl Fn(&WriteTransaction) -> Result<(), redb::Error>,
) -> Result<Database, OpenError> {
    fs::create_dir_all(dir).map_err(|error| OpenError::io(dir, error))?;
    let path = dir.join(kind.file);
    create_if_absent(dir, &path, kind, initialise)?;
    let database = guarded(|| Ok(builder().open(&path)?)).map_err(|error| classify(error, dir, &path, kind))?;
    check_format(&database, dir, kind)?;
    Ok(database)
}

/// A write transaction whose commit is on disk when it returns.
pub(crate) fn begin_durable(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    Ok(transaction)
}

/// A half-made file never bears the final name: it is made under another one and renamed. The lock on the directory
/// keeps two processes from making it at once, and goes with the process that held it.
fn create_if_absent(
    dir: &Path,
    path: &Path,
    kind: &FileKind,
    initialise: impl Fn(&WriteTransaction) -> Result<(), redb::Error>,
) -> Result<(), OpenError> {
    let in_dir = |error| OpenError::io(dir, error);
    if path.try_exists().map_err(in_dir)? {
        return Ok(());
    }
    let handle = File::open(dir).map_err(in_dir)?;
    handle.lock().map_err(in_dir)?;
    if path.try_exists().map_err(in_dir)? {
        return Ok(());
    }
    let unfinished = path.with_extension("unfinished");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(in_dir(error)),
        _ => {}
    }
    guarded(|| {
        let database = builder().create(&unfinished)?;
        let transaction = begin_durable(&database)?;
        transaction.open_table(FORMAT)?.insert(kind.name, kind.format)?;
        initialise(&transaction)?;
        transaction.commit()?;
        Ok(database.close()?)
    })
    .map_err(|error| classify(error, dir, dir, kind))?;
    fs::rename(&unfinished, path).map_err(in_dir)?;
    handle.sync_all().map_err(in_dir)
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Runs redb over a file that may have been damaged by others: redb asserts what it trusts, so a panic means damage.
fn guarded<T>(act: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    catch_unwind(AssertUnwindSafe(act))
        .unwrap_or_else(|_| Err(redb::Error::Corrupted("an inner check failed".to_owned())))
}

fn classify(error: redb::Error, dir: &Path, path: &Path, kind: &FileKind) -> OpenError {
    match error {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => {
            OpenError::InUse { dir: dir.to_owned() }
        }
        redb::Error::Io(source)
            if !matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
        {
            OpenError::io(path, source)
        }
        other => kind.unreadable(dir, other.to_string()),
    }
}

fn check_format(database: &Database, dir: &Path, kind: &FileKind) -> Result<(), OpenError> {
    let unreadable = |reason| kind.unreadable(dir, reason);
    let row = guarded(|| {
        let transaction = database.begin_read()?;
        match transaction.open_table(FORMAT) {
            Ok(table) => Ok(table.get(kind.name)?.map(|row| row.value())),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    })
    .map_err(|error| unreadable(error.to_string()))?;
    match row {
        Some(found) if found == kind.format => Ok(()),
        Some(found) if found > kind.format => {
            Err(OpenError::NewerFormat { path: dir.join(kind.file), found, supported: kind.format })
        }
        Some(found) => Err(unreadable(format!("format {found}"))),
        None => Err(unreadable("its format is not stated".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: FileKind = FileKind { name: "test file", file: "test.redb", format: 3 };

    const ROWS: TableDefinition<u64, u64> = TableDefinition::new("rows");

    fn open_test(dir: &Path) -> Result<Database, OpenError> {
        open(dir, &KIND, |transaction| {
            transaction.open_table(ROWS)?.insert(1, 2)?;
            Ok(())
        })
    }

    fn message(result: Result<Database, OpenError>) -> String {
        result.expect_err("expected an error").to_string()
    }

    #[test]
    fn a_new_file_is_initialised_once_and_leaves_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("data/of/cloudping");
        for _ in 0..2 {
            let database = open_test(&dir).unwrap();
            let rows = database.begin_read().unwrap().open_table(ROWS).unwrap();
            assert_eq!(rows.get(1).unwrap().unwrap().value(), 2);
        }
        let names: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [KIND.file]);
    }

    #[test]
    fn what_a_crash_left_half_made_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("test.unfinished"), [0; 5000]).unwrap();
        open_test(dir.path()).unwrap();
    }

    #[test]
    fn two_openers_of_a_new_directory_meet_the_same_file() {
        let base = tempfile::tempdir().unwrap();
        for round in 0..10 {
            let dir = base.path().join(round.to_string());
            let outcomes = std::thread::scope(|scope| {
                let openers = [(); 2].map(|()| scope.spawn(|| open_test(&dir)));
                openers.map(|opener| opener.join().unwrap())
            });
            assert!(outcomes.iter().any(Result::is_ok), "{outcomes:?}");
            for failed in outcomes.into_iter().filter_map(Result::err) {
                assert!(matches!(failed, OpenError::InUse { .. }), "{failed}");
            }
        }
    }

    #[test]
    fn a_file_in_the_directorys_place_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let file = base.path().join("file");
        fs::write(&file, "text").unwrap();
        for path in [file.clone(), file.join("below")] {
            let expected = format!("{} is not a directory; choose another with --data", path.display());
            assert_eq!(message(open_test(&path)), expected);
        }
    }

    #[test]
    fn a_directory_in_use_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let database = open_test(dir.path()).unwrap();
        let expected = format!("another cloudping uses {}; stop it or choose another --data", dir.path().display());
        assert_eq!(message(open_test(dir.path())), expected);
        drop(database);
        open_test(dir.path()).unwrap();
    }

    /// Gives up, for this thread only, the right of root to write everywhere.
    #[cfg(target_os = "linux")]
    fn as_nobody<T: Send>(act: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                // SAFETY: setfsuid takes a number, touches no memory, and changes the calling thread alone, which ends.
                unsafe { libc::setfsuid(65534) };
                act()
            });
            thread.join().unwrap()
        })
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_directory_that_may_not_be_written_is_named() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o555)).unwrap();
        let below = dir.path().join("below");
        for path in [dir.path(), &below] {
            let expected = format!(
                "cannot write to {}: Permission denied (os error 13); \
                 choose another directory with --data or change its owner",
                path.display()
            );
            assert_eq!(message(as_nobody(|| open_test(path))), expected);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_may_not_be_written_is_named() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        open_test(dir.path()).unwrap();
        let file = dir.path().join(KIND.file);
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
        let refused = as_nobody(|| open_test(dir.path()));
        assert!(matches!(&refused, Err(OpenError::NotWritable { path, .. }) if *path == file), "{refused:?}");
    }

    #[test]
    fn damaged_and_foreign_files_are_refused() {
        let good = tempfile::tempdir().unwrap();
        open_test(good.path()).unwrap();
        let good = fs::read(good.path().join(KIND.file)).unwrap();
        let mut scribbled = good.clone();
        scribbled[64..320].fill(0xa5);
        let half = good[..good.len() / 2].to_vec();
        for bytes in [Vec::new(), b"text".to_vec(), vec![0; 8192], scribbled, half] {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join(KIND.file);
            fs::write(&file, &bytes).unwrap();
            let refused = message(open_test(dir.path()));
            let start = format!("{} is damaged or no test file of cloudping's (", file.display());
            assert!(refused.starts_with(&start), "{} bytes: {refused}", bytes.len());
            assert_eq!(fs::read(&file).unwrap(), bytes, "a refused file is left alone");
        }
    }

    #[test]
    fn a_page_damaged_in_a_file_that_redb_trusts_is_an_error_and_no_panic() {
        let good = tempfile::tempdir().unwrap();
        open_test(good.path()).unwrap();
        let good = fs::read(good.path().join(KIND.file)).unwrap();
        let mut refused = 0;
        for page in 1..16 {
            let dir = tempfile::tempdir().unwrap();
            let mut bytes = good.clone();
            bytes[page * 4096..(page + 1) * 4096].fill(0xa5);
            fs::write(dir.path().join(KIND.file), bytes).unwrap();
            // A page that is not in use does no harm.
            if let Err(error) = open_test(dir.path()) {
                assert!(matches!(error, OpenError::Unreadable { .. }), "{error}");
                refused += 1;
            }
        }
        assert!(refused > 0, "no page of the first sixteen was in use");
    }

    #[test]
    fn a_file_of_another_kind_or_format_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        open_test(dir.path()).unwrap();
        let other = FileKind { name: "other file", ..KIND };
        let refused = message(open(dir.path(), &other, |_| Ok(())));
        assert!(refused.contains("(its format is not stated)"), "{refused}");
        let older = FileKind { format: 2, ..KIND };
        let refused = message(open(dir.path(), &older, |_| Ok(())));
        let expected = format!(
            "{} has format 3, but this cloudping knows formats up to 2; \
             upgrade cloudping or choose another --data",
            dir.path().join(KIND.file).display()
        );
        assert_eq!(refused, expected);
    }
}
