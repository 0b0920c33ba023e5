//! Descriptors that a program was started with, under numbers that its command
//! line names.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::sys;

/// Takes over a file or pipe, so that no program started later inherits it.
/// To be called once for a number.
pub fn file(number: i32) -> io::Result<File> {
    if number <= 2 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(sys::adopt(number)?.into())
}

/// The number in a path like `/proc/self/fd/4`.
pub fn number_of(path: &Path) -> Option<i32> {
    let name = path.strip_prefix("/proc/self/fd").ok()?;
    name.to_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_descriptor() {
        assert_eq!(number_of(Path::new("/proc/self/fd/4")), Some(4));
        assert_eq!(number_of(Path::new("/proc/self/fd/x")), None);
        assert_eq!(number_of(Path::new("/proc/1/fd/4")), None);
        assert_eq!(number_of(Path::new("/etc/masq.toml")), None);
    }

    #[test]
    fn standard_streams_and_closed_numbers_are_refused() {
        assert!(file(1).is_err());
        assert!(file(1_000_000).is_err());
    }
}
