//! Reading, deciding and expecting, by stories.

use super::*;

fn set(text: &str) -> RuleSet {
    RuleSet::parse(text, &NoLists).unwrap()
}

fn decided(set: &RuleSet, case: &str) -> String {
    let case = Case::parse(case).unwrap();
    set.decide(&case.facts).action.to_string()
}

#[test]
fn the_example_is_read_and_its_expectations_hold() {
    struct Example;
    impl Lists for Example {
        fn read(&self, _: &str) -> Result<String, String> {
            Ok("0.0.0.0 ads.example.net\n.tracker.example\n".to_owned())
        }
    }
    let text = include_str!("../../../../docs/example-rules.toml");
    let set = RuleSet::parse(text, &Example).unwrap();

    assert!(set.expectations() >= 8);
    assert_eq!(set.check_expectations(), Ok(()));
    assert_eq!(set.warnings(), []);
}

#[test]
fn without_rules_everything_goes_over_the_mesh() {
    assert_eq!(decided(&set(""), "any -> example.org"), "mesh");
    assert!(!set("").needs_owner());
}

#[test]
fn only_these_apps_leaves_the_rest_direct_and_the_unknown_on_the_mesh() {
    let set = set("only = [\"firefox\"]");

    assert_eq!(decided(&set, "firefox -> example.org"), "mesh");
    assert_eq!(
        decided(&set, "/usr/lib/firefox/firefox -> 10.0.0.1:22"),
        "mesh"
    );
    assert_eq!(decided(&set, "curl -> example.org"), "direct");
    assert_eq!(decided(&set, "unknown -> example.org"), "mesh");
    assert!(set.needs_owner());
}

#[test]
fn all_but_these_apps_leaves_the_unknown_on_the_mesh() {
    let set = set("except = \"steam\"\n[[rule]]\nto = \"ads.example\"\naction = \"block\"");

    assert_eq!(decided(&set, "steam -> example.org"), "direct");
    assert_eq!(decided(&set, "steam -> ads.example"), "block");
    assert_eq!(decided(&set, "unknown -> example.org"), "mesh");
}

#[test]
fn of_an_unknown_program_nobody_says_that_it_is_another() {
    let set = set("[[rule]]\nnot-app = \"steam\"\naction = \"direct\"");

    assert_eq!(decided(&set, "curl -> example.org"), "direct");
    assert_eq!(decided(&set, "unknown -> example.org"), "mesh");
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_its_line() {
    let text = "defualt = \"mesh\"\n\
        expect = [\"firefox example.org = mesh\", \"a -> b = mash\", \"wat:x -> b = mesh\"]\n\
        [[rule]]\nname = \"7\"\nto = [\"a b\", \"10.0.0.1/8\", \"example.org:443\"]\naction = \"direct\"\nhops = 3\n\
        [[rule]]\nport = 0\ncountry = \"XX\"\nprotocl = \"tcp\"\n\
        [[rule]]\nto = \"list:ads.txt\"\naction = \"mesh\"\nhops = 9\nenabled = \"no\"\n";
    let errors = RuleSet::parse(text, &NoLists).unwrap_err().0;
    let lines: Vec<Option<usize>> = errors.iter().map(|error| error.line).collect();

    assert_eq!(
        lines,
        [1, 2, 2, 2, 4, 5, 5, 5, 7, 8, 9, 10, 11, 13, 15, 16].map(Some)
    );
    assert!(errors.iter().all(|error| !error.remedy.is_empty()));
    let shown = RuleErrors(errors).to_string();
    assert!(shown.contains("the network is 10.0.0.0/8"), "{shown}");
    assert!(shown.contains("port = 443"), "{shown}");
    assert!(shown.contains("did you mean protocol?"), "{shown}");
}

#[test]
fn an_expectation_that_does_not_hold_names_the_rule_that_decides() {
    let set = set(
        "expect = \"anna -> example.org = mesh\"\n[[rule]]\nname = \"x\"\nto = \".org\"\naction = \"block\"",
    );
    let shown = set.check_expectations().unwrap_err().to_string();

    assert!(
        shown.contains("line 1") && shown.contains("the rule x decides: block"),
        "{shown}"
    );
}

#[test]
fn a_rule_without_a_name_keeps_the_one_that_is_made_for_it_when_it_moves() {
    let one = "[[rule]]\nto = \"a.example\"\naction = \"block\"\n";
    let two = "[[rule]]\ncomment = \"why\"\nto = \"b.example\"\naction = \"block\"\n";
    let (before, after) = (
        set(&format!("{one}{two}{one}")),
        set(&format!("{two}{one}{one}")),
    );

    assert_eq!(before.rules()[0].id(), after.rules()[1].id());
    assert_eq!(before.rules()[1].id(), after.rules()[0].id());
    assert_eq!(
        before.rules()[2].id(),
        format!("{}-2", before.rules()[0].id())
    );
}

#[test]
fn whole_programs_are_direct_only_where_no_rule_before_can_say_otherwise() {
    let direct = "[[rule]]\nuser = \"anna\"\naction = \"direct\"\n";
    let other = "[[rule]]\nuser = \"bob\"\nto = \"x.org\"\naction = \"mesh\"\n";
    let all = "[[rule]]\nto = \"x.org\"\naction = \"mesh\"\n";
    let whole = vec![WholeDirect::User(IdPattern::Name("anna".to_owned()))];

    assert_eq!(set(direct).whole_direct(), whole);
    assert_eq!(set(&format!("{other}{direct}")).whole_direct(), whole);
    assert_eq!(set(&format!("{all}{direct}")).whole_direct(), []);
    assert_eq!(
        set("except = \"/opt/steam\"").whole_direct(),
        [WholeDirect::AppPath("/opt/steam".to_owned())]
    );
}

#[test]
fn rules_behind_one_that_takes_everything_are_told_of() {
    let set = set("[[rule]]\naction = \"mesh\"\n[[rule]]\napp = \"x\"\naction = \"block\"");

    assert_eq!(set.warnings().len(), 1);
    assert_eq!(set.warnings()[0].line, Some(3));
}

#[test]
fn an_explanation_says_what_each_rule_lacked() {
    let set = set(
        "[[rule]]\nname = \"a\"\napp = \"firefox\"\nport = 80\naction = \"block\"\n[[rule]]\nname = \"b\"\napp = \"firefox\"\naction = \"direct\"",
    );
    let told = set.explain(&Case::parse("firefox -> x.org").unwrap().facts);

    assert_eq!(told.rule, Some(1));
    assert_eq!(
        told.passed,
        [Passed {
            rule: 0,
            near: true,
            why: "its port is not 443".to_owned()
        }]
    );
}

#[test]
fn a_list_that_is_mostly_nonsense_is_refused_and_single_lines_are_passed_over() {
    struct Text(&'static str);
    impl Lists for Text {
        fn read(&self, _: &str) -> Result<String, String> {
            Ok(self.0.to_owned())
        }
    }
    let rule = "[[rule]]\nto = \"list:x\"\naction = \"block\"";
    let good = "127.0.0.1 localhost\n::1 localhost\n0.0.0.0 a.example b.example # c\n*.below.example\n||d^\n192.0.2.0/24\n";
    let set = RuleSet::parse(rule, &Text(good)).unwrap();

    assert_eq!(set.warnings().len(), 1);
    for (case, expected) in [
        ("any -> a.example", "block"),
        ("any -> x.a.example", "mesh"),
        ("any -> x.below.example", "block"),
        ("any -> below.example", "mesh"),
        ("any -> 192.0.2.9", "block"),
        ("any -> localhost", "mesh"),
    ] {
        assert_eq!(decided(&set, case), expected, "{case}");
    }
    assert!(RuleSet::parse(rule, &Text("<html>\n<body>\n")).is_err());
    assert!(RuleSet::parse(rule, &Text("\n# nothing\n")).is_err());
}
