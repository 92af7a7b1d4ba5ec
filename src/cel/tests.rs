//! What the parts do together; the vectors are in `tests/vectors/cel`.

mod api;
mod conformance;
mod limits;
mod oracle;
mod properties;
mod render;
mod vectors;
