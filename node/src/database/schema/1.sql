-- Who this Node is, and whom it was a neighbor of.
CREATE TABLE identity (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE neighbor (
    id             BLOB PRIMARY KEY CHECK (length(id) = 32),
    descriptor     TEXT NOT NULL,
    last_seen_unix INTEGER NOT NULL,
    guard          INTEGER NOT NULL CHECK (guard IN (0, 1))
) STRICT, WITHOUT ROWID;
