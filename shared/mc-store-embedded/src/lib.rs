//! Store and queue on SQLite for one machine.
