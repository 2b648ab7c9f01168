//! Opening the sockets of a server: one port, two protocols.
use crate::cert::IdentityError;
use crate::mmsg;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;

/// Bytes a client's packets of one tick take in the kernel: an input with its kernel book-keeping.
const KERNEL_BYTES_PER_INPUT: usize = 1280;
const SEND_BUFFER_BYTES: usize = 4 << 20;
const CLIENT_BUFFER_BYTES: usize = 1 << 20;
const LISTEN_BACKLOG: i32 = 1024;
/// Tries for a port that is free for UDP and TCP at once.
const PORT_TRIES: usize = 32;

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Somebody else has the port.
    #[error("{protocol} port {} at {} is in use: stop the other server (`ss -lnp | grep {}`) or choose another port", addr.port(), addr.ip(), addr.port())]
    InUse {
        /// "UDP" or "TCP".
        protocol: &'static str,
        /// What was asked for.
        addr: SocketAddr,
    },
    /// The address is not one of this machine's.
    #[error("this machine has no address {}: choose one that `ip addr` lists", addr.ip())]
    NoSuchAddress {
        /// What was asked for.
        addr: SocketAddr,
    },
    /// Another failure of the socket.
    #[error("cannot open the {protocol} socket at {addr}: {source}")]
    Socket {
        /// "UDP" or "TCP".
        protocol: &'static str,
        /// What was asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Key or certificate.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// TLS refuses the key or certificate.
    #[error("TLS does not accept the key in the data directory: {0}")]
    Tls(#[from] rustls::Error),
}

/// The two sockets of a server, on the same port number, non-blocking.
pub(crate) struct Sockets {
    pub(crate) udp: UdpSocket,
    pub(crate) tcp: mio::net::TcpListener,
    pub(crate) addr: SocketAddr,
}

/// Opens both sockets. Port 0 picks a number that is free for both.
///
/// # Errors
/// [`BindError`] without the identity cases.
pub(crate) fn open(addr: SocketAddr, receive_buffer_bytes: usize) -> Result<Sockets, BindError> {
    let mut tries = if addr.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        let (udp, got) = open_udp(addr, receive_buffer_bytes).map_err(|error| explain("UDP", addr, error))?;
        if addr.ip().is_unspecified() {
            // Answers must leave from the address that was asked, or clients will not know them.
            mmsg::report_local_address(udp.as_fd(), addr.is_ipv6())
                .map_err(|error| explain("UDP", addr, error))?;
        }
        let bound = udp.local_addr().map_err(|error| explain("UDP", addr, error))?;
        match open_tcp(bound) {
            Ok(tcp) => {
                warn_if_small(got, receive_buffer_bytes);
                return Ok(Sockets { udp, tcp, addr: bound });
            }
            Err(error) if tries > 0 && error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(explain("TCP", bound, error)),
        }
    }
}

/// One UDP socket for a client, on any port of the right family.
///
/// # Errors
/// As the system says.
pub(crate) fn open_client_udp(ipv6: bool) -> io::Result<UdpSocket> {
    let addr: SocketAddr = if ipv6 { ([0u16; 8], 0).into() } else { ([0, 0, 0, 0], 0).into() };
    let (socket, _) = open_udp(addr, CLIENT_BUFFER_BYTES)?;
    Ok(socket)
}

/// The socket and the size of its receive buffer.
///
/// # Errors
/// As the system says.
pub(crate) fn open_udp(addr: SocketAddr, receive_buffer_bytes: usize) -> io::Result<(UdpSocket, usize)> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    if addr.is_ipv6() && addr.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    if mmsg::force_receive_buffer(socket.as_fd(), receive_buffer_bytes).is_err() {
        socket.set_recv_buffer_size(receive_buffer_bytes)?;
    }
    let _ = socket.set_send_buffer_size(SEND_BUFFER_BYTES);
    mmsg::report_kernel_drops(socket.as_fd())?;
    socket.bind(&addr.into())?;
    // The kernel doubles what it is asked for and reports the doubled number.
    let got = socket.recv_buffer_size()? / 2;
    Ok((socket.into(), got))
}

/// A tick is long and a burst of joins is larger than the default buffer; say so when we cannot have more.
fn warn_if_small(got: usize, wanted: usize) {
    if got < wanted {
        tracing::warn!(
            got,
            wanted,
            "UDP receive buffer is enough for about {} players; for more run `sysctl -w net.core.rmem_max={wanted}`",
            2 * got / KERNEL_BYTES_PER_INPUT
        );
    }
}

fn open_tcp(addr: SocketAddr) -> io::Result<mio::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() && addr.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    // A restarted zone must not wait for old connections in TIME_WAIT; this does not share the port.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(mio::net::TcpListener::from_std(socket.into()))
}

fn explain(protocol: &'static str, addr: SocketAddr, source: io::Error) -> BindError {
    match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { protocol, addr },
        io::ErrorKind::AddrNotAvailable => BindError::NoSuchAddress { addr },
        _ => BindError::Socket { protocol, addr, source },
    }
}
