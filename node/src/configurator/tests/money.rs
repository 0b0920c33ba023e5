//! Debts and claims from tables that are filled by hand.

use super::*;
use crate::database::money::{GWEI, split};

fn wallet(number: u8) -> String {
    masq_core::wallet::Address::new([number; 20]).to_string()
}

/// Rows of number, gwei and age.
fn fill(fixture: &Fixture, table: &str, time: &str, rows: &[(u8, i128, u64)]) {
    let path = fixture.folder.path().join("node-data.db");
    let connection = rusqlite::Connection::open(path).unwrap();
    for (number, gwei, age) in rows {
        let (high, low) = split(gwei * GWEI + GWEI / 2);
        let command = format!(
            "INSERT INTO {table} (wallet, balance_high, balance_low, {time}) VALUES (?1, ?2, ?3, ?4)"
        );
        let since = i64::try_from(NOW - age).unwrap();
        let values = rusqlite::params![[*number; 20], high, low, since];
        connection.execute(&command, values).unwrap();
    }
}

fn filled() -> Fixture {
    let fixture = Fixture::new();
    let payables = [
        (1, 5, 100),
        (2, 20_000_000_000, 50),
        (3, 7, 2_000),
        (4, 0, 9_999),
    ];
    fill(&fixture, "payable", "last_paid_timestamp", &payables);
    let receivables = [(5, 30, 10), (6, -40, 20), (7, 8, 30)];
    fill(
        &fixture,
        "receivable",
        "last_received_timestamp",
        &receivables,
    );
    fixture
}

fn numbers(list: &Value) -> Vec<u8> {
    let all = list.as_array().unwrap().iter();
    let number = |record: &Value| {
        (1..=9)
            .find(|one| record["wallet"] == wallet(*one))
            .unwrap()
    };
    all.map(number).collect()
}

#[test]
fn totals_are_of_all_accounts() {
    let mut fixture = filled();
    let told = fixture
        .ask("financials", json!({ "statsRequired": true }))
        .unwrap();
    assert_eq!(
        told["statsOpt"],
        json!({
            "totalUnpaidAndPendingPayableGwei": 20_000_000_014u64,
            "totalPaidPayableGwei": 0,
            "totalUnpaidReceivableGwei": 0,
            "totalPaidReceivableGwei": 0,
        })
    );
    assert_eq!(told["queryResultsOpt"], Value::Null);
}

#[test]
fn the_top_is_by_balance_or_age_and_only_what_is_positive() {
    let mut fixture = filled();
    for (order, count, payables, receivables) in [
        ("Balance", 9, vec![2, 3, 1], vec![5, 7]),
        ("Balance", 1, vec![2], vec![5]),
        ("Age", 9, vec![3, 1, 2], vec![7, 5]),
        ("Age", 0, vec![], vec![]),
    ] {
        let top = json!({ "count": count, "orderedBy": order });
        let asked = json!({ "statsRequired": false, "topRecordsOpt": top });
        let told = fixture.ask("financials", asked).unwrap();
        assert_eq!(told["statsOpt"], Value::Null);
        let results = &told["queryResultsOpt"];
        assert_eq!(numbers(&results["payableOpt"]), payables, "{order} {count}");
        assert_eq!(
            numbers(&results["receivableOpt"]),
            receivables,
            "{order} {count}"
        );
    }
}

#[test]
fn records_tell_balance_age_and_the_payment_under_way() {
    let mut fixture = filled();
    let path = fixture.folder.path().join("node-data.db");
    rusqlite::Connection::open(path)
        .unwrap()
        .execute_batch(
            "INSERT INTO pending_payable VALUES (3, '0xabc', 0, 1, 1, 1, NULL);
             UPDATE payable SET pending_payable_rowid = 3 WHERE balance_low = 7500000000",
        )
        .unwrap();
    let range = json!({ "minAgeS": 0, "maxAgeS": 5_000, "minAmountGwei": 6, "maxAmountGwei": 9 });
    let asked = json!({ "statsRequired": false, "customQueriesOpt": { "payableOpt": range } });
    let told = fixture.ask("financials", asked).unwrap();
    assert_eq!(
        told["queryResultsOpt"],
        json!({
            "payableOpt": [{
                "wallet": wallet(3), "ageS": 2_000, "balanceGwei": 7,
                "pendingPayableHashOpt": "0xabc",
            }],
            "receivableOpt": null,
        })
    );
}

#[test]
fn ranges_hold_both_ends_and_are_null_when_empty() {
    let mut fixture = filled();
    let end = i64::MAX;
    for (ages, amounts, found) in [
        ((0, end), (i64::MIN, end), vec![5, 7, 6]),
        ((20, 30), (i64::MIN, end), vec![7, 6]),
        ((0, 19), (i64::MIN, end), vec![5]),
        ((0, end), (-40, 8), vec![6]),
        ((0, end), (9, 31), vec![5]),
        ((0, end), (9, 30), vec![]),
        ((31, end), (i64::MIN, end), vec![]),
        ((30, 20), (i64::MIN, end), vec![]),
    ] {
        let range = json!({
            "minAgeS": ages.0, "maxAgeS": ages.1,
            "minAmountGwei": amounts.0, "maxAmountGwei": amounts.1,
        });
        let asked =
            json!({ "statsRequired": false, "customQueriesOpt": { "receivableOpt": range } });
        let told = fixture.ask("financials", asked).unwrap();
        let list = &told["queryResultsOpt"]["receivableOpt"];
        if found.is_empty() {
            assert_eq!(list, &Value::Null, "{ages:?} {amounts:?}");
        } else {
            assert_eq!(numbers(list), found, "{ages:?} {amounts:?}");
        }
    }
}

#[test]
fn questions_that_cannot_be_answered_have_their_codes() {
    let mut fixture = filled();
    let top = json!({ "count": 1, "orderedBy": "Age" });
    let range = |max: u64| json!({ "minAgeS": 0, "maxAgeS": max, "minAmountGwei": 0, "maxAmountGwei": max });
    let over = i64::MAX as u64 + 1;
    for (asked, code) in [
        (
            json!({ "statsRequired": false }),
            Code::REQUEST_WITH_NO_VALUES,
        ),
        (
            json!({ "statsRequired": true, "customQueriesOpt": {} }),
            Code::REQUEST_WITH_NO_VALUES,
        ),
        (
            json!({ "statsRequired": true, "topRecordsOpt": top,
                "customQueriesOpt": { "payableOpt": range(1) } }),
            Code::MUTUALLY_EXCLUSIVE,
        ),
        (
            json!({ "statsRequired": false, "customQueriesOpt": { "payableOpt": range(over) } }),
            Code::VALUE_EXCEEDS_ALLOWED_LIMIT,
        ),
    ] {
        assert_eq!(
            fixture.refused("financials", asked.clone()).0,
            code,
            "{asked}"
        );
    }
    let ends =
        json!({ "statsRequired": false, "customQueriesOpt": { "payableOpt": range(over - 1) } });
    fixture.ask("financials", ends).unwrap();
}

#[test]
fn a_scan_is_refused_at_once() {
    let mut fixture = Fixture::new();
    for kind in ["Payables", "Receivables", "PendingPayables"] {
        let (code, message) = fixture.refused("scan", json!({ "scanType": kind }));
        assert_eq!(code, Code::SCAN);
        assert!(
            message.starts_with(&format!("{kind} scan failed: '")),
            "{message}"
        );
    }
}
