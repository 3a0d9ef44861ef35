//! What is proved: a manifest, and the app that it describes.

use std::path::Path;
use std::sync::Arc;

use longshore_schema::Manifest;
use longshore_simulator::generic::{Model, Recorded, ways};
use longshore_validator::{Checked, Options, Profile, Severity, render_text, validate};

/// A manifest that can be proved.
#[derive(Debug)]
pub struct Subject {
    /// The connector's id.
    pub id: String,
    /// The app's name.
    pub app: String,
    pub(crate) manifest: Checked<Manifest>,
    pub(crate) models: Vec<Arc<Model>>,
}

/// Why a manifest cannot be proved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{path} could not be read: {cause}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The manifest is wrong; the text shows where, as `longshore validate` does.
    #[error("{0}")]
    Invalid(String),
    /// The simulator cannot play something that the manifest uses.
    #[error("{path}: {cause}")]
    Unsupported {
        /// The manifest.
        path: String,
        /// What cannot be played.
        cause: longshore_simulator::generic::Unsupported,
    },
}

impl Subject {
    /// Reads a manifest and the fixtures beside it.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let shown = path.display().to_string();
        let unreadable = |cause| Error::Unreadable { path: shown.clone(), cause };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let report = validate(&text, &Options::new(Profile::Extended));
        let checked = report.checked.clone().filter(|_| report.count(Severity::Error) == 0);
        let manifest =
            checked.ok_or_else(|| Error::Invalid(render_text(&report, &shown, &text, false)))?;
        let recorded = Recorded::beside(path).map_err(unreadable)?;
        let models = ways(&manifest)
            .into_iter()
            .map(|way| Model::new(&manifest, &recorded, &way).map(Arc::new))
            .collect::<Result<_, _>>()
            .map_err(|cause| Error::Unsupported { path: shown, cause })?;
        Ok(Self {
            id: manifest.id.as_str().to_owned(),
            app: manifest.app.name.value.clone(),
            manifest,
            models,
        })
    }

    /// The app, once for each way of signing in.
    #[must_use]
    pub fn models(&self) -> &[Arc<Model>] {
        &self.models
    }
}
