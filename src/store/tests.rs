//! Tests of the store as a whole, by what they are about.

mod annotations;
mod concept_similarities;
mod conditions;
mod enumerations;
mod fillers;
mod generations;
mod imports;
mod leaks;
mod next_tokens;
mod numerics;
mod opening;
mod provenance;
mod records;
mod views;
mod wordings;
