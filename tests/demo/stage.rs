//! What a story needs of the place where it is told.

use std::path::Path;

use anyhow::Result;

use crate::harness::Cluster;
use crate::narrator::Narrator;

/// A cluster in which Writ can be installed.
pub(crate) trait Stage {
    fn cluster(&self) -> &Cluster;

    /// The `writ` program for a person at a terminal.
    fn program(&self) -> &Path;

    /// Whether pods really run.
    fn runs_pods(&self) -> bool;

    /// An image of an allowed registry, pinned by its digest; with a node it can run.
    fn image(&self) -> Result<String>;

    /// Installs Writ with two replicas that answer.
    fn install(&self, told: &Narrator) -> Result<()>;

    /// What the replicas have printed, by their names.
    fn outputs(&self) -> Result<Vec<(String, String)>>;

    /// Takes a replica away, so that the other has to answer.
    fn take_away(&self, replica: &str, told: &Narrator) -> Result<()>;

    /// Ends all replicas and starts new ones.
    fn restart_all(&self, told: &Narrator) -> Result<()>;

    /// The replica that made a decision.
    fn decided_by(&self, decision: &str) -> Result<Option<String>> {
        let made =
            |output: &str| output.lines().any(|line| line.contains("\"kind\":\"Decision\"") && line.contains(decision));
        Ok(self.outputs()?.into_iter().find(|(_, output)| made(output)).map(|(name, _)| name))
    }
}
