-- What the Node is told, its secrets under a password, and what is owed.
CREATE TABLE setting (
    name   TEXT PRIMARY KEY,
    value  TEXT,
    sealed BLOB,
    CHECK ((value IS NULL) <> (sealed IS NULL))
) STRICT, WITHOUT ROWID;

-- How the key is made from the password; the verifier opens with it.
CREATE TABLE password (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    memory_kib INTEGER NOT NULL,
    passes     INTEGER NOT NULL,
    lanes      INTEGER NOT NULL,
    salt       BLOB NOT NULL,
    verifier   BLOB NOT NULL
) STRICT;

-- Wei are high * 2^63 + low.
CREATE TABLE pending_payable (
    rowid             INTEGER PRIMARY KEY,
    transaction_hash  TEXT NOT NULL UNIQUE,
    amount_high       INTEGER NOT NULL,
    amount_low        INTEGER NOT NULL CHECK (amount_low >= 0),
    payable_timestamp INTEGER NOT NULL,
    attempt           INTEGER NOT NULL,
    process_error     TEXT
) STRICT;

CREATE TABLE payable (
    wallet                BLOB PRIMARY KEY CHECK (length(wallet) = 20),
    balance_high          INTEGER NOT NULL,
    balance_low           INTEGER NOT NULL CHECK (balance_low >= 0),
    last_paid_timestamp   INTEGER NOT NULL,
    pending_payable_rowid INTEGER REFERENCES pending_payable (rowid)
) STRICT, WITHOUT ROWID;

CREATE TABLE receivable (
    wallet                  BLOB PRIMARY KEY CHECK (length(wallet) = 20),
    balance_high            INTEGER NOT NULL,
    balance_low             INTEGER NOT NULL CHECK (balance_low >= 0),
    last_received_timestamp INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE banned (
    wallet BLOB PRIMARY KEY CHECK (length(wallet) = 20)
) STRICT, WITHOUT ROWID;
