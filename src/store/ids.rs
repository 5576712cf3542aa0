//! The ids of rows: one type for each table, so that none is taken for another.

use std::fmt;

use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// The number in the column `id`, from 1.
            pub fn get(self) -> i64 {
                self.0
            }

            /// The row of this number, for tests that read no database.
            #[cfg(test)]
            pub fn nth(number: i64) -> Self {
                Self(number)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                self.0.to_sql()
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                i64::column_result(value).map(Self)
            }
        }
    };
}

row_id!(
    /// A row of `experiments`.
    ExperimentId
);
row_id!(
    /// A row of `models`.
    ModelId
);
row_id!(
    /// A row of `samplings`.
    SamplingId
);

impl SamplingId {
    /// The row of imported generations, whose sampling values are not known.
    pub const UNKNOWN: Self = Self(0);
}

row_id!(
    /// A row of `wordings`.
    WordingId
);

impl WordingId {
    /// The row of experiments with one wording without a name, and of imports.
    pub const UNNAMED: Self = Self(0);

    /// No row: what stands in the place of a wording where figures are means over several.
    pub const MEAN: Self = Self(-1);
}

row_id!(
    /// A row of `numerics`.
    NumericsId
);

impl NumericsId {
    /// The row of imported generations, of which it is not known how their logits were computed.
    pub const UNKNOWN: Self = Self(0);
}

row_id!(
    /// A row of `conditions`.
    ConditionId
);
row_id!(
    /// A row of `annotation_items`.
    AnnotationItemId
);
row_id!(
    /// A row of `runs`.
    RunId
);
row_id!(
    /// A row of `prompts`.
    PromptId
);
row_id!(
    /// A row of `rendered_prompts`.
    RenderedPromptId
);
row_id!(
    /// A row of `generations`.
    GenerationId
);
row_id!(
    /// A row of `enumerations`.
    EnumerationRowId
);
