//! Types, rules, state machine and ports of Message Center.
