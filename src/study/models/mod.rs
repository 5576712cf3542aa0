//! Model files: from a name to a file that is here, whole, and safe to load.
//!
//! Owns nothing itself; fetching, deriving, encoders and the place where a model is computed have a file each.

pub(crate) mod deriving;
pub(crate) mod encoder;
pub(crate) mod fetching;
pub(crate) mod file;
pub(crate) mod opening;
pub(crate) mod placement;
pub(crate) mod wanted;
