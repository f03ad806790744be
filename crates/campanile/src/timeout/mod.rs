//! Four clocks: to the head, to the first data, between data, in total.
