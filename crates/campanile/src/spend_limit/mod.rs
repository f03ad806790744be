//! Budgets of tokens and money: by key, tenant or pool, by the minute to the month; reserved before a call, settled after it.
