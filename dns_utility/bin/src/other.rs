//! Systems whose resolver cannot be switched yet.

use super::{Arguments, Output};

pub(super) fn run(_: &Arguments, _: &mut Output) -> Result<(), String> {
    Err("unsupported on this platform".to_owned())
}
