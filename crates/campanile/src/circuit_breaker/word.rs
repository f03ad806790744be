use super::{config::SlowUntil, state::Machine, status::BreakerState};
use crate::time::Timestamp;

/// What a call needs to know, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

// ===== impl Word =====

impl Word {
    /// A call has to ask whether it may come in.
    const ASK: u64 = 1;
    /// A call that goes well has to tell.
    const TELL: u64 = 1 << 1;
    /// Calls that go well are counted.
    const COUNT: u64 = 1 << 2;
    /// They are counted by time.
    const ROLL: u64 = 1 << 3;
    /// Nobody is let in before the time that lies beside the word.
    const SHUT: u64 = 1 << 4;
    /// Calls are timed, up to where two bits say.
    const TIMED: u64 = 0b11 << 5;
    const HEAD: u64 = 0b01 << 5;
    const FIRST_DATA: u64 = 0b10 << 5;
    const GENERATION: u32 = 8;

    pub(super) fn of(machine: &Machine) -> Self {
        let state = machine.state();
        let mut bits = machine.generation() << Self::GENERATION;
        let closed = state == BreakerState::Closed;
        let admits = closed || state == BreakerState::ForcedClosed;
        if !admits || (closed && machine.parked() != Timestamp::ZERO) {
            bits |= Self::ASK;
        }
        if matches!(state, BreakerState::Open | BreakerState::ForcedOpen) {
            bits |= Self::SHUT;
        }
        if closed && machine.in_a_row() > 0.0 {
            bits |= Self::TELL;
        }
        if let (true, Some(window)) = (closed, machine.window()) {
            bits |= Self::COUNT;
            if window.rolls_at() != Timestamp::MAX {
                bits |= Self::ROLL;
            }
        }
        bits |= match machine.times() {
            None => 0,
            Some(SlowUntil::Head) => Self::HEAD,
            Some(SlowUntil::FirstData) => Self::FIRST_DATA,
            Some(SlowUntil::End) => Self::TIMED,
        };
        Self(bits)
    }

    const fn has(self, bits: u64) -> bool {
        self.0 & bits != 0
    }

    pub(super) const fn asks(self) -> bool {
        self.has(Self::ASK)
    }

    /// Whether nobody is let in before a known time.
    pub(super) const fn is_shut(self) -> bool {
        self.has(Self::SHUT)
    }

    pub(super) const fn tells(self) -> bool {
        self.has(Self::TELL)
    }

    pub(super) const fn counts(self) -> bool {
        self.has(Self::COUNT)
    }

    pub(super) const fn rolls(self) -> bool {
        self.has(Self::ROLL)
    }

    pub(super) const fn is_timed(self) -> bool {
        self.has(Self::TIMED)
    }

    /// Whether the end of a call has to know the time.
    pub(super) const fn needs_clock(self) -> bool {
        self.has(Self::TIMED | Self::ROLL)
    }

    pub(super) const fn until_head(self) -> bool {
        self.0 & Self::TIMED == Self::HEAD
    }

    pub(super) const fn until_first_data(self) -> bool {
        self.0 & Self::TIMED == Self::FIRST_DATA
    }

    pub(super) const fn generation(self) -> u64 {
        self.0 >> Self::GENERATION
    }
}
