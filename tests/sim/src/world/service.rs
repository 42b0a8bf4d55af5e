//! The upstream's side: slots, queues and answers.

use std::time::Duration;

use headgate_router::overload::limit::End;

use crate::{
    secs,
    upstream::{Answer, Behavior},
};

use super::{Event, World};

impl World {
    pub(super) fn reach_endpoint(&mut self, place: usize, endpoint: usize) {
        let soon = self.now + Duration::from_millis(1);
        match self.setup.endpoints[endpoint].behavior {
            Behavior::FailFast => self.events.add(soon, Event::Served(place, Answer::Failed)),
            Behavior::Refuse(share) if self.random.f64() < share => {
                self.events.add(soon, Event::Served(place, Answer::Refused));
            }
            Behavior::Hang => {}
            _ => {
                self.setup.endpoints[endpoint].waiting.push_back(place);
                self.start_waiting(endpoint);
            }
        }
    }

    pub(super) fn start_waiting(&mut self, index: usize) {
        loop {
            let endpoint = &mut self.setup.endpoints[index];
            if endpoint.is_full() {
                return;
            }
            let Some(place) = endpoint.waiting.pop_front() else { return };
            endpoint.busy += 1;
            let service = self.visits[place].as_ref().map_or(0, |visit| visit.service);
            let endpoint = &self.setup.endpoints[index];
            let seconds = endpoint.draw(service, &mut self.random);
            let failed =
                matches!(endpoint.behavior, Behavior::Fail(share) if self.random.f64() < share);
            if let Some(visit) = &mut self.visits[place] {
                visit.seconds = seconds;
            }
            let answer = if failed { Answer::Failed } else { Answer::Ok };
            let done = self.now + Duration::from_secs_f64(seconds);
            self.events.add(done, Event::Served(place, answer));
        }
    }

    pub(super) fn served(&mut self, place: usize, answer: Answer) {
        let Some(visit) = self.visits[place].take() else { return };
        self.free_visits.push(place);
        self.run.history = self.run.history.wrapping_mul(31).wrapping_add(self.now.as_nanos());
        if visit.seconds > 0.0 {
            self.run.work.0 += visit.seconds;
            self.setup.endpoints[visit.endpoint].busy -= 1;
            self.start_waiting(visit.endpoint);
        }
        let Some((index, number)) = visit.request.filter(|(i, n)| self.is_current(*i, *n)) else {
            self.run.work.1 += visit.seconds;
            return;
        };
        let _ = number;
        if self.setup.keep_rtts && answer == Answer::Ok {
            let rtt = secs(self.now) - secs(visit.sent);
            self.run.rtts.push((secs(self.now) as f32, rtt as f32));
        }
        // A 500 in a millisecond says nothing of load.
        let end = match answer {
            Answer::Ok => End::Success,
            Answer::Failed => End::Ignore,
            Answer::Refused => End::Dropped,
        };
        self.tell_endpoint(index, answer);
        self.finish_permit(index, end);
        if answer == Answer::Ok {
            self.succeed(index);
        } else if !self.try_again(index, answer) {
            self.fail(index);
        }
    }
}
