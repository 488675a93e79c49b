use std::{
    collections::HashSet,
    fmt, io,
    net::{Ipv4Addr, TcpListener, UdpSocket},
    sync::{Mutex, PoisonError},
};

use crate::Error;

/// A port on loopback that a part will listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Port {
    Tcp(u16),
    Udp(u16),
}

impl Port {
    /// Fails when another program listens there. `instead` says how to use that program or another port.
    pub fn check(self, wanted_by: &str, instead: &str) -> Result<(), Error> {
        let bound = match self {
            Self::Tcp(port) => TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(drop),
            Self::Udp(port) => UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).map(drop),
        };
        match bound {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(Error::PortTaken {
                port: self.to_string(),
                wanted_by: wanted_by.to_owned(),
                instead: instead.to_owned(),
            }),
            // Anything else (no right to bind, no such interface) is told better by the part itself.
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(port) => write!(f, "port {port}"),
            Self::Udp(port) => write!(f, "UDP port {port}"),
        }
    }
}

/// A TCP port on loopback that is free now and was not handed out before by this process.
pub fn free_port() -> io::Result<u16> {
    unused(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr().map(|address| address.port()))
}

/// The same for UDP.
pub fn free_udp_port() -> io::Result<u16> {
    unused(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr().map(|address| address.port()))
}

/// The kernel may offer a port again before the part it was meant for has bound it.
fn unused(offer: impl Fn() -> io::Result<u16>) -> io::Result<u16> {
    static HANDED_OUT: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut handed_out = HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner);
    let handed_out = handed_out.get_or_insert_default();
    for _ in 0..100 {
        let port = offer()?;
        if handed_out.insert(port) {
            return Ok(port);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "no free port"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_who_needs_it_and_what_to_do() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = Port::Tcp(port).check("redis", "set REDIS_URL").unwrap_err().to_string();
        assert_eq!(
            error,
            format!("port {port} is taken by another program, and redis needs it: stop that program, or set REDIS_URL")
        );
        drop(listener);
        Port::Tcp(port).check("redis", "set REDIS_URL").unwrap();
    }

    #[test]
    fn free_ports_are_never_handed_out_twice() {
        let ports: HashSet<u16> = (0..50).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 50);
    }
}
