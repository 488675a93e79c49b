//! Who listens on which port of this machine, out of `/proc`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// In `/proc/net/tcp`, a socket that takes connections.
const LISTENING: &str = "0A";
/// Deeper families of processes are not ours.
const DEEPEST: usize = 32;

/// Whoever holds a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub user: u32,
    /// Hidden where the program is another user's.
    pub process: Option<Process>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    pub name: String,
}

/// One line of `/proc/net/tcp` and its like.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Socket {
    port: u16,
    user: u32,
    inode: u64,
}

/// All ports that somebody holds.
#[derive(Debug, Default)]
pub struct Sockets {
    tcp: HashMap<u16, Holder>,
    udp: HashMap<u16, Holder>,
}

impl Sockets {
    /// Reads `/proc`, which takes some milliseconds; what may not be read is left out.
    pub fn read() -> Self {
        let table = |names: [&str; 2], state: Option<&str>| -> Vec<Socket> {
            let texts = names.map(|name| fs::read_to_string(Path::new("/proc/net").join(name)).unwrap_or_default());
            texts.iter().flat_map(|text| parse(text, state)).collect()
        };
        let (tcp, udp) = (table(["tcp", "tcp6"], Some(LISTENING)), table(["udp", "udp6"], None));
        let owners = owners();
        let held = |sockets: Vec<Socket>| {
            sockets
                .into_iter()
                .map(|Socket { port, user, inode }| (port, Holder { user, process: owners.get(&inode).cloned() }))
                .collect()
        };
        Self { tcp: held(tcp), udp: held(udp) }
    }

    pub fn tcp(&self, port: u16) -> Option<&Holder> {
        self.tcp.get(&port)
    }

    pub fn udp(&self, port: u16) -> Option<&Holder> {
        self.udp.get(&port)
    }
}

/// Whether `ancestor` started the process, or whoever started it.
pub fn descends_from(pid: u32, ancestor: u32) -> bool {
    let parent = |pid: &u32| parent(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?);
    std::iter::successors(Some(pid), parent).take(DEEPEST).any(|pid| pid == ancestor)
}

/// The fourth field; the second is a name in brackets, which may hold anything.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok().filter(|pid| *pid > 0)
}

fn parse(table: &str, state: Option<&str>) -> Vec<Socket> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let (local, its_state) = (fields.get(1)?, fields.get(3)?);
            if state.is_some_and(|state| state != *its_state) {
                return None;
            }
            let port = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
            Some(Socket { port, user: fields.get(7)?.parse().ok()?, inode: fields.get(9)?.parse().ok()? })
        })
        .collect()
}

/// Which process holds the socket of each inode.
fn owners() -> HashMap<u64, Process> {
    let mut owners = HashMap::new();
    let Ok(processes) = fs::read_dir("/proc") else { return owners };
    for entry in processes.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(files) = fs::read_dir(entry.path().join("fd")) else { continue };
        let mut name = None;
        for file in files.flatten() {
            let Ok(target) = fs::read_link(file.path()) else { continue };
            let Some(inode) = target.to_str().and_then(inode) else { continue };
            let name = name.get_or_insert_with(|| fs::read_to_string(entry.path().join("comm")).unwrap_or_default());
            owners.insert(inode, Process { pid, name: name.trim().to_owned() });
        }
    }
    owners
}

fn inode(target: &str) -> Option<u64> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn the_kernels_table_is_read_line_by_line() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0\n\
             1: 0100007F:1F41 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0\n\
             rubbish\n";
        assert_eq!(parse(table, Some(LISTENING)), [Socket { port: 8000, user: 1000, inode: 4711 }]);
        assert_eq!(parse(table, None).len(), 2);
    }

    #[test]
    fn a_parent_is_found_behind_any_name() {
        assert_eq!(parent("12 (a) b) c) S 7 12 12"), Some(7));
        assert_eq!(parent("1 (init) S 0 1 1"), None);
        assert_eq!(parent("rubbish"), None);
    }

    #[test]
    fn ports_that_this_process_holds_are_its_own() {
        let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let sockets = Sockets::read();
        for holder in [sockets.tcp(tcp.local_addr().unwrap().port()), sockets.udp(udp.local_addr().unwrap().port())] {
            let process = holder.unwrap().process.as_ref().unwrap();
            assert_eq!(process.pid, std::process::id());
            assert!(descends_from(process.pid, std::os::unix::process::parent_id()));
        }
        assert!(!descends_from(std::process::id(), u32::MAX));
    }
}
