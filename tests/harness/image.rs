//! Container images without an engine: a static program in an OCI archive.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// The image of the process that holds a pod's namespaces.
pub(crate) const PAUSE: &str = "localhost/pause:1";

const BLOCK: usize = 512;

/// Writes an OCI archive with one layer that holds `program` as `/NAME`, which is also the entry point. The program
/// must be linked statically: nothing else is in the image.
pub(crate) fn write_archive(program: &Path, image: &str, archive: &Path) -> Result<()> {
    let content = fs::read(program).with_context(|| format!("reading {}", program.display()))?;
    let name = program.file_name().and_then(|name| name.to_str()).context("the program has no name")?;
    let mut layer = Vec::new();
    append(&mut layer, name, 0o755, &content)?;
    layer.resize(layer.len() + 2 * BLOCK, 0);
    let config = json!({
        "architecture": architecture(), "os": "linux",
        "config": {"Entrypoint": [format!("/{name}")]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex(&layer))]},
    })
    .to_string();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", config.as_bytes()),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
    })
    .to_string();
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes());
    if let Some(entry) = entry.as_object_mut() {
        let names = json!({"io.containerd.image.name": full_name(image), "org.opencontainers.image.ref.name": image});
        entry.insert(String::from("annotations"), names);
    }
    let index = json!({"schemaVersion": 2, "manifests": [entry]}).to_string();
    let mut out = Vec::new();
    append(&mut out, "oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    append(&mut out, "index.json", 0o644, index.as_bytes())?;
    for blob in [manifest.as_bytes(), config.as_bytes(), &layer] {
        append(&mut out, &format!("blobs/sha256/{}", hex(blob)), 0o644, blob)?;
    }
    out.resize(out.len() + 2 * BLOCK, 0);
    fs::write(archive, out).with_context(|| format!("writing {}", archive.display()))
}

/// Builds an image from a Containerfile with buildah and writes it as an OCI archive. The Containerfile is told by the
/// argument `PROGRAM` what to copy from the context. Nothing stays in buildah's store.
pub(crate) fn build_archive(
    containerfile: &Path,
    context: &Path,
    program: &str,
    image: &str,
    archive: &Path,
) -> Result<()> {
    let argument = format!("PROGRAM={program}");
    let scratch = tempfile::tempdir()?;
    let buildah = |arguments: &[&dyn AsRef<std::ffi::OsStr>]| -> Result<()> {
        let mut command = Command::new("buildah");
        command.args(["--storage-driver", "vfs", "--root"]).arg(scratch.path().join("root"));
        command.arg("--runroot").arg(scratch.path().join("run")).args(arguments.iter().map(AsRef::as_ref));
        let output = command.output().context("starting buildah: `make setup` installs it")?;
        ensure!(output.status.success(), "buildah failed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    buildah(&[
        &"bud",
        &"--isolation",
        &"chroot",
        &"--tag",
        &image,
        &"--build-arg",
        &argument,
        &"--file",
        &containerfile,
        &context,
    ])?;
    if archive.exists() {
        fs::remove_file(archive)?;
    }
    buildah(&[&"push", &image, &format!("oci-archive:{}:{}", archive.display(), full_name(image))])
}

/// The archive of the pause image; compiled at its first use on a machine.
pub(crate) fn pause_archive(cache: &Path) -> Result<PathBuf> {
    let source = include_str!("../cluster/pause/pause.c");
    let directory = cache.join(format!("pause-{}", hex(source.as_bytes()).get(..16).unwrap_or_default()));
    let archive = directory.join("pause.tar");
    if archive.exists() {
        return Ok(archive);
    }
    fs::create_dir_all(&directory)?;
    // Aside and renamed: another run may do the same at the same time.
    let scratch = tempfile::tempdir_in(&directory)?;
    let (code, program) = (scratch.path().join("pause.c"), scratch.path().join("pause"));
    File::create(&code)?.write_all(source.as_bytes())?;
    let output = Command::new("cc").args(["-Os", "-static", "-o"]).arg(&program).arg(&code).output();
    let output = output.context("a C compiler is missing: `make setup` installs it")?;
    ensure!(output.status.success(), "compiling the pause image failed: {}", String::from_utf8_lossy(&output.stderr));
    write_archive(&program, PAUSE, &scratch.path().join("pause.tar"))?;
    fs::rename(scratch.path().join("pause.tar"), &archive)?;
    Ok(archive)
}

/// The name under which the kubelet looks an image up: with a registry and a tag.
pub(crate) fn full_name(image: &str) -> String {
    let (first, rest) = image.split_once('/').map_or(("", image), |(first, _)| (first, image));
    let named = if first.contains(['.', ':']) || first == "localhost" {
        rest.to_owned()
    } else if first.is_empty() {
        format!("docker.io/library/{rest}")
    } else {
        format!("docker.io/{rest}")
    };
    let last = named.rsplit('/').next().unwrap_or_default();
    if last.contains([':', '@']) { named } else { format!("{named}:latest") }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn descriptor(media_type: &str, content: &[u8]) -> serde_json::Value {
    json!({"mediaType": media_type, "digest": format!("sha256:{}", hex(content)), "size": content.len()})
}

fn hex(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Appends a regular file to a tar archive (ustar).
fn append(archive: &mut Vec<u8>, name: &str, mode: u32, content: &[u8]) -> Result<()> {
    ensure!(name.len() < 100, "`{name}` is too long for an archive");
    let mut header = Vec::with_capacity(BLOCK);
    let mut field = |value: &str, width: usize| {
        let start = header.len();
        header.extend_from_slice(value.as_bytes());
        header.resize(start + width, 0);
    };
    field(name, 100);
    field(&format!("{mode:07o}"), 8);
    field("0000000", 8); // owner
    field("0000000", 8); // group
    field(&format!("{:011o}", content.len()), 12);
    field("00000000000", 12); // time
    field("        ", 8); // checksum, computed over blanks
    field("0", 1); // a regular file
    field("", 100);
    field("ustar\u{0}00", 8);
    field("", 247);
    let checksum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header.splice(148..156, format!("{checksum:06o}\u{0} ").bytes());
    archive.extend_from_slice(&header);
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    Ok(())
}
