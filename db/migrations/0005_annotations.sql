-- What people say of generations. The key of a sample, which text is whose, is here and in no file.

CREATE TABLE annotation_samples (
    id            INTEGER PRIMARY KEY,
    sha256        TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
    experiment_id INTEGER NOT NULL REFERENCES experiments (id),
    seed          INTEGER NOT NULL,
    command_line  TEXT NOT NULL,
    seep_version  TEXT NOT NULL,
    seep_commit   TEXT NOT NULL,
    seep_is_dirty INTEGER NOT NULL CHECK (seep_is_dirty IN (0, 1)),
    created_at    TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

-- The generations stand here too, because the verdict of the condition may be made again on others.
CREATE TABLE annotation_items (
    id                    INTEGER PRIMARY KEY,
    sample_id             INTEGER NOT NULL REFERENCES annotation_samples (id),
    name                  TEXT NOT NULL UNIQUE,
    condition_id          INTEGER NOT NULL REFERENCES conditions (id),
    pair_idx              INTEGER NOT NULL CHECK (pair_idx >= 0),
    repeat_idx            INTEGER NOT NULL CHECK (repeat_idx >= 0),
    test_generation_id    INTEGER NOT NULL REFERENCES generations (id),
    control_generation_id INTEGER NOT NULL REFERENCES generations (id),
    test_side             TEXT NOT NULL CHECK (test_side IN ('A', 'B')),
    UNIQUE (sample_id, condition_id, pair_idx, repeat_idx)
) STRICT;

-- Rows are only added: of several for one item and annotator the last counts.
CREATE TABLE annotations (
    id         INTEGER PRIMARY KEY,
    item_id    INTEGER NOT NULL REFERENCES annotation_items (id),
    annotator  TEXT NOT NULL CHECK (annotator <> ''),
    choice     TEXT NOT NULL CHECK (choice IN ('A', 'B', 'same')),
    path       TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;

CREATE INDEX annotations_by_item ON annotations (item_id, annotator);
