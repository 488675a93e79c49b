//! Room for what is kept, and whether it may be written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::statvfs::statvfs;

use crate::doctor::Section::Disk;
use crate::doctor::{Finding, Surroundings, numbers};

/// Less, and databases stop.
const LEAST: u64 = 500_000_000;
/// The streams on the bus alone may hold this.
const LITTLE: u64 = 2_000_000_000;
/// Nobody reads more, and a small disk fills with it.
const LONG_LOGS: u64 = 1_000_000_000;
const FOLDERS: [&str; 4] = ["state", "models", "logs", "run"];

pub async fn look(around: Arc<Surroundings>) -> Vec<Finding> {
    let home = around.context.layout().home().to_owned();
    let looking = tokio::task::spawn_blocking(move || {
        let mut findings = vec![space(&home)];
        findings.push(writable(&home));
        findings.extend(logs(&home));
        findings
    });
    looking.await.unwrap_or_default()
}

fn space(home: &Path) -> Finding {
    let folder = nearest(home);
    match statvfs(&folder) {
        Ok(found) => {
            let free = found.blocks_available() * found.fragment_size();
            room(home, free, found.files_available(), found.files())
        }
        Err(error) => Disk.problem(
            "room",
            format!("{} can't be looked at ({error})", folder.display()),
            "mend the disk, or set AETHER_HOME",
        ),
    }
}

fn room(home: &Path, free: u64, free_files: u64, files: u64) -> Finding {
    let (home, found) = (home.display(), numbers::bytes(free));
    let finding = if files > 0 && free_files < 1_000 {
        Disk.problem(
            "room",
            format!("{home} has room for only {free_files} more files"),
            "remove files there, or set AETHER_HOME",
        )
    } else if free < LEAST {
        Disk.problem("room", format!("{found} are free at {home}"), "make room: databases stop when it is full")
    } else if free < LITTLE {
        Disk.warning("room", format!("{found} are free at {home}"), "make room: what is kept and logged grows")
    } else {
        Disk.ok("room", format!("{found} are free at {home}"))
    };
    finding.with("free_bytes", free as f64)
}

/// Writes a file where each of the parts would.
fn writable(home: &Path) -> Finding {
    let folders = FOLDERS.map(|name| home.join(name));
    let mut refused = Vec::new();
    for folder in folders.iter().map(|folder| nearest(folder)).chain([nearest(home)]) {
        if let Err(error) = try_to_write(&folder)
            && !refused.iter().any(|(refused, _)| *refused == folder)
        {
            refused.push((folder, error.kind()));
        }
    }
    let Some((folder, kind)) = refused.first() else {
        return Disk.ok("writing", format!("{} and what is below can be written", home.display()));
    };
    let remedy = match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room there".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => {
            "mount it for writing, or set AETHER_HOME to a folder elsewhere".to_owned()
        }
        _ => format!("chown -R \"$USER\" {}, or set AETHER_HOME to a folder of yours", folder.display()),
    };
    Disk.problem("writing", format!("{} can't be written ({kind})", folder.display()), remedy)
}

fn try_to_write(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".aether-doctor-{}", std::process::id()));
    fs::write(&path, b"written to see whether it can be")?;
    fs::remove_file(&path)
}

fn logs(home: &Path) -> Option<Finding> {
    let entries = fs::read_dir(home.join("logs")).ok()?;
    let sizes = entries.flatten().filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file);
    let total: u64 = sizes.map(|metadata| metadata.len()).sum();
    let found = format!("{} in {}", numbers::bytes(total), home.join("logs").display());
    Some(if total > LONG_LOGS {
        Disk.warning("logs", found, "remove old ones while Aether is stopped")
    } else {
        Disk.ok("logs", found)
    })
}

/// What will be made lies in the nearest folder that exists.
fn nearest(path: &Path) -> PathBuf {
    path.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    #[test]
    fn room_is_judged_by_bytes_and_by_files() {
        for (free, free_files, files, status) in [
            (50_000_000_000, 1_000_000, 2_000_000, Status::Ok),
            (1_000_000_000, 1_000_000, 2_000_000, Status::Warning),
            (100_000_000, 1_000_000, 2_000_000, Status::Problem),
            (50_000_000_000, 10, 2_000_000, Status::Problem),
            // Some file systems don't count files.
            (50_000_000_000, 0, 0, Status::Ok),
        ] {
            assert_eq!(room(Path::new("/x"), free, free_files, files).status, status, "{free} {free_files}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_judged_by_the_nearest_one() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(writable(&dir.path().join("a/b")).status, Status::Ok);
        assert_eq!(nearest(&dir.path().join("a/b")), dir.path());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing stays behind");
    }
}
