//! Takes data out of wheels, which are zip archives. Everything here blocks.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use zip::{ZipArchive, result::ZipError};

use crate::digest::{Hasher, Sha256};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`{0}` is not in the package")]
    NoMember(String),
    #[error("the package can't be unpacked: {0}")]
    Archive(#[from] ZipError),
    #[error("can't write {}: {source}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the package holds more than the {0} bytes expected")]
    TooLong(u64),
}

/// A member: its wheel on disk and its path in there.
pub(crate) struct Packed<'a> {
    pub(crate) wheel: PathBuf,
    pub(crate) path: &'a str,
}

/// Writes the members one after another; never more than `limit` bytes.
pub(crate) fn join(members: &[Packed<'_>], target: &Path, limit: u64) -> Result<(u64, Sha256), Error> {
    let failed = |source| Error::Write { path: target.to_owned(), source };
    let mut output = Hashing::new(BufWriter::with_capacity(1 << 18, File::create(target).map_err(failed)?));
    for member in members {
        let room = limit.saturating_sub(output.hasher.length());
        let copied = open(member, |content| io::copy(&mut content.take(room + 1), &mut output).map_err(failed))?;
        if copied > room {
            return Err(Error::TooLong(limit));
        }
    }
    output.finish().map_err(failed)
}

/// The members one after another, in memory.
pub(crate) fn read(members: &[Packed<'_>], limit: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    for member in members {
        let room = limit.saturating_sub(bytes.len() as u64);
        let read = open(member, |content| {
            content.take(room + 1).read_to_end(&mut bytes).map_err(|error| Error::Archive(ZipError::Io(error)))
        })?;
        if read as u64 > room {
            return Err(Error::TooLong(limit));
        }
    }
    Ok(bytes)
}

fn open<T>(member: &Packed<'_>, use_it: impl FnOnce(&mut dyn Read) -> Result<T, Error>) -> Result<T, Error> {
    let file = File::open(&member.wheel).map_err(ZipError::Io)?;
    let mut archive = ZipArchive::new(BufReader::new(file))?;
    let mut content = match archive.by_name(member.path) {
        Err(ZipError::FileNotFound) => return Err(Error::NoMember(member.path.to_owned())),
        other => other?,
    };
    use_it(&mut content)
}

/// Hashes what passes through to the file.
pub(crate) struct Hashing {
    output: BufWriter<File>,
    hasher: Hasher,
}

impl Hashing {
    pub(crate) fn new(output: BufWriter<File>) -> Self {
        Self { output, hasher: Hasher::default() }
    }

    /// On disk when this returns.
    pub(crate) fn finish(mut self) -> io::Result<(u64, Sha256)> {
        self.output.flush()?;
        self.output.get_ref().sync_all()?;
        Ok((self.hasher.length(), self.hasher.finish()))
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    fn wheel(folder: &TempDir, members: &[(&str, &[u8])]) -> PathBuf {
        let path = folder.path().join("thing.whl");
        let mut writer = ZipWriter::new(File::create(&path).unwrap());
        for (name, content) in members {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap();
        path
    }

    #[test]
    fn members_are_joined_in_the_order_asked_for() {
        let folder = TempDir::new().unwrap();
        let wheel = wheel(&folder, &[("thing/b", b"world"), ("thing/a", b"hello ")]);
        let packed = |path| Packed { wheel: wheel.clone(), path };
        let target = folder.path().join("joined");
        let (length, sha256) = join(&[packed("thing/a"), packed("thing/b")], &target, 11).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"hello world");
        assert_eq!(length, 11);
        assert_eq!(sha256.to_string(), "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9");
        assert_eq!(read(&[packed("thing/b"), packed("thing/b")], 10).unwrap(), b"worldworld");
    }

    #[test]
    fn a_missing_member_a_longer_one_and_no_archive_are_errors() {
        let folder = TempDir::new().unwrap();
        let wheel = wheel(&folder, &[("a", &[0; 100_000])]);
        let packed = |path| [Packed { wheel: wheel.clone(), path }];
        let target = folder.path().join("joined");
        assert!(matches!(join(&packed("b"), &target, 9), Err(Error::NoMember(name)) if name == "b"));
        assert!(matches!(join(&packed("a"), &target, 99_999), Err(Error::TooLong(99_999))));
        assert!(matches!(read(&packed("a"), 99_999), Err(Error::TooLong(99_999))));
        std::fs::write(&wheel, b"PK nonsense").unwrap();
        assert!(matches!(read(&packed("a"), 9), Err(Error::Archive(_))));
    }
}
