//! Rules: files of people, list files of strangers, flows of any app.

use masq_core::rules::edit::{self, NewValue};
use masq_core::rules::{Case, Lists, RuleSet};

/// A list is whatever stands behind the rules.
struct Behind<'a>(&'a str);

impl Lists for Behind<'_> {
    fn read(&self, _path: &str) -> Result<String, String> {
        Ok(self.0.to_owned())
    }
}

/// What parts a rules file from a list, and that from flows.
const BREAK: &str = "\n%%\n";

/// Reads rules and a list: a problem has a reason and a remedy, and an edited file reads back.
pub fn rules_parse(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let (text, list) = text.split_once(BREAK).unwrap_or((text, ""));
    let lists = Behind(list);
    let set = match RuleSet::parse(text, &lists) {
        Ok(set) => set,
        Err(errors) => {
            assert!(!errors.0.is_empty());
            assert!(
                errors
                    .0
                    .iter()
                    .all(|error| !error.why.is_empty() && !error.remedy.is_empty())
            );
            assert!(errors.to_string().len() < 100_000);
            return;
        }
    };
    let _ = set.check_expectations();
    let _ = (
        set.whole_direct(),
        set.isolation_groups(),
        set.needs_owner(),
    );
    let values = [
        ("app", NewValue::Text("fuzz".to_owned())),
        ("action", NewValue::Text("block".to_owned())),
    ];
    if let Ok(longer) = edit::add(text, 0, &values)
        && let Ok(more) = RuleSet::parse(&longer, &lists)
    {
        assert_eq!(more.rules().len(), set.rules().len() + 1);
        assert_eq!(more.rules()[0].conditions(), "app = fuzz");
        let id = more.rules()[0].id().to_owned();
        let back = edit::remove(&longer, &more, &id).expect("a rule that was added can be removed");
        let back = RuleSet::parse(&back, &lists).expect("without it the file is right again");
        assert_eq!(back.rules().len(), set.rules().len());
    }
}

/// Decides flows: the index says what asking each rule says.
pub fn rules_decide(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let mut parts = text.splitn(3, BREAK);
    let (Some(rules), Some(list), Some(flows)) = (parts.next(), parts.next(), parts.next()) else {
        return;
    };
    let Ok(set) = RuleSet::parse(rules, &Behind(list)) else {
        return;
    };
    for flow in flows.lines().take(64) {
        let Ok(case) = Case::parse(flow) else {
            continue;
        };
        let verdict = set.decide(&case.facts);
        assert_eq!(verdict, set.decide_plainly(&case.facts));
        let told = set.explain(&case.facts);
        assert_eq!((told.rule, &told.action), (verdict.rule, verdict.action));
    }
}
