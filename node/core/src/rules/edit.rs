//! Changes the text of a `rules.toml` and leaves the person's words, order and spaces as they are.
//!
//! From text to text; whether the result is right is for [`super::RuleSet::parse`] to say.

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, Value};

use super::RuleSet;

/// Where a rule goes: among the rules of the file, from 0; past the end is the end.
pub type Place = usize;

/// Why a change cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It is no TOML.
    #[error("the file cannot be read: {0}")]
    Text(String),
    /// The rules are written in one line, `rule = [...]`.
    #[error("the rules are not written as [[rule]] tables; rewrite them so")]
    Shape,
    /// There is no such rule.
    #[error("there is no rule {0}; `masq rules list` shows them")]
    NoRule(String),
    /// What `only` and `except` stand for is no table.
    #[error("{0} is a line of its own in the file; change it there")]
    Line(String),
}

/// A value of a new rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewValue {
    /// One text.
    Text(String),
    /// A text, or several as alternatives.
    Texts(Vec<String>),
    /// A number.
    Number(i64),
    /// A switch.
    Switch(bool),
}

fn document(text: &str) -> Result<DocumentMut, EditError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.parse::<DocumentMut>()
        .map_err(|error| EditError::Text(error.message().replace('\n', ", ")))
}

fn rules_of(document: &mut DocumentMut) -> Result<&mut ArrayOfTables, EditError> {
    let item = document
        .as_table_mut()
        .entry("rule")
        .or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    item.as_array_of_tables_mut().ok_or(EditError::Shape)
}

/// Puts a rule at a place.
pub fn add(text: &str, place: Place, values: &[(&str, NewValue)]) -> Result<String, EditError> {
    let mut document = document(text)?;
    let mut table = Table::new();
    for (key, value) in values {
        let value = match value {
            NewValue::Text(text) => Value::from(text.as_str()),
            NewValue::Texts(texts) => match texts.as_slice() {
                [one] => Value::from(one.as_str()),
                all => Value::Array(all.iter().map(String::as_str).collect::<Array>()),
            },
            NewValue::Number(number) => Value::from(*number),
            NewValue::Switch(on) => Value::from(*on),
        };
        table.insert(key, Item::Value(value));
    }
    if !text.trim().is_empty() {
        table.decor_mut().set_prefix("\n");
    }
    let rules = rules_of(&mut document)?;
    let mut tables: Vec<Table> = rules.iter().cloned().collect();
    tables.insert(place.min(tables.len()), table);
    replace(rules, tables);
    Ok(document.to_string())
}

/// Takes a rule away, with the comment before it.
pub fn remove(text: &str, set: &RuleSet, which: &str) -> Result<String, EditError> {
    let at = find(set, which)?;
    let mut document = document(text)?;
    let rules = rules_of(&mut document)?;
    if at >= rules.len() {
        return Err(EditError::NoRule(which.to_owned()));
    }
    rules.remove(at);
    Ok(document.to_string())
}

/// Moves a rule to a place among the others.
pub fn move_to(text: &str, set: &RuleSet, which: &str, place: Place) -> Result<String, EditError> {
    let at = find(set, which)?;
    let mut document = document(text)?;
    let rules = rules_of(&mut document)?;
    let mut tables: Vec<Table> = rules.iter().cloned().collect();
    if at >= tables.len() {
        return Err(EditError::NoRule(which.to_owned()));
    }
    let table = tables.remove(at);
    tables.insert(place.min(tables.len()), table);
    replace(rules, tables);
    Ok(document.to_string())
}

/// Switches a rule on or off.
pub fn enable(text: &str, set: &RuleSet, which: &str, on: bool) -> Result<String, EditError> {
    let at = find(set, which)?;
    let mut document = document(text)?;
    let rules = rules_of(&mut document)?;
    let rule = rules
        .get_mut(at)
        .ok_or_else(|| EditError::NoRule(which.to_owned()))?;
    if on {
        rule.remove("enabled");
    } else {
        rule.insert("enabled", Item::Value(Value::from(false)));
    }
    Ok(document.to_string())
}

/// The place of a rule that is named by its name, the one made for it, or its number from 1.
pub fn find(set: &RuleSet, which: &str) -> Result<usize, EditError> {
    let by_number = || {
        which
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_sub(1))
    };
    let by_id = set.rules().iter().position(|rule| rule.id() == which);
    let at = by_id
        .or_else(by_number)
        .filter(|at| *at < set.rules().len());
    let at = at.ok_or_else(|| EditError::NoRule(which.to_owned()))?;
    if set.rules()[at].line().is_none() {
        return Err(EditError::Line(set.rules()[at].id().to_owned()));
    }
    Ok(at)
}

/// The order of the text is that of the positions, so they are shared out anew.
fn replace(rules: &mut ArrayOfTables, tables: Vec<Table>) {
    let mut positions: Vec<isize> = rules.iter().filter_map(Table::position).collect();
    positions.sort_unstable();
    let next = positions
        .last()
        .map_or(isize::MAX / 2, |last| last.saturating_add(1));
    positions.resize(tables.len(), next);
    rules.clear();
    for (mut table, position) in tables.into_iter().zip(positions) {
        table.set_position(Some(position));
        rules.push(table);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::NoLists;

    const TEXT: &str = "\
# My rules.
default = \"mesh\" # all of it

# The bank.
[[rule]]
name = \"bank\"
to = \".bank.example\" # both names
action = \"direct\"

# Games.
[[rule]]
name = \"games\"
app = \"steam\"
action = \"direct\"
";

    fn set(text: &str) -> RuleSet {
        RuleSet::parse(text, &NoLists).unwrap()
    }

    fn ids(text: &str) -> Vec<String> {
        set(text)
            .rules()
            .iter()
            .map(|rule| rule.id().to_owned())
            .collect()
    }

    #[test]
    fn moving_keeps_comments_with_their_rule() {
        let moved = move_to(TEXT, &set(TEXT), "games", 0).unwrap();

        assert_eq!(ids(&moved), ["games", "bank"]);
        let games = moved.find("# Games.").unwrap();
        assert!(games < moved.find("# The bank.").unwrap(), "{moved}");
        assert!(
            moved.contains("# both names") && moved.starts_with("# My rules."),
            "{moved}"
        );
    }

    #[test]
    fn there_and_back_is_the_same_text() {
        let moved = move_to(TEXT, &set(TEXT), "2", 0).unwrap();
        assert_eq!(move_to(&moved, &set(&moved), "1", 1).unwrap(), TEXT);

        let off = enable(TEXT, &set(TEXT), "bank", false).unwrap();
        assert!(!set(&off).rules()[0].enabled());
        assert_eq!(enable(&off, &set(&off), "bank", true).unwrap(), TEXT);

        let texts = NewValue::Texts(vec!["a".to_owned(), "b".to_owned()]);
        let values = [
            ("name", NewValue::Text("new".to_owned())),
            ("app", texts),
            ("action", NewValue::Text("block".to_owned())),
        ];
        for (place, expected) in [
            (0, ["new", "bank", "games"]),
            (1, ["bank", "new", "games"]),
            (9, ["bank", "games", "new"]),
        ] {
            let added = add(TEXT, place, &values).unwrap();
            assert_eq!(ids(&added), expected, "{added}");
            assert_eq!(remove(&added, &set(&added), "new").unwrap(), TEXT);
        }
    }

    #[test]
    fn a_file_begins_with_its_first_rule() {
        let values = [
            ("app", NewValue::Text("x".to_owned())),
            ("action", NewValue::Text("mesh".to_owned())),
        ];
        let text = add("", 0, &values).unwrap();

        assert_eq!(text, "[[rule]]\napp = \"x\"\naction = \"mesh\"\n");
    }

    #[test]
    fn what_cannot_be_changed_is_said() {
        let text = format!(
            "only = [\"x\"]\n{}",
            TEXT.replace("default = \"mesh\" # all of it\n", "")
        );
        let set = set(&text);

        assert_eq!(
            remove(&text, &set, "only"),
            Err(EditError::Line("only".to_owned()))
        );
        for wrong in ["0", "9", "nobody", ""] {
            assert_eq!(
                remove(&text, &set, wrong),
                Err(EditError::NoRule(wrong.to_owned()))
            );
        }
        assert!(matches!(add("a = [", 0, &[]), Err(EditError::Text(_))));
    }
}
