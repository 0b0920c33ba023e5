//! What an interpreter runs, from its arguments. Pure.
//!
//! The arguments are the process's own memory: it can say what it likes there.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// How an interpreter is called.
struct Manner {
    /// Options whose value is the next argument.
    valued: &'static [&'static str],
    /// Options after which there is no script, but a text or a module.
    instead: &'static [&'static str],
    /// An option that the script follows; without it there is none.
    behind: Option<&'static str>,
}

const SHELL: Manner = Manner {
    valued: &["-o", "+o", "-O", "+O", "--rcfile", "--init-file"],
    instead: &["-c", "-s"],
    behind: None,
};
const PYTHON: Manner = Manner {
    valued: &["-W", "-X", "--check-hash-based-pycs"],
    instead: &["-c", "-m"],
    behind: None,
};
const PERL: Manner = Manner {
    valued: &["-I"],
    instead: &["-e", "-E"],
    behind: None,
};
const RUBY: Manner = Manner {
    valued: &["-I", "-r", "-C", "-E"],
    instead: &["-e"],
    behind: None,
};
const NODE: Manner = Manner {
    valued: &["-r", "--require", "--import", "-C", "--conditions"],
    instead: &["-e", "--eval", "-p", "--print", "-i"],
    behind: None,
};
const PHP: Manner = Manner {
    valued: &["-c", "-d"],
    instead: &["-r", "-B", "-R", "-E", "-S"],
    behind: None,
};
const JAVA: Manner = Manner {
    valued: &[],
    instead: &[],
    behind: Some("-jar"),
};

/// The manner of an executable; versions such as `python3.11` count as well.
fn manner(executable: &Path) -> Option<&'static Manner> {
    let name = executable.file_name()?.to_str()?;
    let name = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    Some(match name {
        "sh" | "bash" | "dash" | "ash" | "zsh" | "ksh" | "busybox" => &SHELL,
        "python" | "pypy" => &PYTHON,
        "perl" | "lua" | "luajit" | "tclsh" | "guile" | "Rscript" => &PERL,
        "ruby" => &RUBY,
        "node" | "nodejs" | "bun" => &NODE,
        "php" => &PHP,
        "java" => &JAVA,
        _ => return None,
    })
}

/// Whether it is worth reading the arguments of this program.
pub(super) fn interprets(executable: &Path) -> bool {
    manner(executable).is_some()
}

/// The script that these arguments, separated by zeros, name; relative to `cwd`.
pub(super) fn script(executable: &Path, arguments: &[u8], cwd: &Path) -> Option<PathBuf> {
    let manner = manner(executable)?;
    let mut arguments = arguments
        .strip_suffix(b"\0")
        .unwrap_or(arguments)
        .split(|byte| *byte == 0)
        .skip(1);
    let is = |list: &[&str], argument: &[u8]| list.iter().any(|one| one.as_bytes() == argument);
    if let Some(option) = manner.behind {
        arguments.find(|argument| *argument == option.as_bytes())?;
        return Some(absolute(arguments.next()?, cwd));
    }
    while let Some(argument) = arguments.next() {
        if argument == b"--" {
            return Some(absolute(arguments.next()?, cwd));
        }
        if is(manner.instead, argument) || argument == b"-" {
            return None;
        }
        if is(manner.valued, argument) {
            arguments.next()?;
        } else if !argument.starts_with(b"-") && !argument.starts_with(b"+") {
            return Some(absolute(argument, cwd));
        } else if stands_for_text(manner, argument) {
            return None;
        }
    }
    None
}

/// `-ec` of a shell and `-ne` of Perl: several letters behind one dash.
fn stands_for_text(manner: &Manner, argument: &[u8]) -> bool {
    let [b'-', letters @ ..] = argument else {
        return false;
    };
    letters.first() != Some(&b'-')
        && manner.instead.iter().any(|option| match option.as_bytes() {
            [b'-', letter] => letters.contains(letter),
            _ => false,
        })
}

/// Without `.` and `..`; links are left as they are.
fn absolute(path: &[u8], cwd: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for component in cwd.join(OsStr::from_bytes(path)).components() {
        match component {
            Component::ParentDir => {
                whole.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                whole.push(component);
            }
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_argument_that_is_no_option_is_the_script() {
        let cases = [
            (
                "/usr/bin/python3.11",
                "python3 -u tool.py --flag",
                Some("/home/u/tool.py"),
            ),
            (
                "/usr/bin/python3",
                "python3 -W ignore ../x.py",
                Some("/home/x.py"),
            ),
            ("/usr/bin/python3", "python3 -c code a.py", None),
            ("/usr/bin/python3", "python3 -m http.server", None),
            ("/usr/bin/python3", "python3", None),
            (
                "/bin/dash",
                "sh -e /etc/init.d/x start",
                Some("/etc/init.d/x"),
            ),
            ("/bin/bash", "bash -ec text", None),
            ("/bin/bash", "bash -o pipefail ./a.sh", Some("/home/u/a.sh")),
            (
                "/usr/bin/perl",
                "perl -w -- -odd.pl",
                Some("/home/u/-odd.pl"),
            ),
            ("/usr/bin/perl", "perl -ne text file", None),
            (
                "/usr/bin/node",
                "node --require x app.js",
                Some("/home/u/app.js"),
            ),
            ("/usr/bin/node", "node -e 1", None),
            (
                "/opt/jdk/bin/java",
                "java -Xmx1g -cp a:b -jar app.jar",
                Some("/home/u/app.jar"),
            ),
            ("/opt/jdk/bin/java", "java -cp a Main", None),
            ("/usr/bin/curl", "curl file", None),
        ];
        for (executable, line, expected) in cases {
            let arguments = line.replace(' ', "\0") + "\0";
            let found = script(
                Path::new(executable),
                arguments.as_bytes(),
                Path::new("/home/u"),
            );
            assert_eq!(found.as_deref(), expected.map(Path::new), "{line}");
        }
    }
}
