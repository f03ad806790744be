//! What must hold after each step.

use campanile::time::Timestamp;

use super::{Model, REASONS};
use crate::world::Mode;

impl Model {
    pub(super) fn open(&self) -> Vec<u64> {
        self.present
            .values()
            .copied()
            .filter(|sim| self.members[sim].is_open())
            .collect()
    }

    /// A member that can take a call now.
    pub(super) fn able(&self) -> Option<u64> {
        let world = self.world.lock().unwrap();
        self.open().into_iter().find(|sim| {
            world
                .sims
                .get(sim)
                .is_some_and(|sim| sim.mode == Mode::Ready)
        })
    }

    pub(crate) fn check(&mut self) {
        let (open, able) = (self.open(), self.able());
        for call in self.calls.iter().filter(|call| call.at.is_none()) {
            self.tally.waited += 1;
            if call.is_readying() {
                assert!(
                    open.is_empty(),
                    "call {} waits for a gate, and {open:?} are open",
                    call.id
                );
            } else if call.is_calling() {
                assert_eq!(
                    able, None,
                    "call {} waits, and this member could take it",
                    call.id
                );
            }
        }

        let now = Timestamp::now();
        let world = self.world.lock().unwrap();
        for (sim, member) in &self.members {
            let endpoint = &member.endpoint;
            assert_eq!(
                endpoint.in_flight(),
                member.in_flight,
                "in flight at {endpoint}"
            );
            assert_eq!(
                endpoint.measurements().outstanding().tokens,
                member.cost,
                "outstanding at {endpoint}"
            );
            assert_eq!(
                endpoint.outcomes(),
                member.outcomes,
                "outcomes of {endpoint}"
            );
            for reason in REASONS {
                assert_eq!(
                    endpoint.gate().is_closed_for(reason, now),
                    member.holds(reason),
                    "{reason:?} of {endpoint}"
                );
            }
            let present = self.present.get(endpoint.key()) == Some(sim);
            if !present && member.in_flight == 0 {
                let live = world.sims.get(sim).map_or(0, |sim| sim.live);
                assert_eq!(live, 0, "the service of {endpoint} outlives it");
            }
        }
        assert_eq!(
            self.roster.len(),
            self.present.len(),
            "members of the roster"
        );
        assert_eq!(self.pool.len(), self.present.len(), "members of the pool");
        drop(world);
        // Those who left for good are of no interest any more.
        let present = &self.present;
        self.members.retain(|sim, member| {
            member.in_flight > 0 || present.get(member.endpoint.key()) == Some(sim)
        });
    }
}
