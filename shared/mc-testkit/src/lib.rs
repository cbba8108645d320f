//! Behaviour suites, builders and a clock to turn by hand.
