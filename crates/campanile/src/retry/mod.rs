//! Tries a failed call again, elsewhere first, within a budget.
