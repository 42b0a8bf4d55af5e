//! Tells a service manager which process serves, by the protocol of `sd_notify(3)`.

use std::{
    env,
    ffi::OsStr,
    io,
    os::unix::{ffi::OsStrExt as _, net::UnixDatagram},
    process,
};

/// The variable that names the manager's socket.
const SOCKET: &str = "NOTIFY_SOCKET";

/// Says that this process serves, and that it is the one to follow. Nothing happens where nobody
/// asked to be told.
pub(super) fn serving() {
    let Some(socket) = env::var_os(SOCKET).filter(|socket| !socket.is_empty()) else { return };
    let told = format!("READY=1\nMAINPID={}\n", process::id());
    if let Err(error) = send(&socket, told.as_bytes()) {
        tracing::warn!(%error, "service manager not told that the edge serves");
    }
}

fn send(socket: &OsStr, told: &[u8]) -> io::Result<()> {
    let from = UnixDatagram::unbound()?;
    // The manager reads at once; one that does not must not hold the edge up.
    from.set_nonblocking(true)?;
    #[cfg(target_os = "linux")]
    if let Some(name) = socket.as_bytes().strip_prefix(b"@") {
        use std::os::{linux::net::SocketAddrExt as _, unix::net::SocketAddr};
        return from.send_to_addr(told, &SocketAddr::from_abstract_name(name)?).map(drop);
    }
    from.send_to(told, socket).map(drop)
}
