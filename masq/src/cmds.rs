//! One module a command.

pub(crate) mod repair;
pub(crate) mod run;
pub(crate) mod status;
