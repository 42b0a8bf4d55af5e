//! The heartbeat.

use std::{pin::pin, time::Duration};

use super::Records;
use crate::{
    error::{Lost, TicketError},
    ticket::Ticket,
};

/// Beats in a lease, so that two may be lost.
const BEATS: u32 = 3;
/// Tries of a beat in the time of one, when the store does not answer.
const TRIES: u32 = 4;

impl Records {
    /// Does work while the ticket is renewed every third of its lease.
    ///
    /// # Errors
    ///
    /// [`Lost`] when the key is somebody else's or could not be renewed in time. The work was
    /// dropped where it stood, and nothing that it had not committed counts.
    ///
    /// # Cancel safety
    ///
    /// Dropping this drops the work.
    pub async fn while_held<T>(
        &self,
        ticket: &Ticket,
        work: impl Future<Output = T>,
    ) -> Result<T, Lost> {
        let (mut work, mut lost) = (pin!(work), pin!(self.beat(ticket)));
        // The beat is asked first: a process that was stopped past its lease must not go on.
        tokio::select! {
            biased;
            lost = &mut lost => Err(lost),
            done = &mut work => Ok(done),
        }
    }

    /// Renews until the key is lost.
    async fn beat(&self, ticket: &Ticket) -> Lost {
        let every = ticket.lease() / BEATS;
        let mut wait = every;
        loop {
            tokio::time::sleep(wait.min(self.left(ticket))).await;
            let left = self.left(ticket);
            if left.is_zero() {
                return Lost::LeaseOver;
            }
            match tokio::time::timeout(left, self.renew(ticket)).await {
                Ok(Ok(())) => wait = every,
                Ok(Err(TicketError::Fenced)) => return Lost::Fenced,
                Ok(Err(TicketError::Store(error))) => {
                    tracing::warn!(%error, key = ?ticket.key(), "lease not renewed");
                    wait = every / TRIES;
                }
                Err(_) => return Lost::LeaseOver,
            }
        }
    }

    /// Time until the ticket's holder must stop.
    fn left(&self, ticket: &Ticket) -> Duration {
        ticket.stop_at().since(self.inner.clock.now())
    }
}

#[cfg(test)]
mod tests;
