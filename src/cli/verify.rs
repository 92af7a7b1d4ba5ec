//! `writ verify`: whether an attestation holds, and for this very object. Needs nothing but files and a public key.

mod check;
#[cfg(feature = "cluster")]
mod live;
mod report;
mod source;

use std::path::{Path, PathBuf};

pub(super) use report::VerifyResult;

use super::{
    Exit, Failure, Io,
    console::{Format, OutputArguments},
    input, manifest,
};
use crate::{
    api::{API_VERSION, Manifest, PolicySpec},
    digest::Digest,
    keyring::{Keyring, KeyringEntry, PublicKey},
    policy,
};
use check::{Given, PolicyFile, verify};
use report::{Report, show};
use source::Subject;

#[cfg(feature = "cluster")]
const EXAMPLES: &str = "\
Examples:
  kubectl get deployment web -o yaml | writ verify - --key writ.pub
  writ verify deployment.yaml --key writ.pub --cluster-id 2f7b1c6e-… --policy policies/v3.yaml
  writ verify envelope.json --keyring keyring.json --object deployment.yaml
  writ verify deployment.yaml --key writ.pub --export > envelope.json    # for other tools
  kubectl writ verify deployment/web -n shop      # from the cluster, with the key it publishes

Exit codes: 0 verified, 1 not verified, 2 could not be read.";
#[cfg(not(feature = "cluster"))]
const EXAMPLES: &str = "\
Examples:
  kubectl get deployment web -o yaml | writ verify - --key writ.pub
  writ verify deployment.yaml --key writ.pub --cluster-id 2f7b1c6e-… --policy policies/v3.yaml
  writ verify envelope.json --keyring keyring.json --object deployment.yaml
  writ verify deployment.yaml --key writ.pub --export > envelope.json    # for other tools

Exit codes: 0 verified, 1 not verified, 2 could not be read.";

/// Verify an attestation offline: signature, key, object, content, decisions, policy.
///
/// FILE is an object that carries an attestation, the text of an attestation, or a DSSE envelope. What was checked is
/// printed, and what could not be: without the evidence log, for example, the signing time is self-asserted.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct VerifyCommand {
    /// A manifest, an attestation or an envelope.
    #[cfg_attr(feature = "cluster", doc = " Or an object of the cluster, as in `deployment/web`.")]
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// A public key whose signatures count (PEM); may be given several times.
    #[arg(long = "key", value_name = "FILE", conflicts_with = "keyring")]
    keys: Vec<PathBuf>,
    /// A keyring: public keys with the times in which they may sign.
    #[arg(long, value_name = "FILE")]
    keyring: Option<PathBuf>,
    /// The cluster that must have decided: the uid of its namespace `kube-system`, unless set otherwise.
    #[arg(long, value_name = "ID")]
    cluster_id: Option<String>,
    /// A file with the policy that must have decided; may be given several times.
    #[arg(long = "policy", value_name = "FILE")]
    policies: Vec<PathBuf>,
    /// The object that an attestation or envelope must be about.
    #[arg(long, value_name = "MANIFEST")]
    object: Option<PathBuf>,
    /// The resource of the object, as in `apps/v1/deployments`, where its kind is not built in.
    #[arg(long, value_name = "RESOURCE")]
    resource: Option<String>,
    /// Print the standard DSSE envelope of what was verified, one a line, and the rest on standard error.
    #[arg(long, conflicts_with = "output")]
    export: bool,
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    cluster: super::cluster::ClusterArguments,
    #[command(flatten)]
    output: OutputArguments,
}

impl VerifyCommand {
    pub(super) fn run(&self, io: &mut Io) -> Result<Exit, Failure> {
        let mut given = self.given(io)?;
        let subjects = self.subjects(io, &mut given)?;
        if given.keyring.iter().len() == 0 {
            return Err(Failure::new("there is no key to verify with").hint(
                "give the public key of the cluster that signed with --key FILE, or a keyring with --keyring FILE",
            ));
        }
        let result = VerifyResult::new(subjects.iter().map(|subject| verify(subject, &given)).collect());
        match self.output.output {
            _ if self.export => export(io, result.reports()),
            Format::Json => io.console.json(&result)?,
            Format::Text => show(&mut io.console, result.reports()),
        }
        Ok(if result.verified() { Exit::Yes } else { Exit::No })
    }

    /// What attestations are compared with.
    fn given(&self, io: &mut Io) -> Result<Given, Failure> {
        let mut policies = Vec::new();
        for path in &self.policies {
            policies.extend(policy_files(io, path)?);
        }
        Ok(Given {
            keyring: self.keyring(io)?,
            cluster_id: self.cluster_id.clone(),
            policies,
            resource: self.resource.clone(),
            key_of_cluster: false,
        })
    }

    fn keyring(&self, io: &mut Io) -> Result<Keyring, Failure> {
        let unusable = |path: &Path, error| Failure::new(format!("{}: {error}", input::name(path)));
        if let Some(path) = &self.keyring {
            return Keyring::parse(&io.inputs.text(path)?).map_err(|error| unusable(path, error));
        }
        let mut entries = Vec::new();
        for path in &self.keys {
            let key = PublicKey::from_pem(&io.inputs.text(path)?).map_err(|error| unusable(path, error))?;
            entries.push(KeyringEntry::always(key));
        }
        if entries.is_empty() {
            return Ok(Keyring::default());
        }
        Keyring::new(entries).map_err(|error| Failure::new(error.to_string()))
    }

    fn subjects(&self, io: &mut Io, given: &mut Given) -> Result<Vec<Subject>, Failure> {
        let object = match &self.object {
            Some(path) => Some(source::one_object(io, path)?),
            None => None,
        };
        let mut subjects = Vec::new();
        for file in &self.files {
            if let Some((kind, name)) = named(file) {
                subjects.push(self.named_subject(kind, name, given)?);
                continue;
            }
            let found = source::read(io, file, object.as_ref())?;
            if found.is_empty() {
                return Err(Failure::new(format!("{}: there is nothing in it to verify", input::name(file))));
            }
            subjects.extend(found);
        }
        Ok(subjects)
    }

    #[cfg(feature = "cluster")]
    fn named_subject(&self, kind: &str, name: &str, given: &mut Given) -> Result<Subject, Failure> {
        live::read(&self.cluster, kind, name, given)
    }

    #[cfg(not(feature = "cluster"))]
    #[expect(clippy::unused_self, reason = "as in the build with a cluster")]
    fn named_subject(&self, kind: &str, name: &str, _: &mut Given) -> Result<Subject, Failure> {
        Err(Failure::new(format!("there is no file `{kind}/{name}`, and this build of writ knows no cluster"))
            .hint(format!("read it with `kubectl get {kind} {name} -o yaml | writ verify -`")))
    }
}

/// `deployment/web` as its two parts, where no such file exists.
fn named(path: &Path) -> Option<(&str, &str)> {
    let (kind, name) = path.to_str()?.split_once('/')?;
    let plain =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    let is_word = plain(kind) && kind.bytes().any(|byte| byte.is_ascii_alphabetic()) && plain(name);
    (is_word && !path.exists()).then_some((kind, name))
}

fn policy_files(io: &mut Io, path: &Path) -> Result<Vec<PolicyFile>, Failure> {
    let mut found = Vec::new();
    for document in manifest::read(&mut io.inputs, path)? {
        if document.kind() == (API_VERSION, "Policy") {
            let manifest: Manifest<PolicySpec> = document.typed()?;
            let digest: Digest = policy::digest(&manifest.spec);
            found.push(PolicyFile { id: manifest.spec.id, version: manifest.spec.version, digest });
        }
    }
    if found.is_empty() {
        return Err(Failure::new(format!("{}: there is no Policy of {API_VERSION} in it", input::name(path))));
    }
    Ok(found)
}

fn export(io: &mut Io, reports: &[Report]) {
    for report in reports {
        match report.envelope() {
            Some(envelope) => io.console.line(envelope),
            None => io.console.complain(format!("not verified: {}: {}", report.source(), report.failures())),
        }
    }
}

#[cfg(test)]
mod tests;
