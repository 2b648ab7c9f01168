//! The peer table: places, generations, and which place belongs to which QUIC connection.
use crate::event::PeerId;
use crate::peer::{Head, Slot, Stage, Wire};
use quinn_proto::ConnectionHandle;
use std::net::SocketAddr;
use std::time::Instant;

const NOBODY: u32 = u32::MAX;

/// See the module.
pub(crate) struct Table {
    pub(crate) slots: Vec<Slot>,
    free: Vec<u32>,
    /// Slot of each connection handle.
    handles: Vec<u32>,
    n_peers: usize,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), handles: Vec::new(), n_peers: 0 }
    }

    /// Places taken, in whatever stage.
    pub(crate) fn n_peers(&self) -> usize {
        self.n_peers
    }

    /// Seats somebody in the stage `Handshaking`.
    pub(crate) fn seat(&mut self, addr: SocketAddr, wire: Wire, now: Instant, until: Instant) -> PeerId {
        let index = self.free.pop().unwrap_or_else(|| {
            let index = u32::try_from(self.slots.len()).expect("peers_max is far below u32::MAX");
            let head = Head::new(PeerId::new(index, 0), addr, now);
            self.slots.push(Slot { head, wire: Wire::None });
            index
        });
        let slot = &mut self.slots[index as usize];
        slot.head = Head::new(slot.head.id, addr, now);
        slot.head.stage = Stage::Handshaking;
        slot.head.stage_until = Some(until);
        if let Wire::Quic(peer) = &wire {
            let handle = peer.handle().0;
            if self.handles.len() <= handle {
                self.handles.resize(handle + 1, NOBODY);
            }
            self.handles[handle] = index;
        }
        slot.wire = wire;
        self.n_peers += 1;
        slot.head.id
    }

    /// Frees a place and returns whose address it was; `None` when it is free already.
    pub(crate) fn vacate(&mut self, index: u32) -> Option<SocketAddr> {
        let slot = &mut self.slots[index as usize];
        if slot.head.stage == Stage::Free {
            return None;
        }
        slot.wire = Wire::None;
        let id = slot.head.id;
        slot.head.stage = Stage::Free;
        // Never the same generation twice in one place, so late calls miss.
        slot.head.id = PeerId::new(index, id.generation().wrapping_add(1));
        self.free.push(index);
        self.n_peers -= 1;
        Some(slot.head.addr)
    }

    /// The connection is drained: its handle will mean somebody else.
    pub(crate) fn forget_handle(&mut self, handle: ConnectionHandle) {
        if let Some(entry) = self.handles.get_mut(handle.0) {
            *entry = NOBODY;
        }
    }

    pub(crate) fn by_handle(&mut self, handle: ConnectionHandle) -> Option<&mut Slot> {
        let index = *self.handles.get(handle.0)?;
        self.slots.get_mut(index as usize)
    }

    /// The slot of a living peer that the owner may still talk about.
    pub(crate) fn known(&mut self, peer: PeerId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(peer.index() as usize)?;
        (slot.head.id == peer && slot.head.known).then_some(slot)
    }

    pub(crate) fn get(&self, peer: PeerId) -> Option<&Slot> {
        let slot = self.slots.get(peer.index() as usize)?;
        (slot.head.id == peer && slot.head.known).then_some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_reused_under_another_generation() {
        let mut table = Table::new();
        let now = Instant::now();
        let addr = SocketAddr::from(([127, 0, 0, 1], 9));
        let first = table.seat(addr, Wire::None, now, now);
        table.slots[0].head.known = true;
        assert!(table.known(first).is_some());
        assert_eq!(table.vacate(first.index()), Some(addr));
        assert_eq!(table.vacate(first.index()), None);
        let second = table.seat(addr, Wire::None, now, now);
        table.slots[0].head.known = true;
        assert_eq!((second.index(), second.generation()), (first.index(), 1));
        assert!(table.known(first).is_none());
        assert_eq!(table.n_peers(), 1);
    }
}
