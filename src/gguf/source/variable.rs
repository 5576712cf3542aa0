//! Variables of the environment, as the sources of model files read them.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::home;

/// An environment variable; an empty one counts as not set.
pub(super) fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// An environment variable that holds a path.
pub(super) fn path_variable(name: &str) -> Option<PathBuf> {
    variable(name).map(as_path)
}

/// The path that a variable holds.
pub(super) fn as_path(value: OsString) -> PathBuf {
    home::expanded(Path::new(&value)).into_owned()
}

/// True if a switch is set to anything that does not say no.
pub(super) fn is_on(value: Option<OsString>) -> bool {
    let says_no = |value: &OsString| {
        let value = value.to_ascii_lowercase();
        ["0", "false", "no", "off"].iter().any(|no| value == *no)
    };
    value.is_some_and(|value| !says_no(&value))
}
