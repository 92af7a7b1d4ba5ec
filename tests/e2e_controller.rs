//! The controller against a real API server: what is in force, in which order whatever arrives, and how a replica
//! notices that it no longer knows. Threats 32, 33, 34, 35 and 44.

#[path = "harness/harness.rs"]
mod harness;

#[path = "e2e_controller/currency.rs"]
mod currency;
#[path = "e2e_controller/in_force.rs"]
mod in_force;
#[path = "e2e_controller/proxy.rs"]
mod proxy;
#[path = "e2e_controller/scale.rs"]
mod scale;
#[path = "e2e_controller/status.rs"]
mod status;
#[path = "e2e_controller/support.rs"]
mod support;
#[path = "e2e_controller/world.rs"]
mod world;
