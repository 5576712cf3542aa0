//! Tests of the store as a whole, by what they are about.

mod generations;
mod leaks;
mod opening;
mod records;
