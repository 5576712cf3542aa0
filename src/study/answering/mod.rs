//! Answers of models: what is missing is made, group by group, and each group is stored before the next begins.

pub(crate) mod exact;
pub(crate) mod repeats;
