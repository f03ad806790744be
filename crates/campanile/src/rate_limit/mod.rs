//! Keeps calls, tokens and money to so many a second, and learns the upstream's own limits.
