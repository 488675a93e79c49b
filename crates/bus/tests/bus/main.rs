//! The bus against a real nats-server: every shape, and every way in which it can fail.

#[cfg(test)]
mod access;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod connection;
#[cfg(test)]
mod durable;
#[cfg(test)]
mod events;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod lost_peers;
#[cfg(test)]
mod micro;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod traces;
