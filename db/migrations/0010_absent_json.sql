-- `json_valid(NULL)` is 0 in SQLite 3.40, which many systems have: its integrity check said of every model whose generations
-- were imported, and of every one that was not derived, that a rule is broken.

-- The views name the table that is made anew.
PRAGMA legacy_alter_table = ON;

CREATE TABLE new_models (
    id              INTEGER PRIMARY KEY,
    sha256          TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
    kind            TEXT NOT NULL DEFAULT 'file' CHECK (kind IN ('file', 'imported')),
    label           TEXT NOT NULL,
    quantization    TEXT NOT NULL,
    path            TEXT,
    architecture    TEXT,
    n_parameters    INTEGER CHECK (n_parameters >= 0),
    bits_per_weight REAL CHECK (bits_per_weight > 0),
    size_bytes      INTEGER CHECK (size_bytes >= 0),
    metadata        TEXT CHECK (metadata IS NULL OR json_valid(metadata)),
    composition     TEXT CHECK (composition IS NULL OR json_valid(composition)),
    parent_sha256   TEXT CHECK (length(parent_sha256) = 64),
    derivation      TEXT CHECK (derivation IS NULL OR json_valid(derivation)),
    created_at      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    -- Of a file everything is known, of a model whose generations were imported nothing but what it is called.
    CHECK (kind = 'imported' OR (
        path IS NOT NULL AND architecture IS NOT NULL AND n_parameters IS NOT NULL AND bits_per_weight IS NOT NULL
        AND size_bytes IS NOT NULL AND metadata IS NOT NULL AND composition IS NOT NULL
    )),
    CHECK ((parent_sha256 IS NULL) = (derivation IS NULL))
) STRICT;

INSERT INTO new_models
SELECT id, sha256, kind, label, quantization, path, architecture, n_parameters, bits_per_weight, size_bytes, metadata,
    composition, parent_sha256, derivation, created_at
FROM models ORDER BY id;

DROP TABLE models;
ALTER TABLE new_models RENAME TO models;

PRAGMA legacy_alter_table = OFF;
