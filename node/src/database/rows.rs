//! Rows to values and back. A row that cannot be read is left out and logged:
//! what is remembered of others is a help and no condition.

use super::queue::Pending;
use super::{Loaded, PastNeighbor};
use masq_core::guards::Guard;
use masq_core::identity::{Identity, IdentityError, NodeId};
use masq_core::reputation::Reputation;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// How many of each are kept; those seen longest ago go first.
const MOST_NEIGHBORS: u32 = 256;
const MOST_REPUTATIONS: u32 = 10_000;

/// The bytes of the identity, if there is one.
pub(super) fn identity(
    connection: &Connection,
) -> rusqlite::Result<Option<Result<Identity, IdentityError>>> {
    connection
        .query_row("SELECT bytes FROM identity", [], |row| {
            Ok(Identity::from_bytes(row.get_ref(0)?.as_blob()?))
        })
        .optional()
}

pub(super) fn save_identity(connection: &Connection, identity: &Identity) -> rusqlite::Result<()> {
    connection
        .execute(
            "INSERT OR REPLACE INTO identity (one, bytes) VALUES (1, ?1)",
            params![identity.to_bytes().as_slice()],
        )
        .map(drop)
}

pub(super) fn port(connection: &Connection) -> rusqlite::Result<Option<u16>> {
    connection
        .query_row("SELECT number FROM port", [], |row| row.get(0))
        .optional()
}

pub(super) fn save_port(connection: &Connection, port: u16) -> rusqlite::Result<()> {
    connection
        .execute(
            "INSERT OR REPLACE INTO port (one, number) VALUES (1, ?1)",
            params![port],
        )
        .map(drop)
}

/// All but the identity, the most useful first.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<Loaded> {
    Ok(Loaded {
        identity: None,
        port: port(connection)?,
        neighbors: all(
            connection,
            "SELECT descriptor, last_seen_unix, guard FROM neighbor \
             ORDER BY guard DESC, last_seen_unix DESC, id",
            neighbor,
        )?,
        guards: all(
            connection,
            "SELECT id, added_unix, expires_unix, down_since_unix FROM guard ORDER BY position",
            guard,
        )?,
        reputation: all(
            connection,
            "SELECT id, latency_us, reliability, seen_unix FROM reputation ORDER BY id",
            reputation,
        )?,
    })
}

/// The descriptors of past neighbors, the most useful first.
pub(super) fn past_neighbors(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let query = "SELECT descriptor FROM neighbor ORDER BY guard DESC, last_seen_unix DESC, id";
    let mut statement = connection.prepare(query)?;
    let found = statement.query_map([], |row| row.get(0))?;
    found.collect()
}

/// Writes all that waits, or nothing.
pub(super) fn write(connection: &mut Connection, pending: &Pending) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    {
        let mut put = transaction.prepare(
            "INSERT OR REPLACE INTO neighbor (id, descriptor, last_seen_unix, guard) \
             VALUES (?1, ?2, ?3, ?4)",
        )?;
        let mut forget = transaction.prepare("DELETE FROM neighbor WHERE id = ?1")?;
        for (id, neighbor) in &pending.neighbors {
            match neighbor {
                Some(neighbor) => put.execute(params![
                    id.as_bytes(),
                    neighbor.descriptor.to_string(),
                    signed(neighbor.last_seen_unix),
                    neighbor.guard
                ])?,
                None => forget.execute(params![id.as_bytes()])?,
            };
        }
        transaction.execute(
            "DELETE FROM neighbor WHERE id NOT IN \
             (SELECT id FROM neighbor ORDER BY guard DESC, last_seen_unix DESC, id LIMIT ?1)",
            params![MOST_NEIGHBORS],
        )?;
        if let Some(guards) = &pending.guards {
            transaction.execute("DELETE FROM guard", [])?;
            let mut put = transaction.prepare(
                "INSERT OR IGNORE INTO guard \
                 (position, id, added_unix, expires_unix, down_since_unix) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for (position, guard) in (0u32..).zip(guards) {
                put.execute(params![
                    position,
                    guard.id.as_bytes(),
                    signed(guard.added_unix),
                    signed(guard.expires_unix),
                    guard.down_since_unix.map(signed)
                ])?;
            }
        }
        if !pending.reputation.is_empty() {
            let mut put = transaction.prepare(
                "INSERT OR REPLACE INTO reputation (id, latency_us, reliability, seen_unix) \
                 VALUES (?1, ?2, ?3, ?4)",
            )?;
            for (id, reputation) in &pending.reputation {
                put.execute(params![
                    id.as_bytes(),
                    reputation.latency_us,
                    reputation.reliability,
                    signed(reputation.seen_unix)
                ])?;
            }
            transaction.execute(
                "DELETE FROM reputation WHERE id NOT IN \
                 (SELECT id FROM reputation ORDER BY seen_unix DESC, id LIMIT ?1)",
                params![MOST_REPUTATIONS],
            )?;
        }
    }
    transaction.commit()
}

fn all<T>(
    connection: &Connection,
    query: &str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<Option<T>>,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query([])?;
    let (mut found, mut unread) = (Vec::new(), 0u32);
    while let Some(row) = rows.next()? {
        match read(row) {
            Ok(Some(value)) => found.push(value),
            Ok(None) | Err(_) => unread += 1,
        }
    }
    if unread > 0 {
        tracing::warn!(unread, query, "rows of the database are left out");
    }
    Ok(found)
}

fn neighbor(row: &Row<'_>) -> rusqlite::Result<Option<PastNeighbor>> {
    let Ok(descriptor) = row.get_ref(0)?.as_str()?.parse() else {
        return Ok(None);
    };
    Ok(Some(PastNeighbor {
        descriptor,
        last_seen_unix: unsigned(row.get(1)?),
        guard: row.get(2)?,
    }))
}

fn guard(row: &Row<'_>) -> rusqlite::Result<Option<Guard>> {
    let down_since: Option<i64> = row.get(3)?;
    Ok(Some(Guard {
        id: NodeId::new(row.get(0)?),
        added_unix: unsigned(row.get(1)?),
        expires_unix: unsigned(row.get(2)?),
        down_since_unix: down_since.map(unsigned),
    }))
}

fn reputation(row: &Row<'_>) -> rusqlite::Result<Option<(NodeId, Reputation)>> {
    let reputation = Reputation {
        latency_us: row.get(1)?,
        reliability: row.get(2)?,
        seen_unix: unsigned(row.get(3)?),
    };
    Ok(Some((NodeId::new(row.get(0)?), reputation)))
}

/// SQLite's integers have a sign; times beyond theirs are not times.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}
