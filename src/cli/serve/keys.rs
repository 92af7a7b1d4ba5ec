use std::path::Path;

use anyhow::Context as _;
use zeroize::Zeroizing;

use crate::sign::Signer;

/// The signing key of a file.
pub(super) fn signer(path: &Path) -> anyhow::Result<Signer> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new).with_context(|| {
        format!(
            "the signing key {} cannot be read; make one with `writ keygen`, or restore it from your backup",
            path.display()
        )
    })?;
    Signer::from_pkcs8_pem(&text).with_context(|| format!("the signing key {} cannot be used", path.display()))
}
