//! What is owed, in wei: payables to others, receivables from them.
//!
//! A balance has 127 bits, in two of SQLite's integers: high * 2^63 + low, low never negative,
//! so that they are ordered as the balance is.

use super::{Store, StoreError};
use masq_core::wallet::Address;
use rusqlite::{Connection, Row, params};

/// A thousand million wei.
pub const GWEI: i128 = 1_000_000_000;
const LOW: i128 = (1 << 63) - 1;

/// Which side of the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Books {
    /// What this Node owes.
    Payable,
    /// What others owe to it; below zero when they paid too much.
    Receivable,
}

/// What is owed to one wallet, or by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whose.
    pub wallet: Address,
    /// In wei.
    pub balance: i128,
    /// When something was paid last, or the account was opened.
    pub since_unix: u64,
    /// The hash of a payment that is under way.
    pub pending: Option<String>,
}

/// Which accounts; those below one gwei in either direction are never among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The least and the greatest balance, in wei.
    pub balance: (i128, i128),
    /// The earliest and the latest time.
    pub since_unix: (u64, u64),
    /// The oldest first; the greatest first otherwise.
    pub by_age: bool,
    /// No more than so many.
    pub limit: u32,
}

impl Store {
    /// The accounts of a selection, in its order.
    pub fn accounts(
        &self,
        books: Books,
        selection: &Selection,
    ) -> Result<Vec<Account>, StoreError> {
        self.writer
            .with(|connection| accounts(connection, books, selection))
    }

    /// The sum of all balances, in wei.
    pub fn total(&self, books: Books) -> Result<i128, StoreError> {
        let query = match books {
            Books::Payable => "SELECT balance_high, balance_low FROM payable",
            Books::Receivable => "SELECT balance_high, balance_low FROM receivable",
        };
        self.writer.with(|connection| {
            let mut statement = connection.prepare(query)?;
            let mut balances = statement.query_map([], |row| Ok(join(row.get(0)?, row.get(1)?)))?;
            balances.try_fold(0, |sum: i128, balance| Ok(sum.saturating_add(balance?)))
        })
    }
}

fn accounts(
    connection: &Connection,
    books: Books,
    selection: &Selection,
) -> rusqlite::Result<Vec<Account>> {
    let (table, since, pending) = match books {
        Books::Payable => (
            "payable",
            "last_paid_timestamp",
            "(SELECT transaction_hash FROM pending_payable AS pending \
             WHERE pending.rowid = payable.pending_payable_rowid)",
        ),
        Books::Receivable => ("receivable", "last_received_timestamp", "NULL"),
    };
    let order = if selection.by_age {
        since
    } else {
        "balance_high DESC, balance_low DESC"
    };
    let query = format!(
        "SELECT wallet, balance_high, balance_low, {since}, {pending} FROM {table} \
         WHERE (balance_high, balance_low) BETWEEN (?1, ?2) AND (?3, ?4) \
         AND {since} BETWEEN ?5 AND ?6 \
         AND ((balance_high, balance_low) >= (?7, ?8) OR (balance_high, balance_low) <= (?9, ?10)) \
         ORDER BY {order}, wallet LIMIT ?11"
    );
    let (least, most) = (split(selection.balance.0), split(selection.balance.1));
    let (seen, owing) = (split(GWEI), split(-GWEI));
    let time = |unix: u64| i64::try_from(unix).unwrap_or(i64::MAX);
    let mut statement = connection.prepare(&query)?;
    let found = statement.query_map(
        params![
            least.0,
            least.1,
            most.0,
            most.1,
            time(selection.since_unix.0),
            time(selection.since_unix.1),
            seen.0,
            seen.1,
            owing.0,
            owing.1,
            selection.limit
        ],
        account,
    )?;
    found.collect()
}

fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    let since: i64 = row.get(3)?;
    Ok(Account {
        wallet: Address::new(row.get(0)?),
        balance: join(row.get(1)?, row.get(2)?),
        since_unix: u64::try_from(since).unwrap_or_default(),
        pending: row.get(4)?,
    })
}

/// The two columns of a balance; beyond ±2^126 it is that.
pub fn split(wei: i128) -> (i64, i64) {
    let wei = wei.clamp(-(1 << 126), (1 << 126) - 1);
    let part = |of: i128| i64::try_from(of).expect("63 bits and a sign");
    (part(wei >> 63), part(wei & LOW))
}

/// The balance of two columns.
pub fn join(high: i64, low: i64) -> i128 {
    (i128::from(high) << 63) | i128::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn balances_at_the_ends_are_kept() {
        for (wei, columns) in [
            (0, (0, 0)),
            (1, (0, 1)),
            (-1, (-1, i64::MAX)),
            (LOW, (0, i64::MAX)),
            (LOW + 1, (1, 0)),
            (-(1 << 126), (i64::MIN, 0)),
            ((1 << 126) - 1, (i64::MAX, i64::MAX)),
        ] {
            assert_eq!(split(wei), columns, "{wei}");
            assert_eq!(join(columns.0, columns.1), wei);
        }
        assert_eq!(split(i128::MAX), split((1 << 126) - 1));
    }

    proptest! {
        #[test]
        fn columns_are_ordered_as_balances(
            one in -(1i128 << 126)..1 << 126,
            other in -(1i128 << 126)..1 << 126,
        ) {
            let (a, b) = (split(one), split(other));
            prop_assert!(a.1 >= 0);
            prop_assert_eq!(join(a.0, a.1), one);
            prop_assert_eq!(a.cmp(&b), one.cmp(&other));
        }
    }
}
