//! Sends a second copy of a call that takes long, within a budget.
