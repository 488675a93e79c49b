//! The few bytes that make a tape archive (POSIX's ustar) of texts.

use std::io::{self, Write};

const BLOCK: usize = 512;

/// Writes a file that its owner may read, without a date, so that the same texts give the same archive.
pub fn file(out: &mut impl Write, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes().get(..100).unwrap_or(name.as_bytes()));
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", bytes.len()).as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.write_all(&header)?;
    out.write_all(bytes)?;
    out.write_all(&vec![0; bytes.len().next_multiple_of(BLOCK) - bytes.len()])
}

/// Two empty blocks are the end.
pub fn end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[0; 2 * BLOCK])
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn tar_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut archive = Vec::new();
        file(&mut archive, "folder/a.txt", b"some text").unwrap();
        file(&mut archive, "folder/b.txt", &[b'x'; 512]).unwrap();
        file(&mut archive, "folder/empty.txt", b"").unwrap();
        end(&mut archive).unwrap();
        let path = dir.path().join("x.tar");
        std::fs::write(&path, archive).unwrap();
        let tar = Command::new("tar").arg("-xf").arg(&path).arg("-C").arg(dir.path()).status().unwrap();
        assert!(tar.success());
        assert_eq!(std::fs::read(dir.path().join("folder/a.txt")).unwrap(), b"some text");
        assert_eq!(std::fs::read(dir.path().join("folder/b.txt")).unwrap().len(), 512);
        assert_eq!(std::fs::read(dir.path().join("folder/empty.txt")).unwrap(), b"");
    }
}
