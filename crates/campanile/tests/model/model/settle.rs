//! Running until nobody is woken any more, and noting what came of it.

use campanile::{BoxError, Rejection, rejection::RejectionKind};
use tokio::{task::yield_now, time::Instant};

use super::{MOST_POLLS, Member, Model};
use crate::calls::{Caller, Polled};

impl Model {
    /// Lets everybody run who was woken, until nobody is.
    pub(crate) async fn settle(&mut self) {
        loop {
            for _ in 0..6 {
                yield_now().await;
            }
            self.end_drains();
            let Some(index) = self.calls.iter().position(Caller::is_woken) else {
                break;
            };
            let polled = self.calls[index].poll();
            self.note_begun();
            let call = &self.calls[index];
            assert!(
                call.polls <= MOST_POLLS,
                "call {} was polled {} times in one step",
                call.id,
                call.polls
            );
            match polled {
                Polled::Waits => {}
                Polled::Failed(error) => self.failed(index, &error),
                Polled::Ended => {
                    let call = self.calls.swap_remove(index);
                    let cut = call.cut;
                    let member = self.leave(&call).expect("a stream comes from somewhere");
                    *(if cut {
                        &mut member.outcomes.failure
                    } else {
                        &mut member.outcomes.success
                    }) += 1;
                }
            }
        }
    }

    /// Calls that have reached a service: one that could take them.
    fn note_begun(&mut self) {
        let begun = std::mem::take(&mut self.world.lock().unwrap().begun);
        for (id, sim) in begun {
            let member = self.members.get_mut(&sim).unwrap();
            assert!(
                member.is_open(),
                "call {id} went to {}, which is closed",
                member.endpoint
            );
            assert_eq!(
                self.present.get(member.endpoint.key()),
                Some(&sim),
                "call {id} went to {}, which has left",
                member.endpoint
            );
            let call = self
                .calls
                .iter_mut()
                .find(|call| call.id == id)
                .expect("a call that exists");
            assert_eq!(call.at, None, "call {id} was made twice");
            call.at = Some(sim);
            member.in_flight += 1;
            member.cost += call.cost;
            self.tally.begun += 1;
        }
    }

    pub(super) fn leave(&mut self, call: &Caller) -> Option<&mut Member> {
        let sim = call.at?;
        self.world.lock().unwrap().answers.remove(&call.id);
        let member = self.members.get_mut(&sim)?;
        member.in_flight -= 1;
        member.cost -= call.cost;
        Some(member)
    }

    fn failed(&mut self, index: usize, error: &BoxError) {
        let call = self.calls.swap_remove(index);
        let Some(rejection) = Rejection::find(&**error) else {
            let member = self
                .leave(&call)
                .expect("an endpoint's error comes from one");
            member.outcomes.failure += 1;
            return;
        };
        self.tally.refused += 1;
        assert_eq!(call.at, None, "a refused call reached nobody");
        let open = self.open();
        match rejection.kind() {
            RejectionKind::Empty => assert!(self.present.is_empty(), "refused as empty"),
            RejectionKind::Unavailable => {
                assert!(
                    !self.present.is_empty() && open.is_empty(),
                    "refused as closed: {open:?}"
                );
            }
            RejectionKind::NotReady => {
                assert!(
                    !open.is_empty(),
                    "refused as not ready, although all are closed"
                );
                assert_eq!(self.able(), None, "refused although it could be served");
            }
            RejectionKind::DeadlineExceeded => {
                assert!(
                    call.deadline
                        .is_some_and(|deadline| deadline <= Instant::now())
                );
            }
            other => panic!("refused as {other:?}"),
        }
    }

    fn end_drains(&mut self) {
        let members = &mut self.members;
        self.present.retain(|_, sim| {
            let member = members.get_mut(sim).unwrap();
            let over = member
                .draining
                .is_some_and(|until| member.in_flight == 0 || until <= Instant::now());
            !over
        });
        self.drains.retain(|drain| !drain.is_finished());
    }
}
