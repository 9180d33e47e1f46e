//! The file of `--metadata`: what was built, as JSON.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::{Value, json};

use super::destination::Destination;
use super::failure::{Done, Failure};
use crate::build::BuildReport;
use crate::model::{Diagnostic as _, MAX_METADATA_BYTES, METADATA_VERSION, Metadata, Pipes, escape_path, read_input};

/// An image that the file lists.
pub struct ReportedImage<'a> {
    /// Its ID in the workspace; `None` for a spec on its own.
    pub member: Option<&'a str>,
    /// The members that it is based on.
    pub base_members: BTreeSet<String>,
    pub report: &'a BuildReport,
}

/// Returns the content: an object for the only image, or one that lists the images of a workspace.
pub fn document(images: &[ReportedImage<'_>]) -> Value {
    let of_image = |image: &ReportedImage<'_>| match image.member {
        Some(id) => image.report.to_member_json(id, image.base_members.clone()),
        None => image.report.to_json(),
    };
    match images {
        [only] if only.member.is_none() => of_image(only),
        _ => json!({ "version": METADATA_VERSION, "images": images.iter().map(of_image).collect::<Vec<_>>() }),
    }
}

/// Writes the file.
pub fn write(destination: &Destination, images: &[ReportedImage<'_>]) -> Done {
    destination.write(format!("{:#}\n", document(images)).as_bytes())
}

/// Reads a file that an earlier run wrote.
pub fn read(path: &Path) -> Result<Metadata, Failure> {
    let shown = escape_path(path);
    let invalid = |reason: String, help: Option<String>| {
        let help = help.unwrap_or_else(|| "use a file that `ocitect build --metadata FILE` wrote".to_owned());
        Failure::usage(&format!("cannot use {shown}: {reason}"), &help)
    };
    let bytes = read_input(path, Pipes::Read, MAX_METADATA_BYTES).map_err(|error| match error.kind() {
        _ if error.raw_os_error() == Some(libc::ELOOP) => {
            let help = "replace the link by the file that `ocitect build --metadata FILE` wrote".to_owned();
            invalid("its symbolic links lead in a circle".to_owned(), Some(help))
        }
        ErrorKind::NotFound | ErrorKind::FileTooLarge => invalid(error.to_string(), None),
        _ => Failure::here(&format!("cannot read {shown}")).caused_by(&error),
    })?;
    Metadata::parse(&bytes).map_err(|error| {
        let reason = error.reason();
        invalid(reason, error.help())
    })
}
