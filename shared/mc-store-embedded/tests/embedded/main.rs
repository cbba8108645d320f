//! The embedded store and queue, held to the suites and to what only they promise.

#[cfg(test)]
mod blobs;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod driver;
#[cfg(test)]
mod folder;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod store;
#[cfg(test)]
mod suites;
#[cfg(test)]
mod support;
