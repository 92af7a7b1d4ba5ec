//! The hooks in their order, each under its own service account.
