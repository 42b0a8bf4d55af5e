//! The name servers of this machine.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};

use crate::files::{Disk, Files};

/// Where systems name them.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// How many of them count: the C library's `MAXNS`.
const SERVERS_MAX: usize = 3;
/// Where name servers listen.
const PORT: u16 = 53;

/// The name servers that this machine asks, by its `/etc/resolv.conf`. One on this machine where
/// that names none, as the C library has it.
pub fn name_servers() -> Vec<SocketAddr> {
    let text = Disk.read(Path::new(RESOLV_CONF)).unwrap_or_default();
    named(&String::from_utf8_lossy(&text))
}

fn named(text: &str) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and(words.next())?;
        address.parse::<IpAddr>().ok()
    };
    let mut servers: Vec<_> = text
        .lines()
        .filter_map(server)
        .take(SERVERS_MAX)
        .map(|address| SocketAddr::new(address, PORT))
        .collect();
    if servers.is_empty() {
        servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
    }
    servers
}

#[cfg(test)]
mod tests;
