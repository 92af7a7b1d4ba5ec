//! `writ crds`: the CustomResourceDefinitions of `writ.dev`, made from the types in `api`.
//!
//! The same bytes every time: a test compares them with `crds/` and with the chart's templates.

use std::{fs, io::Write as _, path::PathBuf};

use anyhow::Context as _;
use kube::CustomResourceExt as _;
use serde_json::{Value, json};

use crate::api::{Policy, PolicyBinding};

/// Prints the CustomResourceDefinitions as YAML, or writes one file each.
#[derive(Clone, Debug, clap::Args)]
pub struct CrdsCommand {
    /// Write `policies.yaml` and `policybindings.yaml` into this directory instead of standard output.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// As templates of the Helm chart: Helm keeps them, and so all policies, when the release is uninstalled.
    #[arg(long)]
    pub chart: bool,
}

/// One CustomResourceDefinition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrdFile {
    /// `policies.yaml` or `policybindings.yaml`.
    pub name: String,
    /// The YAML document, with a line end and without `---`.
    pub yaml: String,
}

/// Where the definitions are to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrdForm {
    /// `kubectl apply --server-side -f`.
    Plain,
    /// A template of the chart.
    Chart,
}

impl CrdsCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// The directory or standard output cannot be written.
    pub fn run(&self) -> anyhow::Result<()> {
        let form = if self.chart { CrdForm::Chart } else { CrdForm::Plain };
        let files = crd_files(form)?;
        let Some(dir) = &self.dir else {
            let mut out = std::io::stdout().lock();
            for file in files {
                write!(out, "---\n{}", file.yaml)?;
            }
            return Ok(());
        };
        fs::create_dir_all(dir).with_context(|| format!("making `{}`", dir.display()))?;
        for file in files {
            let path = dir.join(file.name);
            fs::write(&path, file.yaml).with_context(|| format!("writing `{}`", path.display()))?;
        }
        Ok(())
    }
}

/// The definitions, in the order in which they are applied.
///
/// # Errors
/// A definition that is no JSON or YAML; the types of `api` give none.
pub fn crd_files(form: CrdForm) -> anyhow::Result<Vec<CrdFile>> {
    [("policies.yaml", Policy::crd()), ("policybindings.yaml", PolicyBinding::crd())]
        .into_iter()
        .map(|(name, crd)| {
            let yaml = render(serde_json::to_value(crd)?, form)?;
            Ok(CrdFile { name: name.to_owned(), yaml })
        })
        .collect()
}

fn render(mut crd: Value, form: CrdForm) -> anyhow::Result<String> {
    tidy(&mut crd);
    if let (CrdForm::Chart, Some(Value::Object(metadata))) = (form, crd.get_mut("metadata")) {
        metadata.insert("annotations".to_owned(), json!({"helm.sh/resource-policy": "keep"}));
    }
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false, compact_list_indent: true };
    let yaml = serde_saphyr::to_string_with_options(&crd, options)?;
    Ok(match form {
        CrdForm::Plain => format!("# Made by `writ crds`; change src/api instead.\n{yaml}"),
        CrdForm::Chart => format!(
            "{{{{- /* Made by `writ crds --chart`; change src/api instead. */ -}}}}\n{{{{- if .Values.crds.install }}}}\n{yaml}{{{{- end }}}}\n"
        ),
    })
}

/// Drops formats that the API server does not know (it would warn at every apply, and the bounds beside them say the
/// same), and the line ends inside paragraphs, so that `kubectl explain` wraps them itself.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(text)) = members.get_mut("description") {
                *text = text.replace("\n\n", "\0").replace('\n', " ").replace('\0', "\n\n");
            }
            if let Some(Value::String(format)) = members.get("format")
                && format.starts_with("uint")
            {
                members.remove("format");
            }
            members.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}
