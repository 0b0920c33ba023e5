-- Where routes begin, and how well Nodes have served.
CREATE TABLE guard (
    position        INTEGER PRIMARY KEY,
    id              BLOB NOT NULL UNIQUE CHECK (length(id) = 32),
    added_unix      INTEGER NOT NULL,
    expires_unix    INTEGER NOT NULL,
    down_since_unix INTEGER
) STRICT;

CREATE TABLE reputation (
    id          BLOB PRIMARY KEY CHECK (length(id) = 32),
    latency_us  INTEGER,
    reliability INTEGER NOT NULL,
    seen_unix   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
