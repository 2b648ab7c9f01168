//! The bodies of all targets, by the room whose decoders they feed.

pub mod admin;
pub mod client;
pub mod files;
pub mod kept;
pub mod pieces;
pub mod transport;
pub mod wire;
pub mod zone;

use crate::table::Body;

/// Every target by its name in `targets.toml`.
pub const BODIES: &[(&str, Body)] = &[
    ("input", Body { run: wire::input, seeds: wire::input_seeds }),
    ("record", Body { run: wire::record, seeds: wire::record_seeds }),
    ("hello", Body { run: wire::hello, seeds: wire::hello_seeds }),
    ("snapshot", Body { run: wire::snapshot, seeds: wire::snapshot_seeds }),
    ("block", Body { run: wire::block, seeds: wire::block_seeds }),
    ("view", Body { run: client::view, seeds: client::view_seeds }),
    ("walls", Body { run: client::walls, seeds: client::walls_seeds }),
    ("session", Body { run: client::session, seeds: client::session_seeds }),
    ("tape", Body { run: files::tape, seeds: files::tape_seeds }),
    ("replay", Body { run: files::replay, seeds: files::replay_seeds }),
    ("hist", Body { run: files::hist, seeds: files::hist_seeds }),
    ("log", Body { run: kept::log, seeds: kept::log_seeds }),
    ("checkpoint", Body { run: kept::checkpoint, seeds: kept::checkpoint_seeds }),
    ("ws-frame", Body { run: transport::ws_frame, seeds: transport::ws_frame_seeds }),
    ("ws-upgrade", Body { run: transport::ws_upgrade, seeds: transport::ws_upgrade_seeds }),
    ("ws-client", Body { run: transport::ws_client, seeds: transport::ws_client_seeds }),
    ("quic-records", Body { run: transport::quic_records, seeds: transport::quic_records_seeds }),
    ("quic-packet", Body { run: transport::quic_packet, seeds: transport::quic_packet_seeds }),
    ("admin", Body { run: admin::admin, seeds: admin::admin_seeds }),
];
