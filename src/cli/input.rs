//! What a command reads: files, and standard input where a path is `-`.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::failure::Failure;

/// The most bytes of one input.
pub(crate) const MAX_INPUT_BYTES: u64 = 16 << 20;

/// Reads inputs; standard input at most once.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    standard_used: bool,
}

impl Inputs {
    /// The bytes of a file, or of standard input for `-`.
    ///
    /// # Errors
    /// It cannot be read, is longer than [`MAX_INPUT_BYTES`], or standard input is named twice.
    pub(crate) fn bytes(&mut self, path: &Path) -> Result<Vec<u8>, Failure> {
        let name = name(path);
        let mut bytes = Vec::new();
        let read = if is_standard(path) {
            if self.standard_used {
                return Err(Failure::new("standard input (`-`) can only be read once").hint("give the other as a file"));
            }
            self.standard_used = true;
            io::stdin().lock().take(MAX_INPUT_BYTES + 1).read_to_end(&mut bytes)
        } else {
            File::open(path).and_then(|file| file.take(MAX_INPUT_BYTES + 1).read_to_end(&mut bytes))
        };
        read.map_err(|error| Failure::new(format!("`{name}` cannot be read: {}", reason(&error))))?;
        if bytes.len() as u64 > MAX_INPUT_BYTES {
            return Err(Failure::new(format!("`{name}` is longer than {} MiB", MAX_INPUT_BYTES >> 20)));
        }
        Ok(bytes)
    }

    /// The text of a file, or of standard input for `-`.
    ///
    /// # Errors
    /// Those of [`Self::bytes`], and bytes that are not UTF-8.
    pub(crate) fn text(&mut self, path: &Path) -> Result<String, Failure> {
        String::from_utf8(self.bytes(path)?).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Failure::new(format!("`{}` is not UTF-8 text: byte {at} begins no character", name(path)))
        })
    }
}

/// Whether the path stands for standard input.
pub(crate) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The name of an input in messages.
pub(crate) fn name(path: &Path) -> String {
    if is_standard(path) { "standard input".to_owned() } else { path.display().to_string() }
}

/// The words of the operating system, without its number.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut characters = words.chars();
    let first = characters.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
    first + characters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_long_an_input_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long");
        let file = File::create(&path).unwrap();
        file.set_len(MAX_INPUT_BYTES).unwrap();
        assert_eq!(Inputs::default().bytes(&path).map(|bytes| bytes.len() as u64), Ok(MAX_INPUT_BYTES));
        file.set_len(MAX_INPUT_BYTES + 1).unwrap();
        assert!(Inputs::default().bytes(&path).unwrap_err().to_string().ends_with("is longer than 16 MiB"));
    }

    #[test]
    fn faults_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        let error = Inputs::default().text(&missing).unwrap_err().to_string();
        assert!(error.ends_with("cannot be read: no such file or directory"), "{error}");
        let binary = dir.path().join("binary");
        std::fs::write(&binary, b"ab\xff").unwrap();
        let error = Inputs::default().text(&binary).unwrap_err().to_string();
        assert!(error.ends_with("byte 2 begins no character"), "{error}");
        let mut inputs = Inputs { standard_used: true };
        assert!(inputs.bytes(Path::new("-")).is_err());
    }
}
