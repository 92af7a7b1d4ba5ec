//! The webhook server from outside: real TLS over loopback, real HTTP, and whatever a bad client may send.

mod bad_input;
mod callers;
mod faults;
mod health;
mod overload;
mod reload;
mod shutdown;
mod support;
