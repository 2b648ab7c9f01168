//! What a session asks for, and what it learns of what its player owns.

use super::{Session, Stage};
use crate::tape::Note;
use crate::wallet::Wallet;
use netproto::Record;

impl Session {
    /// Asks for something to change hands, by a record of an order; it is given its number here, and asked for until it is
    /// answered, over every connection that this takes.
    ///
    /// - Shapes: nothing comes of it while the zone has not said what the player owns, while too many orders have no
    ///   answer, and of a record that is no order.
    pub fn ask(&mut self, order: Record) -> Option<u32> {
        if self.stage != Stage::Playing || !self.visit.knows_purse {
            return None;
        }
        let (request, bytes) = self.wallet.ask(order)?;
        self.note_now(Note::Order(&bytes));
        self.records.push_back(bytes);
        Some(request)
    }

    /// What the player owns, as far as the zone has said.
    #[must_use]
    pub fn wallet(&self) -> &Wallet {
        &self.wallet
    }

    /// What is owned is known now; the first time on a connection, what was not answered on the one before is asked again.
    pub(super) fn handle_purse(&mut self, purse: &netproto::records::Purse) {
        self.wallet.handle_purse(purse);
        if !std::mem::replace(&mut self.visit.knows_purse, true) {
            self.records.extend(self.wallet.unanswered());
        }
    }
}
