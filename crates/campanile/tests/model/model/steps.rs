//! What may happen, each at random.

use std::{collections::HashMap, time::Duration};

use campanile::{
    Endpoint,
    endpoint::{Outcomes, Weight},
    time::Timestamp,
};
use tokio::time::Instant;

use super::{KEYS, MOST_CALLS, Member, Model, REASONS};
use crate::{
    calls::Caller,
    world::{Mode, World},
};

impl Model {
    pub(crate) async fn step(&mut self) {
        for call in &mut self.calls {
            call.polls = 0;
        }
        match self.rng.u32(..100) {
            0..4 => self.insert(),
            4..6 => self.remove(),
            6..8 => self.drain(),
            8..10 => self.switch(),
            10..20 => self.gate(),
            20..28 => self.change_readiness(),
            28..55 => self.begin(),
            55..62 => self.cancel(),
            62..88 => self.go_on(),
            _ => {
                let millis = match self.rng.u32(..20) {
                    0 => self.rng.u64(1_000..40_000),
                    1..8 => self.rng.u64(100..2_000),
                    _ => self.rng.u64(1..50),
                };
                tokio::time::advance(Duration::from_millis(millis)).await;
            }
        }
    }

    fn insert(&mut self) {
        let key = format!("m{}", self.rng.usize(..KEYS));
        let known = self.present.get(&key).copied();
        if let Some(sim) = known
            && self.rng.bool()
        {
            // The same again: it stays, and is not drained any more.
            let weight = f64::from(self.rng.u32(1..5));
            let again = self
                .roster
                .insert(Endpoint::builder(key.as_str()).weight(weight), sim)
                .unwrap();
            let member = self.members.get_mut(&sim).unwrap();
            assert!(
                again.is(&member.endpoint),
                "an equal target keeps its endpoint"
            );
            assert_eq!(again.weight(), Weight::new(weight).unwrap());
            member.draining = None;
            return;
        }
        self.next += 1;
        let sim = self.next;
        let endpoint = self.roster.insert(key.as_str(), sim).unwrap();
        self.present.insert(key, sim);
        self.members.insert(
            sim,
            Member {
                endpoint,
                in_flight: 0,
                cost: 0,
                outcomes: Outcomes::default(),
                closed: HashMap::new(),
                disabled: false,
                draining: None,
            },
        );
    }

    fn any_present(&mut self) -> Option<(String, u64)> {
        let all: Vec<_> = self.present.iter().collect();
        self.rng
            .choice(&all)
            .map(|(key, sim)| ((*key).clone(), **sim))
    }

    fn remove(&mut self) {
        if let Some((key, _)) = self.any_present() {
            self.roster.remove(&key).unwrap();
            self.present.remove(&key);
        }
    }

    fn drain(&mut self) {
        if let Some((key, sim)) = self.any_present() {
            let patience = Duration::from_millis(self.rng.u64(1..5_000));
            let drain = self.roster.drain(&key, patience).unwrap();
            self.members.get_mut(&sim).unwrap().draining = Some(Instant::now() + patience);
            self.drains.push(tokio::spawn(drain));
        }
    }

    fn switch(&mut self) {
        if let Some((key, sim)) = self.any_present() {
            let member = self.members.get_mut(&sim).unwrap();
            // Off for a while only: otherwise all are off in the end.
            member.disabled = !member.disabled && self.rng.bool();
            if member.disabled {
                self.roster.disable(&key).unwrap();
            } else {
                self.roster.enable(&key).unwrap();
            }
        }
    }

    fn gate(&mut self) {
        let Some((_, sim)) = self.any_present() else {
            return;
        };
        let reason = *self.rng.choice(&REASONS).unwrap();
        let member = self.members.get_mut(&sim).unwrap();
        let gate = member.endpoint.gate();
        match self.rng.u32(..6) {
            0 => {
                gate.close(reason);
                member.closed.insert(reason, None);
            }
            1..3 => {
                let after = Duration::from_millis(self.rng.u64(..3_000));
                gate.close_until(reason, Timestamp::now().after(after));
                member.closed.insert(reason, Some(Instant::now() + after));
            }
            _ => {
                gate.open(reason);
                member.closed.remove(&reason);
            }
        }
    }

    fn change_readiness(&mut self) {
        if let Some((_, sim)) = self.any_present() {
            let mode = match self.rng.u32(..10) {
                0..5 => Mode::Ready,
                5..8 => Mode::Pending,
                _ => Mode::Broken,
            };
            if self.world.lock().unwrap().sims.contains_key(&sim) {
                World::set_mode(&self.world, sim, mode);
            }
        }
    }

    fn begin(&mut self) {
        if self.calls.len() >= MOST_CALLS {
            return;
        }
        self.next += 1;
        let deadline = self.rng.u32(..4) == 0;
        let deadline =
            deadline.then(|| Instant::now() + Duration::from_millis(self.rng.u64(..4_000)));
        let cost = self.rng.u64(..100);
        self.calls
            .push(Caller::new(self.next, self.pool.clone(), cost, deadline));
    }

    pub(super) fn cancel(&mut self) {
        if self.calls.is_empty() {
            return;
        }
        let index = self.rng.usize(..self.calls.len());
        let call = self.calls.swap_remove(index);
        if let Some(member) = self.leave(&call) {
            // What went wrong before stays wrong.
            *(if call.cut {
                &mut member.outcomes.failure
            } else {
                &mut member.outcomes.cancelled
            }) += 1;
        }
    }

    fn go_on(&mut self) {
        let reached: Vec<_> = (0..self.calls.len())
            .filter(|index| self.calls[*index].at.is_some())
            .collect();
        let Some(index) = self.rng.choice(reached) else {
            return;
        };
        let call = &self.calls[index];
        let kind = self.rng.u32(..10);
        let streaming = call.is_streaming();
        World::answer(&self.world, call.id, |answer| match (streaming, kind) {
            (false, 0..2) => answer.head = Some(Err("failed".into())),
            (false, _) => answer.head = Some(Ok(())),
            (true, 0..4) => answer.items.push_back(Ok(1)),
            (true, 4) => answer.items.push_back(Err("cut".into())),
            (true, _) => answer.ended = true,
        });
    }
}
