-- The UDP port of the links, chosen once.
CREATE TABLE port (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL CHECK (number BETWEEN 1025 AND 65535)
) STRICT;
