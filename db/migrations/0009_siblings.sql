-- The comparison of a pair with each sibling alone: NULL of a pair with itself or with one of its family, and where it
-- was made by an earlier version, until the condition is scored anew.
ALTER TABLE concept_similarities ADD COLUMN placebo REAL CHECK (placebo BETWEEN 0.0 AND 1.0);
ALTER TABLE concept_similarities ADD COLUMN repetition REAL CHECK (repetition BETWEEN -1.0 AND 1.0);
ALTER TABLE concept_similarities ADD COLUMN specificity REAL CHECK (specificity BETWEEN 0.0 AND 1.0);
ALTER TABLE concept_similarities ADD COLUMN specificity_repetition REAL CHECK (specificity_repetition BETWEEN -0.5 AND 0.5);
ALTER TABLE concept_similarities ADD COLUMN sibling_echo REAL CHECK (sibling_echo BETWEEN 0.0 AND 1.0);
