//! The channels, one folder per kind, their registry and the guarded HTTP client.
