//! The rules in force: read from their file at the start, and again when told
//! to, and how often each was met. [`masq_core::rules`] decides.

use masq_core::rules::{Action, Facts, Lists, MAX_FILE, MAX_LIST_BYTES, RuleSet, Verdict};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

pub mod bypass;
pub mod subject;

/// What is done with a flow, and what said so.
#[derive(Clone, Debug)]
pub struct Ruling {
    pub action: Action,
    /// The rule; none where the default applies.
    pub rule: Option<Rc<str>>,
}

/// All rules.
#[derive(Debug)]
pub struct Rules {
    /// None where there are none, whatever a file says.
    file: Option<PathBuf>,
    now: RefCell<Rc<InForce>>,
}

#[derive(Debug)]
struct InForce {
    set: RuleSet,
    /// What each rule is called in a flow's record.
    names: Vec<Rc<str>>,
    hits: Vec<Cell<u64>>,
    by_default: Cell<u64>,
}

impl Rules {
    /// No rule at all.
    pub fn none() -> Rules {
        Rules {
            file: None,
            now: RefCell::new(Rc::new(InForce::of(RuleSet::default()))),
        }
    }

    /// Those of a file; none where there is no such file.
    pub fn load(file: &Path) -> Result<Rules, String> {
        let now = read(file)?;
        Ok(Rules {
            file: Some(file.to_owned()),
            now: RefCell::new(Rc::new(now)),
        })
    }

    /// Takes the file as it is now, or says each reason why not. What was
    /// counted of rules that stay goes on.
    pub fn reload(&self) -> Result<(), String> {
        let Some(file) = &self.file else {
            return Err("this Node was started without rules".to_owned());
        };
        let new = read(file)?;
        let old = self.now.borrow().clone();
        let mut counted: HashMap<&str, u64> = HashMap::new();
        for (rule, hits) in old.set.rules().iter().zip(&old.hits) {
            counted.insert(rule.id(), hits.get());
        }
        for (rule, hits) in new.set.rules().iter().zip(&new.hits) {
            hits.set(counted.get(rule.id()).copied().unwrap_or_default());
        }
        new.by_default.set(old.by_default.get());
        *self.now.borrow_mut() = Rc::new(new);
        Ok(())
    }

    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Looks at the rules in force.
    pub fn with<R>(&self, f: impl FnOnce(&RuleSet) -> R) -> R {
        f(&self.now.borrow().set)
    }

    /// Decides about a flow, and counts it.
    pub fn decide(&self, facts: &Facts) -> Ruling {
        let now = self.now.borrow();
        let verdict = now.set.decide(facts);
        let counter = verdict.rule.and_then(|rule| now.hits.get(rule));
        let counter = counter.unwrap_or(&now.by_default);
        counter.set(counter.get().saturating_add(1));
        now.ruling(&verdict)
    }

    /// The same without counting: nothing comes of it.
    pub fn look(&self, facts: &Facts) -> Ruling {
        let now = self.now.borrow();
        now.ruling(&now.set.decide(facts))
    }

    /// The rules before the one that decides which a flow meets in part, with
    /// why they did not decide: at most `most`, and how many others come before it.
    pub fn passed(&self, facts: &Facts, most: usize) -> (Vec<String>, usize) {
        let now = self.now.borrow();
        let explained = now.set.explain(facts);
        let all = explained.passed.len() + explained.more;
        let near = explained.passed.iter().filter(|passed| passed.near);
        let told: Vec<String> = near
            .take(most)
            .filter_map(|passed| {
                let name = now.names.get(passed.rule)?;
                Some(format!("not {name}: {}", passed.why))
            })
            .collect();
        let others = all - told.len();
        (told, others)
    }

    /// How often each rule was met, and how often none was.
    pub fn hits(&self) -> (Vec<u64>, u64) {
        let now = self.now.borrow();
        let hits = now.hits.iter().map(Cell::get);
        (hits.collect(), now.by_default.get())
    }
}

impl InForce {
    fn of(set: RuleSet) -> InForce {
        let name = |rule: &masq_core::rules::Rule| {
            format!(
                "{} {}: {}",
                rule.action().name(),
                rule.id(),
                rule.conditions()
            )
            .into()
        };
        InForce {
            names: set.rules().iter().map(name).collect(),
            hits: set.rules().iter().map(|_| Cell::new(0)).collect(),
            by_default: Cell::new(0),
            set,
        }
    }

    fn ruling(&self, verdict: &Verdict<'_>) -> Ruling {
        Ruling {
            action: verdict.action.clone(),
            rule: verdict.rule.and_then(|rule| self.names.get(rule)).cloned(),
        }
    }
}

/// Rules that are in order and meet what is expected of them.
fn read(file: &Path) -> Result<InForce, String> {
    let text = match text_of(file, MAX_FILE) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(InForce::of(RuleSet::default()));
        }
        Err(error) => return Err(format!("{} cannot be read: {error}", file.display())),
    };
    let lists = Files {
        folder: file.parent().unwrap_or(Path::new("")),
    };
    let set = RuleSet::parse(&text, &lists).map_err(|errors| errors.to_string())?;
    set.check_expectations()
        .map_err(|failed| failed.to_string())?;
    Ok(InForce::of(set))
}

/// List files, beside the rules.
struct Files<'a> {
    folder: &'a Path,
}

impl Lists for Files<'_> {
    fn read(&self, path: &str) -> Result<String, String> {
        text_of(&self.folder.join(path), MAX_LIST_BYTES).map_err(|error| error.to_string())
    }
}

fn text_of(path: &Path, most: usize) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        return Err(std::io::Error::other(format!("longer than {most} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| std::io::Error::other("not UTF-8"))
}
