//! `only` and `except`: lines that stand for a rule and a default.

use std::ops::Range as Span;

use super::super::facts::Action;
use super::super::pattern::AppPattern;
use super::super::rule::{Conditions, Rule};
use super::Reader;

impl Reader<'_> {
    /// What `only` and `except` stand for: a rule behind all others, and a default.
    pub(super) fn expand(
        &mut self,
        only: Option<(Vec<AppPattern>, Span<usize>)>,
        except: Option<(Vec<AppPattern>, Span<usize>)>,
    ) {
        let rule = |id: &str, app: Vec<AppPattern>, action| Rule {
            id: id.to_owned(),
            line: None,
            comment: None,
            enabled: true,
            is: Conditions {
                app,
                ..Conditions::default()
            },
            not: Conditions::default(),
            action,
        };
        match (only, except) {
            (Some(_), Some((_, span))) => {
                let remedy = "keep one of them, and write rules for the rest";
                self.problem(
                    span,
                    "except",
                    "",
                    "`only` and `except` cannot both stand",
                    remedy,
                );
            }
            (Some((mut apps, span)), None) => {
                if matches!(self.read.default, Some(Action::Mesh { .. })) {
                    let remedy = "remove default, which is then direct, or set it to block";
                    let why = "with default = \"mesh\" it says nothing: all apps use the mesh";
                    self.problem(span, "only", "", why, remedy);
                }
                // It may be one of them, so it must not go past the mesh.
                if !apps.contains(&AppPattern::Unknown) {
                    apps.push(AppPattern::Unknown);
                }
                self.read.rules.push(rule("only", apps, Action::MESH));
                self.read.default.get_or_insert(Action::Direct);
            }
            (None, Some((apps, span))) => {
                if self.read.default == Some(Action::Direct) {
                    let remedy = "remove default, which is mesh, or set it to block";
                    let why = "with default = \"direct\" it says nothing: all apps go direct";
                    self.problem(span, "except", "", why, remedy);
                }
                self.read.rules.push(rule("except", apps, Action::Direct));
            }
            (None, None) => {}
        }
    }
}
