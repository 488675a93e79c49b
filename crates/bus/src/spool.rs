//! An append-only file of what could not be sent yet. Synchronous and without a clock or a network: `turn_log.rs` says when.
//!
//! One line of JSON per entry, synced to the disk before an append returns. A process that dies in mid-write leaves a last
//! line without its line break: it was never acknowledged to anybody and is cut off when the file is opened again.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// As many processes of one service as may share a spool folder.
const MOST_PROCESSES: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("the spool {path} can't be used")]
    Io { path: PathBuf, source: io::Error },
    #[error("the spool folder {folder} is used by {MOST_PROCESSES} processes already: give this one another")]
    NoSlot { folder: PathBuf },
    #[error("the spool {path} holds {limit} bytes, its limit: bring NATS back so that it can be emptied")]
    Full { path: PathBuf, limit: u64 },
    #[error("an entry can't be written as JSON: {reason}")]
    Encode { reason: String },
}

/// One message that waits to be sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) subject: String,
    pub(crate) id: String,
    pub(crate) headers: Vec<(String, String)>,
    /// The message itself as canonical JSON, so that a person can read the spool.
    pub(crate) message: serde_json::Value,
}

#[derive(Debug)]
pub(crate) struct Spool {
    path: PathBuf,
    file: File,
    /// Where the next entry goes; everything before it is whole lines.
    end: u64,
    /// Where the first entry begins that was not taken yet. Kept in memory only: after a crash all is sent again, and
    /// whoever receives it knows each entry by its id.
    start: u64,
    limit: u64,
}

impl Spool {
    /// Opens the first file of this name that no other process holds.
    pub(crate) fn open(folder: &Path, name: &str, limit: u64) -> Result<Self, SpoolError> {
        let at_folder = |source| SpoolError::Io { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(at_folder)?;
        for slot in 0..MOST_PROCESSES {
            let path = folder.join(format!("{name}-{slot}.spool"));
            let at_path = |source| SpoolError::Io { path: path.clone(), source };
            let file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(at_path)?;
            match file.try_lock() {
                Ok(()) => return Self::recover(path, file, limit),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(at_path(source)),
            }
        }
        Err(SpoolError::NoSlot { folder: folder.to_owned() })
    }

    fn recover(path: PathBuf, mut file: File, limit: u64) -> Result<Self, SpoolError> {
        let whole = whole_lines(&mut file).and_then(|whole| {
            let length = file.metadata()?.len();
            if whole < length {
                tracing::warn!(path = %path.display(), bytes = length - whole, "cut a torn last line off the spool");
                file.set_len(whole)?;
                file.sync_all()?;
            }
            Ok(whole)
        });
        match whole {
            Ok(end) => Ok(Self { path, file, end, start: 0, limit }),
            Err(source) => Err(SpoolError::Io { path, source }),
        }
    }

    /// On the disk when this returns. A failed append leaves no half line behind.
    pub(crate) fn append(&mut self, entry: &Entry) -> Result<(), SpoolError> {
        let mut line = serde_json::to_vec(entry).map_err(|error| SpoolError::Encode { reason: error.to_string() })?;
        line.push(b'\n');
        if self.end + line.len() as u64 > self.limit {
            return Err(SpoolError::Full { path: self.path.clone(), limit: self.limit });
        }
        let written = self.file.seek(SeekFrom::Start(self.end)).and_then(|_| {
            self.file.write_all(&line)?;
            self.file.sync_data()
        });
        match written {
            Ok(()) => {
                self.end += line.len() as u64;
                Ok(())
            }
            Err(source) => {
                let _ = self.file.set_len(self.end);
                Err(SpoolError::Io { path: self.path.clone(), source })
            }
        }
    }

    /// The oldest entry that was not taken yet, if there is one.
    pub(crate) fn first(&mut self) -> Result<Option<First>, SpoolError> {
        if self.is_empty() {
            return Ok(None);
        }
        let line = self.line_at(self.start).map_err(|source| SpoolError::Io { path: self.path.clone(), source })?;
        let next = self.start + line.len() as u64;
        Ok(Some(match serde_json::from_slice(&line) {
            Ok(entry) => First::Entry { entry: Box::new(entry), next },
            Err(_) => First::Damaged { next },
        }))
    }

    /// Done with everything before `next`. The file is emptied once all of it is done.
    pub(crate) fn done_until(&mut self, next: u64) -> Result<(), SpoolError> {
        self.start = next.min(self.end);
        if self.is_empty() {
            let emptied = self.file.set_len(0).and_then(|()| self.file.sync_data());
            emptied.map_err(|source| SpoolError::Io { path: self.path.clone(), source })?;
            self.start = 0;
            self.end = 0;
        }
        Ok(())
    }

    /// Keeps a line that can't be read where a person can find it.
    pub(crate) fn set_aside(&mut self, next: u64) -> Result<(), SpoolError> {
        let path = self.path.with_extension("damaged");
        let kept = self.line_at(self.start).and_then(|line| {
            let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
            file.write_all(&line)?;
            file.sync_data()
        });
        kept.map_err(|source| SpoolError::Io { path, source })?;
        self.done_until(next)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.end - self.start
    }

    #[cfg(test)]
    fn path(&self) -> &Path {
        &self.path
    }

    fn line_at(&mut self, start: u64) -> io::Result<Vec<u8>> {
        self.file.seek(SeekFrom::Start(start))?;
        let mut line = Vec::new();
        BufReader::new((&self.file).take(self.end - start)).read_until(b'\n', &mut line)?;
        Ok(line)
    }
}

/// What [`Spool::first`] found, and where the entry after it begins.
#[derive(Debug)]
pub(crate) enum First {
    Entry { entry: Box<Entry>, next: u64 },
    Damaged { next: u64 },
}

/// The length of the file up to and including its last line break.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::new(file);
    let (mut whole, mut line) = (0u64, Vec::new());
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if read == 0 || line.last() != Some(&b'\n') {
            return Ok(whole);
        }
        whole += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const LIMIT: u64 = 1 << 20;

    fn entry(id: u64) -> Entry {
        Entry {
            subject: "turns.t.s".to_owned(),
            id: id.to_string(),
            headers: vec![("Aether-Tenant".to_owned(), "t".to_owned())],
            message: json!({ "text": "line\nbreak" }),
        }
    }

    fn drain(spool: &mut Spool) -> Vec<String> {
        let mut ids = Vec::new();
        while let Some(first) = spool.first().unwrap() {
            match first {
                First::Entry { entry, next } => {
                    ids.push(entry.id);
                    spool.done_until(next).unwrap();
                }
                First::Damaged { next } => spool.set_aside(next).unwrap(),
            }
        }
        ids
    }

    #[test]
    fn what_was_appended_survives_a_restart_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), "turns", LIMIT).unwrap();
        for id in 0..5 {
            spool.append(&entry(id)).unwrap();
        }
        drop(spool);
        let mut spool = Spool::open(folder.path(), "turns", LIMIT).unwrap();
        assert_eq!(drain(&mut spool), ["0", "1", "2", "3", "4"]);
        assert_eq!(std::fs::metadata(spool.path()).unwrap().len(), 0);
        spool.append(&entry(5)).unwrap();
        assert_eq!(drain(&mut spool), ["5"]);
    }

    #[test]
    fn a_full_spool_says_so_and_keeps_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), "turns", 200).unwrap();
        spool.append(&entry(0)).unwrap();
        let full = (1..9).find_map(|id| spool.append(&entry(id)).err()).unwrap();
        assert!(matches!(full, SpoolError::Full { limit: 200, .. }), "{full}");
        assert_eq!(drain(&mut spool)[0], "0");
    }

    #[test]
    fn two_processes_never_share_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let first = Spool::open(folder.path(), "turns", LIMIT).unwrap();
        let second = Spool::open(folder.path(), "turns", LIMIT).unwrap();
        assert_ne!(first.path(), second.path());
    }

    #[test]
    fn a_damaged_line_is_set_aside_and_the_rest_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), "turns", LIMIT).unwrap();
        spool.append(&entry(0)).unwrap();
        let path = spool.path().to_owned();
        drop(spool);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"not json\n").unwrap();
        let mut spool = Spool::open(folder.path(), "turns", LIMIT).unwrap();
        spool.append(&entry(1)).unwrap();
        assert_eq!(drain(&mut spool), ["0", "1"]);
        assert_eq!(std::fs::read(path.with_extension("damaged")).unwrap(), b"not json\n");
    }

    proptest! {
        #[test]
        fn a_file_cut_anywhere_loses_at_most_its_torn_last_line(entries in 1u64..6, cut in 0usize..1000) {
            let folder = tempfile::tempdir().unwrap();
            let mut spool = Spool::open(folder.path(), "turns", LIMIT).unwrap();
            for id in 0..entries {
                spool.append(&entry(id)).unwrap();
            }
            let path = spool.path().to_owned();
            drop(spool);
            let whole = std::fs::read(&path).unwrap();
            let kept = &whole[..cut.min(whole.len())];
            std::fs::write(&path, kept).unwrap();

            let mut spool = Spool::open(folder.path(), "turns", LIMIT).unwrap();
            let lines = kept.iter().filter(|byte| **byte == b'\n').count();
            prop_assert_eq!(drain(&mut spool).len(), lines);
        }
    }
}
