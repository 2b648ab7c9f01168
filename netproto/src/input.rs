//! The input datagram: what the client has seen, then its newest commands.

use crate::bits::{BitReader, BitWriter, GUARD_BYTES};
use crate::{Acks, COMMANDS_MAX, Command, CommandsHead, DecodeError, INPUT_BYTES_MAX};

const BITS_MAX: u32 = Acks::BITS_MAX + CommandsHead::BITS_MAX + COMMANDS_MAX as u32 * Command::BITS_MAX;
const _: () = assert!(BITS_MAX.div_ceil(8) as usize <= INPUT_BYTES_MAX);

/// One input datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputPacket {
    /// Snapshots applied.
    pub acks: Acks,
    /// Tick of the first command; each further one is for the tick before.
    pub tick: u32,
    /// Commands in use.
    pub n_commands: u8,
    /// Commands, newest first.
    pub commands: [Command; COMMANDS_MAX],
}

impl InputPacket {
    /// Commands with their ticks, oldest first.
    pub fn oldest_first(&self) -> impl Iterator<Item = (u32, &Command)> {
        let used = &self.commands[..usize::from(self.n_commands)];
        used.iter().enumerate().rev().map(|(back, command)| (self.tick.wrapping_sub(back as u32), command))
    }

    /// Writes the datagram; returns its bytes.
    #[must_use]
    pub fn encode<'a>(&self, buffer: &'a mut [u8; INPUT_BYTES_MAX + GUARD_BYTES]) -> &'a [u8] {
        let mut writer = BitWriter::new(buffer);
        self.acks.write(&mut writer);
        CommandsHead { n_commands: u32::from(self.n_commands), tick: self.tick }.write(&mut writer);
        for command in &self.commands[..usize::from(self.n_commands)] {
            command.write(&mut writer);
        }
        let n_bytes = writer.finish();
        &buffer[..n_bytes]
    }

    /// Reads a datagram from an untrusted peer.
    ///
    /// # Errors
    /// Any [`DecodeError`]; nothing of a bad datagram is used.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > INPUT_BYTES_MAX {
            return Err(DecodeError::TooLong {
                what: "input datagram",
                n: bytes.len() as u32,
                max: INPUT_BYTES_MAX as u32,
            });
        }
        let mut padded = [0; INPUT_BYTES_MAX + GUARD_BYTES];
        padded[..bytes.len()].copy_from_slice(bytes);
        let mut reader = BitReader::new(&padded, bytes.len());
        let acks = Acks::read(&mut reader)?;
        let head = CommandsHead::read(&mut reader)?;
        let mut packet = Self { acks, tick: head.tick, n_commands: head.n_commands as u8, ..Self::default() };
        for command in &mut packet.commands[..head.n_commands as usize] {
            *command = Command::read(&mut reader)?;
        }
        reader.finish()?;
        Ok(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Deed, Goal, Move};

    fn packet() -> InputPacket {
        let mut packet = InputPacket {
            acks: Acks { seen: true, newest: 65_535, before: 0x7fff },
            tick: u32::MAX,
            n_commands: 4,
            ..InputPacket::default()
        };
        packet.commands[1].movement = Move::Goal(Goal { x_mm: (1 << 22) - 1, y_mm: 0 });
        packet.commands[2].deed =
            Some(Deed { swing: true, dash: true, aim: 255, area: true, shot: true, reach_64mm: 255 });
        packet
    }

    #[test]
    fn a_packet_reads_back_and_its_commands_come_oldest_first() {
        let mut buffer = [0; INPUT_BYTES_MAX + GUARD_BYTES];
        let sent = packet();
        let read = InputPacket::decode(sent.encode(&mut buffer)).unwrap();
        assert_eq!(read, sent);
        let ticks: Vec<u32> = read.oldest_first().map(|(tick, _)| tick).collect();
        assert_eq!(ticks, [u32::MAX - 3, u32::MAX - 2, u32::MAX - 1, u32::MAX]);
    }

    #[test]
    fn every_truncation_and_every_extension_is_refused() {
        let mut buffer = [0; INPUT_BYTES_MAX + GUARD_BYTES];
        let bytes = packet().encode(&mut buffer).to_vec();
        for n in 0..bytes.len() {
            assert!(InputPacket::decode(&bytes[..n]).is_err(), "{n} of {} bytes passed", bytes.len());
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(InputPacket::decode(&longer).is_err());
        assert!(InputPacket::decode(&[0; INPUT_BYTES_MAX + 1]).is_err());
    }
}
