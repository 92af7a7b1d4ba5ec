//! `writ keygen`: a key pair for signing attestations.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    Exit, Failure, Io,
    console::{Answer, Format, OutputArguments},
    input::reason,
};
use crate::sign::Signer;

const EXAMPLES: &str = "\
Examples:
  writ keygen writ.key                                 # and writ.key.pub
  writ keygen writ.key --public writ.pub
  kubectl -n writ-system create secret generic my-key --from-file=key.pem=writ.key

Keep a copy of the private key where you keep secrets, and the public one wherever attestations are
verified. A file that exists is never overwritten.";

/// Make a key pair for signing attestations: Ed25519, private key in PKCS#8 PEM.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct KeygenCommand {
    /// The file for the private key, readable by its owner only.
    #[arg(value_name = "FILE")]
    private: PathBuf,
    /// The file for the public key; default: the private key's name with `.pub`.
    #[arg(long, value_name = "FILE")]
    public: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArguments,
}

/// The answer of `writ keygen`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "cluster", derive(schemars::JsonSchema))]
pub(super) struct KeygenResult {
    /// The key's id in attestations: SHA-256 of the public key (SubjectPublicKeyInfo).
    key_id: String,
    /// The file with the private key.
    private_key_file: String,
    /// The file with the public key.
    public_key_file: String,
    /// The public key in PEM.
    public_key: String,
}

impl Answer for KeygenResult {
    const KIND: &'static str = "KeygenResult";
}

impl KeygenCommand {
    pub(super) fn run(&self, io: &mut Io) -> Result<Exit, Failure> {
        let public = self.public.clone().unwrap_or_else(|| {
            let mut name = self.private.clone().into_os_string();
            name.push(".pub");
            name.into()
        });
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut())
            .map_err(|error| Failure::new(format!("the system gives no random bytes: {error}")))?;
        let signer = Signer::from_seed(&seed).map_err(|error| Failure::new(error.to_string()))?;
        let public_key = signer.public_key().to_pem();
        create(&public, public_key.as_bytes(), 0o644)?;
        if let Err(failure) = create(&self.private, signer.to_pkcs8_pem().as_bytes(), 0o600) {
            // The half of a pair that was just made is of no use; where it cannot be removed it does no harm.
            let _ = std::fs::remove_file(&public);
            return Err(failure);
        }
        let result = KeygenResult {
            key_id: signer.key_id().to_string(),
            private_key_file: self.private.display().to_string(),
            public_key_file: public.display().to_string(),
            public_key,
        };
        match self.output.output {
            Format::Json => io.console.json(&result)?,
            Format::Text => {
                io.console.line(format!("private key  {}", result.private_key_file));
                io.console.line(format!("public key   {}", result.public_key_file));
                io.console.line(format!("key id       {}", result.key_id));
            }
        }
        Ok(Exit::Yes)
    }
}

/// Makes a file that was not there, with these rights.
fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let made = options.open(path).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    made.map_err(|error| {
        let failure = Failure::new(format!("`{}` cannot be made: {}", path.display(), reason(&error)));
        match error.kind() {
            ErrorKind::AlreadyExists => {
                failure.hint("a key is never overwritten: name another file, or move the old one away")
            }
            _ => failure,
        }
    })
}
