//! List files that rules name.

use std::ops::Range as Span;
use std::sync::Arc;

use super::super::error::{RuleError, shorten};
use super::super::list::List;
use super::{MAX_ALL_ENTRIES, MAX_LISTS, Reader};

impl Reader<'_> {
    /// A list file, read once however many rules name it.
    pub(super) fn list(&mut self, path: &str, key: &str, span: Span<usize>) -> Option<Arc<List>> {
        if let Some(known) = self.known_lists.get(path) {
            return known.clone();
        }
        let remedy = "name a readable file with one name or network a line, or a hosts file";
        let list = if self.known_lists.len() >= MAX_LISTS {
            Err(format!("more than {MAX_LISTS} list files"))
        } else if path.is_empty() || path.chars().any(char::is_control) {
            Err("not a path".to_owned())
        } else {
            let text = self.lists.read(path);
            text.and_then(|text| List::parse(path, &text))
        };
        let known = match list {
            Ok((list, problems, wrong)) => {
                let told = problems.len();
                for problem in problems {
                    let mut warning =
                        RuleError::new("", &problem.value, problem.why, "the entry is passed over")
                            .at(problem.line);
                    warning.file = Some(path.to_owned());
                    self.read.warnings.push(warning);
                }
                if wrong > told {
                    let why = format!("{} more entries cannot be read", wrong - told);
                    let mut warning = RuleError::new("", "", why, "they are passed over");
                    warning.file = Some(path.to_owned());
                    self.read.warnings.push(warning);
                }
                self.entries += list.len();
                if self.entries > MAX_ALL_ENTRIES {
                    let why =
                        format!("the list files have more than {MAX_ALL_ENTRIES} entries together");
                    self.problem(span, key, path, why, "use fewer or shorter lists");
                    None
                } else {
                    let list = Arc::new(list);
                    self.read.lists.push(list.clone());
                    Some(list)
                }
            }
            Err(why) => {
                self.problem(span, key, &format!("list:{path}"), shorten(&why), remedy);
                None
            }
        };
        self.known_lists.insert(path.to_owned(), known.clone());
        known
    }
}
