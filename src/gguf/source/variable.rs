//! Variables of the environment, as the sources of model files read them.

use std::env;
use std::ffi::OsString;

/// An environment variable; an empty one counts as not set.
pub(super) fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}
