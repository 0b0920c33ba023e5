//! What is owed and what was paid, from the tables.
//!
//! Nothing is paid by this version, so the paid totals are zero and a scan is refused.

use super::{Answer, Configurator, refuse, told, unread};
use crate::database::money::{Account, Books, GWEI, Selection};
use masq_ui_protocol::message::{
    CustomQueries, FinancialTotals, FinancialsRequest, FinancialsResponse, Order, Payable,
    QueryResults, Range, Receivable, ScanRequest, ScanResponse, ScanType, TopRecords,
};
use masq_ui_protocol::{Code, UiError};

/// Records of one kind in an answer, so that it fits into a frame.
const MOST_RECORDS: u32 = 4_000;
/// What SQLite and other clients can count to.
const LIMIT: u64 = i64::MAX as u64;

impl Configurator {
    pub(super) fn financials(
        &self,
        asked: &FinancialsRequest,
        now_unix: u64,
    ) -> Answer<FinancialsResponse> {
        let results = match (&asked.top_records_opt, &asked.custom_queries_opt) {
            (Some(_), Some(_)) => {
                let what = "topRecordsOpt and customQueriesOpt exclude each other";
                return refuse(Code::MUTUALLY_EXCLUSIVE, what);
            }
            (Some(top), None) => Some(self.top(top, now_unix)?),
            (None, Some(queries)) => Some(self.within(queries, now_unix)?),
            (None, None) if !asked.stats_required => {
                return refuse(Code::REQUEST_WITH_NO_VALUES, "nothing is asked for");
            }
            (None, None) => None,
        };
        let stats_opt = if asked.stats_required {
            Some(self.totals()?)
        } else {
            None
        };
        Ok(FinancialsResponse {
            stats_opt,
            query_results_opt: results,
        })
    }

    fn totals(&self) -> Answer<FinancialTotals> {
        let total = |books| self.store.total(books).map_err(|error| unread(&error));
        Ok(FinancialTotals {
            total_unpaid_and_pending_payable_gwei: unsigned(total(Books::Payable)?),
            total_paid_payable_gwei: 0,
            total_unpaid_receivable_gwei: signed(total(Books::Receivable)?),
            total_paid_receivable_gwei: 0,
        })
    }

    fn top(&self, top: &TopRecords, now_unix: u64) -> Answer<QueryResults> {
        let selection = Selection {
            balance: (GWEI, i128::MAX),
            since_unix: (0, u64::MAX),
            by_age: match top.ordered_by {
                Order::Age => true,
                Order::Balance => false,
            },
            limit: top.count.into(),
        };
        let payables = self.select(Books::Payable, selection.clone())?;
        let receivables = self.select(Books::Receivable, selection)?;
        Ok(QueryResults {
            payable_opt: Some(each(payables, |one| payable(one, now_unix))),
            receivable_opt: Some(each(receivables, |one| receivable(one, now_unix))),
        })
    }

    fn within(&self, queries: &CustomQueries, now_unix: u64) -> Answer<QueryResults> {
        if (&queries.payable_opt, &queries.receivable_opt) == (&None, &None) {
            return refuse(
                Code::REQUEST_WITH_NO_VALUES,
                "customQueriesOpt has no range",
            );
        }
        let payables = match &queries.payable_opt {
            Some(range) => {
                let amounts = [range.min_amount_gwei, range.max_amount_gwei];
                allowed(&amounts)?;
                self.select(Books::Payable, selection(range, now_unix)?)?
            }
            None => Vec::new(),
        };
        let receivables = match &queries.receivable_opt {
            Some(range) => self.select(Books::Receivable, selection(range, now_unix)?)?,
            None => Vec::new(),
        };
        let some = |found: &Vec<Account>| !found.is_empty();
        Ok(QueryResults {
            payable_opt: Some(payables)
                .filter(some)
                .map(|found| each(found, |one| payable(one, now_unix))),
            receivable_opt: Some(receivables)
                .filter(some)
                .map(|found| each(found, |one| receivable(one, now_unix))),
        })
    }

    fn select(&self, books: Books, mut selection: Selection) -> Answer<Vec<Account>> {
        selection.limit = selection.limit.min(MOST_RECORDS + 1);
        let found = self.store.accounts(books, &selection);
        let found = found.map_err(|error| unread(&error))?;
        if found.len() > MOST_RECORDS as usize {
            let what = format!("there are more than {MOST_RECORDS} records; ask for fewer");
            return refuse(Code::VALUE_EXCEEDS_ALLOWED_LIMIT, what);
        }
        Ok(found)
    }
}

pub(super) fn scan(asked: &ScanRequest) -> Answer<ScanResponse> {
    let kind = match asked.scan_type {
        ScanType::Payables => "Payables",
        ScanType::Receivables => "Receivables",
        ScanType::PendingPayables => "PendingPayables",
    };
    let what = format!("{kind} scan failed: 'payments are not part of this version yet'");
    refuse(Code::SCAN, what)
}

fn selection<T: Copy + Into<i128>>(range: &Range<T>, now_unix: u64) -> Answer<Selection> {
    allowed(&[range.min_age_s, range.max_age_s])?;
    Ok(Selection {
        balance: (
            range.min_amount_gwei.into() * GWEI,
            range.max_amount_gwei.into() * GWEI,
        ),
        since_unix: (
            now_unix.saturating_sub(range.max_age_s),
            now_unix.saturating_sub(range.min_age_s),
        ),
        by_age: false,
        limit: u32::MAX,
    })
}

fn allowed(numbers: &[u64]) -> Result<(), UiError> {
    match numbers.iter().find(|number| **number > LIMIT) {
        None => Ok(()),
        Some(number) => Err(told(
            Code::VALUE_EXCEEDS_ALLOWED_LIMIT,
            format!("{number} is above {LIMIT}"),
        )),
    }
}

fn each<T>(found: Vec<Account>, form: impl FnMut(Account) -> T) -> Vec<T> {
    found.into_iter().map(form).collect()
}

fn payable(account: Account, now_unix: u64) -> Payable {
    Payable {
        wallet: account.wallet.to_string(),
        age_s: now_unix.saturating_sub(account.since_unix),
        balance_gwei: unsigned(account.balance),
        pending_payable_hash_opt: account.pending,
    }
}

fn receivable(account: Account, now_unix: u64) -> Receivable {
    Receivable {
        wallet: account.wallet.to_string(),
        age_s: now_unix.saturating_sub(account.since_unix),
        balance_gwei: signed(account.balance),
    }
}

/// Whole gwei; beyond the type's ends it is that.
fn signed(wei: i128) -> i64 {
    let gwei = (wei / GWEI).clamp(i64::MIN.into(), i64::MAX.into());
    i64::try_from(gwei).expect("within the ends")
}

fn unsigned(wei: i128) -> u64 {
    let gwei = (wei / GWEI).clamp(0, u64::MAX.into());
    u64::try_from(gwei).expect("within the ends")
}
