//! Batches of datagrams: `recvmmsg`, `sendmmsg`, and the socket options the standard library lacks.
//!
//! The only unsafe code of this crate. Headers are built on the stack for each call, so no structure ever
//! holds a pointer into itself.
#![allow(unsafe_code)]
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// Datagrams per system call. Eight are nearly as good as 64; more bring nothing.
pub(crate) const BATCH: usize = 64;
/// Longer datagrams are truncated: QUIC never sends us more than 1,472.
pub(crate) const RECEIVE_BYTES: usize = 2048;
/// Room for SO_RXQ_OVFL and one address message, with their headers.
const CONTROL_BYTES: usize = 96;

/// Buffers for one `recvmmsg` and what the last call put there.
pub(crate) struct ReceiveBatch {
    bytes: Box<[u8]>,
    arrived: Vec<Arrived>,
}

struct Arrived {
    len: usize,
    from: Option<SocketAddr>,
    truncated: bool,
    control: ControlNews,
}

/// What the kernel says beside the bytes.
#[derive(Default)]
struct ControlNews {
    local_ip: Option<IpAddr>,
    kernel_drops: Option<u32>,
}

/// One datagram of a batch.
pub(crate) struct Datagram<'a> {
    pub(crate) bytes: &'a [u8],
    /// `None` when the kernel gave no usable address.
    pub(crate) from: Option<SocketAddr>,
    /// The address it was sent to, on sockets that listen on several.
    pub(crate) local_ip: Option<IpAddr>,
    pub(crate) truncated: bool,
    /// Running total of packets the kernel dropped at this socket, when it has changed.
    pub(crate) kernel_drops: Option<u32>,
}

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_BYTES]);

impl ReceiveBatch {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; BATCH * RECEIVE_BYTES].into(), arrived: Vec::with_capacity(BATCH) }
    }

    /// Takes up to [`BATCH`] datagrams without waiting and returns how many.
    ///
    /// # Errors
    /// `WouldBlock` when the socket is empty; other kinds as the kernel says.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.arrived.clear();
        // Names and controls are the kernel's to fill; clearing 14 KiB per call would cost more than the call's entry.
        let mut names = [const { MaybeUninit::<libc::sockaddr_storage>::uninit() }; BATCH];
        let mut controls = [const { MaybeUninit::<Control>::uninit() }; BATCH];
        let nothing = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        let mut iovecs = [nothing; BATCH];
        // SAFETY: a plain C structure for which all-zero bytes are a valid value.
        let mut headers = unsafe { std::mem::zeroed::<[libc::mmsghdr; BATCH]>() };
        for (i, chunk) in self.bytes.chunks_exact_mut(RECEIVE_BYTES).enumerate() {
            iovecs[i] = libc::iovec { iov_base: chunk.as_mut_ptr().cast(), iov_len: RECEIVE_BYTES };
            let header = &mut headers[i].msg_hdr;
            header.msg_iov = &raw mut iovecs[i];
            header.msg_iovlen = 1;
            header.msg_name = names[i].as_mut_ptr().cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_control = controls[i].as_mut_ptr().cast();
            header.msg_controllen = CONTROL_BYTES as _;
        }
        // SAFETY: `headers` holds BATCH entries whose pointers lead to live, distinct buffers of the stated
        // lengths, all of which outlive the call.
        let n = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        if n < 0 {
            return Err(io::Error::last_os_error());
        }
        for header in headers.iter().take(n as usize) {
            self.arrived.push(Arrived {
                len: (header.msg_len as usize).min(RECEIVE_BYTES),
                from: read_name(&header.msg_hdr),
                truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
                control: read_control(&header.msg_hdr),
            });
        }
        Ok(n as usize)
    }

    /// The datagrams of the last [`ReceiveBatch::receive`].
    pub(crate) fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        self.bytes.chunks_exact(RECEIVE_BYTES).zip(&self.arrived).map(|(chunk, arrived)| Datagram {
            bytes: &chunk[..arrived.len],
            from: arrived.from,
            local_ip: arrived.control.local_ip,
            truncated: arrived.truncated,
            kernel_drops: arrived.control.kernel_drops,
        })
    }
}

/// Who sent it, as far as the kernel has said: it sets msg_namelen to what it wrote.
fn read_name(header: &libc::msghdr) -> Option<SocketAddr> {
    let has = |bytes: usize| header.msg_namelen as usize >= bytes;
    if !has(size_of::<libc::sa_family_t>()) {
        return None;
    }
    // SAFETY: the buffer is as long and as strictly aligned as any address, and the kernel has written its family.
    let family = unsafe { header.msg_name.cast::<libc::sa_family_t>().read() };
    match i32::from(family) {
        libc::AF_INET if has(size_of::<libc::sockaddr_in>()) => {
            // SAFETY: as above; the kernel has written a whole sockaddr_in.
            let v4 = unsafe { header.msg_name.cast::<libc::sockaddr_in>().read() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(v4.sin_port))))
        }
        libc::AF_INET6 if has(size_of::<libc::sockaddr_in6>()) => {
            // SAFETY: as above, for sockaddr_in6.
            let v6 = unsafe { header.msg_name.cast::<libc::sockaddr_in6>().read() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            // The flow label is the sender's business; keeping it would make one peer look like many.
            Some(SocketAddr::V6(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), 0, v6.sin6_scope_id)))
        }
        _ => None,
    }
}

fn read_control(header: &libc::msghdr) -> ControlNews {
    let mut news = ControlNews::default();
    // SAFETY: the kernel filled msg_control and set msg_controllen to what it wrote; the CMSG functions stay
    // inside that range, and the buffer is aligned for cmsghdr (see `Control`).
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(head) = message.as_ref() {
            let data = libc::CMSG_DATA(message);
            match (head.cmsg_level, head.cmsg_type) {
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                    news.kernel_drops = Some(data.cast::<u32>().read_unaligned());
                }
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                    news.local_ip = Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    news.local_ip = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                }
                _ => {}
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    news
}

/// Packets to be sent with one `sendmmsg`. The byte buffers are reused for ever.
pub(crate) struct SendBatch {
    packets: Vec<Packet>,
    used: usize,
}

/// One packet of a batch.
pub(crate) struct Packet {
    pub(crate) to: SocketAddr,
    /// Which of our addresses it leaves from; `None` lets the kernel choose.
    pub(crate) from: Option<IpAddr>,
    pub(crate) bytes: Vec<u8>,
    /// Holds record bytes: worth sending later when the socket would block now.
    pub(crate) keep: bool,
}

impl Packet {
    /// The packet, out of its batch.
    pub(crate) fn take(&mut self) -> Self {
        Self { to: self.to, from: self.from, bytes: std::mem::take(&mut self.bytes), keep: self.keep }
    }
}

/// What became of one batch.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) datagrams: u64,
    pub(crate) bytes: u64,
    pub(crate) failed: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
union Name {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl SendBatch {
    pub(crate) fn new() -> Self {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let packets =
            (0..BATCH).map(|_| Packet { to: nowhere, from: None, bytes: Vec::new(), keep: false }).collect();
        Self { packets, used: 0 }
    }

    /// A batch, when there is something to put in it.
    pub(crate) fn new_if(needed: bool) -> Option<Self> {
        needed.then(Self::new)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.used == 0
    }

    pub(crate) fn is_full(&self) -> bool {
        self.used == BATCH
    }

    /// The next buffer, empty. Fill it, then call [`SendBatch::commit`].
    ///
    /// # Panics
    /// If the batch is full.
    pub(crate) fn slot(&mut self) -> &mut Vec<u8> {
        let bytes = &mut self.packets[self.used].bytes;
        bytes.clear();
        bytes
    }

    /// Makes the buffer of [`SendBatch::slot`] part of the batch.
    pub(crate) fn commit(&mut self, to: SocketAddr, from: Option<IpAddr>, keep: bool) {
        let packet = &mut self.packets[self.used];
        packet.to = to;
        packet.from = from;
        packet.keep = keep;
        self.used += 1;
    }

    /// Sends everything without waiting and empties the batch. Packets for which the socket would block go to
    /// `blocked`; a packet the kernel refuses (no route, too long) is skipped and counted.
    pub(crate) fn send(&mut self, socket: BorrowedFd<'_>, mut blocked: impl FnMut(&mut Packet)) -> Sent {
        let mut sent = Sent::default();
        let n_packets = std::mem::take(&mut self.used);
        let mut next = 0;
        while next < n_packets {
            let rest = &self.packets[next..n_packets];
            match send_some(socket, rest) {
                Ok(n) => {
                    sent.datagrams += n as u64;
                    sent.bytes += rest[..n].iter().map(|p| p.bytes.len() as u64).sum::<u64>();
                    next += n;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_full_error(&error) => {
                    self.packets[next..n_packets].iter_mut().for_each(&mut blocked);
                    break;
                }
                Err(_) => {
                    sent.failed += 1;
                    next += 1;
                }
            }
        }
        sent
    }
}

/// ENOBUFS is how some drivers say "would block".
fn is_full_error(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ENOBUFS)
}

fn send_some(socket: BorrowedFd<'_>, packets: &[Packet]) -> io::Result<usize> {
    // SAFETY: plain C structures for which all-zero bytes are a valid value.
    let (mut names, mut iovecs, mut headers) = unsafe {
        (
            std::mem::zeroed::<[Name; BATCH]>(),
            std::mem::zeroed::<[libc::iovec; BATCH]>(),
            std::mem::zeroed::<[libc::mmsghdr; BATCH]>(),
        )
    };
    let mut controls = [const { MaybeUninit::<Control>::uninit() }; BATCH];
    for (i, packet) in packets.iter().enumerate() {
        iovecs[i] =
            libc::iovec { iov_base: packet.bytes.as_ptr().cast_mut().cast(), iov_len: packet.bytes.len() };
        let header = &mut headers[i].msg_hdr;
        header.msg_namelen = write_name(&mut names[i], packet.to);
        header.msg_name = (&raw mut names[i]).cast();
        header.msg_iov = &raw mut iovecs[i];
        header.msg_iovlen = 1;
        if let Some(from) = packet.from {
            header.msg_control = controls[i].write(Control([0; CONTROL_BYTES])).0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_BYTES as _;
            write_source(header, from);
        }
    }
    // SAFETY: `packets.len() <= BATCH` entries of `headers` are filled with pointers to live buffers of the stated
    // lengths; the kernel only reads through iov_base.
    let n = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            packets.len() as libc::c_uint,
            libc::MSG_DONTWAIT,
        )
    };
    if n < 0 { Err(io::Error::last_os_error()) } else { Ok(n as usize) }
}

fn write_name(name: &mut Name, to: SocketAddr) -> libc::socklen_t {
    match to {
        SocketAddr::V4(v4) => {
            name.v4 = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*v4.ip()).to_be() },
                sin_zero: [0; 8],
            };
            size_of::<libc::sockaddr_in>() as libc::socklen_t
        }
        SocketAddr::V6(v6) => {
            name.v6 = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            };
            size_of::<libc::sockaddr_in6>() as libc::socklen_t
        }
    }
}

/// Fills the control buffer of `header`, which is [`CONTROL_BYTES`] long and zero, with the source address.
fn write_source(header: &mut libc::msghdr, from: IpAddr) {
    // SAFETY: CMSG_FIRSTHDR is not null, for the buffer is longer than a header; it is aligned for one (see
    // `Control`), and holds the longer of the two messages.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(header);
        let data = libc::CMSG_DATA(message);
        let len = match from {
            IpAddr::V4(v4) => {
                (*message).cmsg_level = libc::IPPROTO_IP;
                (*message).cmsg_type = libc::IP_PKTINFO;
                let mut info: libc::in_pktinfo = std::mem::zeroed();
                info.ipi_spec_dst.s_addr = u32::from(v4).to_be();
                data.cast::<libc::in_pktinfo>().write_unaligned(info);
                size_of::<libc::in_pktinfo>()
            }
            IpAddr::V6(v6) => {
                (*message).cmsg_level = libc::IPPROTO_IPV6;
                (*message).cmsg_type = libc::IPV6_PKTINFO;
                let mut info: libc::in6_pktinfo = std::mem::zeroed();
                info.ipi6_addr.s6_addr = v6.octets();
                data.cast::<libc::in6_pktinfo>().write_unaligned(info);
                size_of::<libc::in6_pktinfo>()
            }
        };
        (*message).cmsg_len = libc::CMSG_LEN(len as libc::c_uint) as _;
        header.msg_controllen = libc::CMSG_SPACE(len as libc::c_uint) as _;
    }
}

/// Asks for a receive buffer beyond `net.core.rmem_max`; needs CAP_NET_ADMIN.
pub(crate) fn force_receive_buffer(socket: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, i32::try_from(bytes).unwrap_or(i32::MAX))
}

/// Makes the kernel report how many packets it dropped at this socket.
pub(crate) fn report_kernel_drops(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)
}

/// Makes the kernel say to which of this machine's addresses each datagram was sent.
pub(crate) fn report_local_address(socket: BorrowedFd<'_>, ipv6: bool) -> io::Result<()> {
    if ipv6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
    }
}

/// What the kernel knows of a TCP connection: smoothed round trip, segments sent, segments sent again.
///
/// - Cost: one system call.
pub(crate) fn tcp_path(socket: BorrowedFd<'_>) -> Option<(Duration, u64, u64)> {
    let mut len = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: a struct of integers; all zeros is a value, and what an older kernel leaves.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    // SAFETY: pointer and length describe `info`, which outlives the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut len,
        )
    };
    let rtt = Duration::from_micros(info.tcpi_rtt.into());
    (result == 0).then_some((rtt, info.tcpi_segs_out.into(), info.tcpi_total_retrans.into()))
}

fn set_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the pointer and length describe `value`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;
    use std::time::Instant;

    fn socket(addr: &str) -> UdpSocket {
        let socket = UdpSocket::bind(addr).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    }

    /// Receives until `n` datagrams came: (bytes, from, local address).
    fn take(socket: &UdpSocket, n: usize) -> Vec<(Vec<u8>, SocketAddr, Option<IpAddr>)> {
        let mut batch = ReceiveBatch::new();
        let mut got = Vec::new();
        let end = Instant::now() + Duration::from_secs(5);
        while got.len() < n && Instant::now() < end {
            if batch.receive(socket.as_fd()).is_ok() {
                got.extend(batch.iter().map(|d| (d.bytes.to_vec(), d.from.unwrap(), d.local_ip)));
            }
        }
        got
    }

    #[test]
    fn a_full_batch_arrives_in_order_with_its_source_on_both_families() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let (source, target) = (socket(host), socket(host));
            let mut batch = SendBatch::new();
            for i in 0..BATCH as u8 {
                batch.slot().extend_from_slice(&[i; 40]);
                batch.commit(target.local_addr().unwrap(), None, false);
            }
            assert!(batch.is_full());
            let sent = batch.send(source.as_fd(), |_| panic!("loopback takes 64 packets"));
            assert_eq!((sent.datagrams, sent.bytes, sent.failed), (64, 64 * 40, 0));
            let got = take(&target, BATCH);
            assert_eq!(got.len(), BATCH);
            for (i, (bytes, from, _)) in got.iter().enumerate() {
                assert_eq!((bytes[..].to_vec(), *from), (vec![i as u8; 40], source.local_addr().unwrap()));
            }
        }
    }

    #[test]
    fn a_wildcard_socket_learns_where_a_datagram_was_sent_and_answers_from_there() {
        let server = socket("0.0.0.0:0");
        report_local_address(server.as_fd(), false).unwrap();
        let client = socket("127.0.0.1:0");
        let home: SocketAddr = ([127, 0, 0, 9], server.local_addr().unwrap().port()).into();
        client.send_to(b"hello", home).unwrap();
        let got = take(&server, 1);
        assert_eq!(got[0].2, Some(home.ip()));
        let mut batch = SendBatch::new();
        batch.slot().extend_from_slice(b"back");
        batch.commit(got[0].1, got[0].2, false);
        batch.send(server.as_fd(), |_| ());
        assert_eq!(take(&client, 1)[0], (b"back".to_vec(), home, None));
    }

    #[test]
    fn a_packet_the_kernel_refuses_is_skipped_and_the_rest_goes_out() {
        let (source, target) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
        let mut batch = SendBatch::new();
        let there = target.local_addr().unwrap();
        for (to, bytes) in [(there, b"one"), ("[::1]:9".parse().unwrap(), b"bad"), (there, b"two")] {
            batch.slot().extend_from_slice(bytes);
            batch.commit(to, None, false);
        }
        let sent = batch.send(source.as_fd(), |_| ());
        assert_eq!((sent.datagrams, sent.failed), (2, 1));
        let got = take(&target, 2);
        assert_eq!((&got[0].0[..], &got[1].0[..]), (&b"one"[..], &b"two"[..]));
    }
}
