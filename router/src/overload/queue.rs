//! Where requests wait for a permit: fair between tenants, bounded, and never standing.
//!
//! Each band (a class, or a partition with a guaranteed share) spreads its waiters over many flows.
//! A tenant owns a hand of flows and joins its shortest, as in Kubernetes' API Priority and
//! Fairness: with 256 flows and hands of 6, sixteen flooding tenants squash a seventeenth with a
//! probability of 9e-4. Flows are served by start-time fair queueing (Goyal, Vin, Cheng, 1996),
//! which serves a tenant that was idle before those that have a backlog.

use std::time::Duration;

use headgate_types::Moment;

use self::band::Band;
use super::shard::Hand;

mod band;
mod codel;

/// Flows of a band, and how many of them one tenant may use.
const FLOWS: usize = 256;
const HAND: usize = 6;

/// No slot.
const NONE: u32 = u32::MAX;

/// A bounded queue of `T`.
#[derive(Debug)]
pub struct Queue<T> {
    slots: Vec<Slot<T>>,
    /// Most slots. They are made as they are needed: most queues stay short.
    capacity: u32,
    free: u32,
    len: usize,
    bands: Vec<Band>,
}

#[derive(Debug)]
struct Slot<T> {
    waiter: Option<Waiter<T>>,
    generation: u32,
    before: u32,
    after: u32,
}

#[derive(Debug)]
struct Waiter<T> {
    item: T,
    entered: Moment,
    cost: f64,
    page: Option<u64>,
    band: usize,
    flow: usize,
}

/// How one band treats its waiters.
#[derive(Clone, Copy, Debug)]
pub struct BandSettings {
    /// The shortest wait within this time tells whether the queue stands.
    pub interval: Duration,
    /// A wait that is never too long.
    pub harmless: Duration,
    /// Whether the newest are served first while it stands. Right where users wait: the oldest
    /// have given up or soon will.
    pub newest_first: bool,
}

/// Names a waiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    slot: u32,
    generation: u32,
}

/// Who waits: the band, the tenant's number, and what serving it costs relative to others.
#[derive(Clone, Copy, Debug)]
pub struct Entrant {
    /// Which band, from 0.
    pub band: usize,
    /// Any number that belongs to the tenant.
    pub tenant: u64,
    /// Waiters that share this number are served one after the other.
    pub page: Option<u64>,
    /// Cost of serving it; any unit, the same for all.
    pub cost: f64,
}

/// A waiter whose turn it is.
#[derive(Debug)]
pub struct Next<T> {
    /// What waited.
    pub item: T,
    /// How long.
    pub sojourn: Duration,
    /// Whether it waited too long in a standing queue, so that serving it would only pass the
    /// delay on to those behind.
    pub is_stale: bool,
}

/// The outcome of entering.
#[derive(Debug)]
pub enum Entered<T> {
    /// It waits.
    Waiting(Ticket),
    /// It waits, and the last of the longest flow had to make room.
    Displaced(Ticket, T),
    /// There is no room: its own flow is the longest.
    Full(T),
}

impl<T> Queue<T> {
    /// Makes a queue for at most `capacity` waiters. It takes memory as they come, and keeps it.
    pub fn new(capacity: usize, bands: &[BandSettings]) -> Self {
        Self {
            slots: Vec::new(),
            capacity: u32::try_from(capacity).unwrap_or(NONE - 1).min(NONE - 1),
            free: NONE,
            len: 0,
            bands: bands.iter().map(Band::new).collect(),
        }
    }

    /// Waiters.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Waiters in a band.
    pub fn len_of(&self, band: usize) -> usize {
        self.bands.get(band).map_or(0, |band| band.len)
    }

    /// Whether a band's queue has been standing for an interval.
    pub fn is_standing(&self, band: usize) -> bool {
        self.bands.get(band).is_some_and(|band| band.len > 0 && band.codel.is_standing())
    }

    /// Sets the wait that is harmless, from the upstream's no-load RTT.
    pub fn set_rtt(&mut self, rtt: Duration) {
        for band in &mut self.bands {
            band.codel.set_rtt(rtt);
        }
    }

    /// Sets the time after which a band's queue counts as standing.
    pub fn set_interval(&mut self, band: usize, interval: Duration) {
        if let Some(band) = self.bands.get_mut(band) {
            band.codel.set_interval(interval);
        }
    }

    /// How many would be served before a newcomer of this tenant, in its band.
    pub fn ahead(&self, band: usize, tenant: u64) -> usize {
        let Some(band) = self.bands.get(band) else { return 0 };
        let own = band.flows.get(band.shortest(tenant)).map_or(0, |flow| flow.len);
        (own * band.active.len().max(1)).min(band.len)
    }

    /// Lets one wait.
    pub fn enter(&mut self, who: Entrant, now: Moment, item: T) -> Entered<T> {
        let Some(band) = self.bands.get_mut(who.band) else { return Entered::Full(item) };
        band.open();
        self.open_slot();
        let Some(band) = self.bands.get(who.band) else { return Entered::Full(item) };
        let with_page = self.flow_with_page(who.band, who.tenant, who.page);
        let flow = with_page.unwrap_or_else(|| band.shortest(who.tenant));
        let mut displaced = None;
        if self.free == NONE {
            let Some(victim) = self.victim(who.band, flow) else { return Entered::Full(item) };
            displaced = self.remove(victim).map(|waiter| waiter.item);
        }
        match (self.append(who, flow, now, item), displaced) {
            (Ok(ticket), None) => Entered::Waiting(ticket),
            (Ok(ticket), Some(displaced)) => Entered::Displaced(ticket, displaced),
            (Err(item), _) => Entered::Full(item),
        }
    }

    /// Takes out a waiter that waits no more; none if its turn has come already.
    pub fn leave(&mut self, ticket: Ticket) -> Option<T> {
        let slot = self.slots.get(usize::try_from(ticket.slot).ok()?)?;
        if slot.generation != ticket.generation {
            return None;
        }
        self.remove(ticket.slot).map(|waiter| waiter.item)
    }

    /// The waiter of a band whose turn it is, to look at.
    pub fn peek(&self, band: usize) -> Option<&T> {
        let slot = self.first(band)?;
        self.slot(slot)?.waiter.as_ref().map(|waiter| &waiter.item)
    }

    /// Takes out the waiter of a band whose turn it is.
    pub fn next(&mut self, band: usize, now: Moment) -> Option<Next<T>> {
        let slot = self.first(band)?;
        let waiter = self.remove(slot)?;
        let sojourn = now.since(waiter.entered);
        let band = self.bands.get_mut(band)?;
        let flow = band.flows.get_mut(waiter.flow)?;
        band.virtual_time = band.virtual_time.max(flow.start);
        flow.start += waiter.cost;
        flow.finish += waiter.cost;
        band.served = waiter.page.map(|page| (waiter.flow, page));
        band.codel.served(band.len, now);
        let is_stale = band.codel.is_stale(sojourn);
        Some(Next { item: waiter.item, sojourn, is_stale })
    }

    /// Whether a call of the page waits last in one of the tenant's flows.
    pub fn has_page(&self, band: usize, tenant: u64, page: Option<u64>) -> bool {
        self.flow_with_page(band, tenant, page).is_some()
    }

    fn flow_with_page(&self, band: usize, tenant: u64, page: Option<u64>) -> Option<usize> {
        let flows = &self.bands.get(band)?.flows;
        let page = page?;
        let hand = Hand::deal(tenant, FLOWS, HAND);
        let is_last = |flow: &&usize| {
            flows.get(**flow).is_some_and(|flow| self.page_of(flow.last) == Some(page))
        };
        hand.places().iter().find(is_last).copied()
    }

    fn page_of(&self, slot: u32) -> Option<u64> {
        self.slot(slot)?.waiter.as_ref()?.page
    }

    /// The slot whose turn it is in a band: the rest of the page that was served last, or that of
    /// the flow which is next.
    fn first(&self, band: usize) -> Option<u32> {
        let band = self.bands.get(band)?;
        let rest = band.served.and_then(|(flow, page)| {
            let slot = band.end(band.flows.get(flow)?);
            (self.page_of(slot) == Some(page)).then_some(slot)
        });
        rest.or_else(|| band.next())
    }

    /// Makes a slot if none is free and there may be one more.
    fn open_slot(&mut self) {
        let index = u32::try_from(self.slots.len()).unwrap_or(NONE);
        if self.free == NONE && index < self.capacity {
            self.slots.push(Slot { waiter: None, generation: 0, before: NONE, after: NONE });
            self.free = index;
        }
    }

    fn slot(&self, index: u32) -> Option<&Slot<T>> {
        self.slots.get(usize::try_from(index).ok()?)
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<T>> {
        self.slots.get_mut(usize::try_from(index).ok()?)
    }

    /// The last waiter of the longest flow of the lowest band, unless that is the newcomer's own.
    fn victim(&self, band: usize, own_flow: usize) -> Option<u32> {
        let (lowest, lowest_band) =
            self.bands.iter().enumerate().skip(band).rev().find(|(_, band)| band.len > 0)?;
        let flows = lowest_band
            .active
            .iter()
            .filter_map(|index| lowest_band.flows.get(*index).map(|flow| (*index, flow)));
        let (index, longest) = flows.max_by_key(|(_, flow)| flow.len)?;
        let own_len = lowest_band.flows.get(own_flow).map_or(0, |flow| flow.len);
        let is_own = lowest == band && (index == own_flow || longest.len <= own_len + 1);
        (!is_own).then_some(longest.last)
    }

    fn append(&mut self, who: Entrant, flow: usize, now: Moment, item: T) -> Result<Ticket, T> {
        let index = self.free;
        let Some(band) = self.bands.get_mut(who.band) else { return Err(item) };
        let Some(lane) = band.flows.get_mut(flow) else { return Err(item) };
        let start = lane.finish.max(band.virtual_time);
        let place = usize::try_from(index).ok().and_then(|index| self.slots.get_mut(index));
        let Some(slot) = place else { return Err(item) };
        self.free = slot.after;
        slot.generation = slot.generation.wrapping_add(1);
        (slot.before, slot.after) = (lane.last, NONE);
        let Entrant { cost, page, band: place, .. } = who;
        slot.waiter = Some(Waiter { item, entered: now, cost, page, band: place, flow });
        let ticket = Ticket { slot: index, generation: slot.generation };
        let last = lane.last;
        lane.finish = start + who.cost;
        lane.last = index;
        lane.len += 1;
        if lane.len == 1 {
            lane.first = index;
            lane.start = start;
            band.active.push(flow);
        }
        band.len += 1;
        band.codel.entered(band.len, now);
        self.len += 1;
        if let Some(last) = self.slot_mut(last) {
            last.after = index;
        }
        Ok(ticket)
    }

    fn remove(&mut self, index: u32) -> Option<Waiter<T>> {
        let free = self.free;
        let slot = self.slot_mut(index)?;
        let waiter = slot.waiter.take()?;
        let (before, after) = (slot.before, slot.after);
        slot.generation = slot.generation.wrapping_add(1);
        slot.after = free;
        self.free = index;
        self.len -= 1;
        if let Some(slot) = self.slot_mut(before) {
            slot.after = after;
        }
        if let Some(slot) = self.slot_mut(after) {
            slot.before = before;
        }
        let band = self.bands.get_mut(waiter.band)?;
        band.len -= 1;
        let flow = band.flows.get_mut(waiter.flow)?;
        flow.len -= 1;
        if flow.first == index {
            flow.first = after;
        }
        if flow.last == index {
            flow.last = before;
        }
        if flow.len == 0 {
            band.active.retain(|active| *active != waiter.flow);
        }
        // Who leaves is not charged for: those behind move up by its cost.
        flow.finish -= waiter.cost;
        Some(waiter)
    }
}

#[cfg(test)]
mod tests;
