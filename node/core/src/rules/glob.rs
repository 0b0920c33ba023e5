//! Patterns with `*` and `?`, in a time that is at most their length times the text's.

/// The most letters of a pattern.
pub(super) const MAX_PATTERN: usize = 512;

/// The most `*` and `?` of one pattern.
const MAX_WILD: usize = 16;

/// What a pattern is for, which says how far a `*` reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `*` and `?` stop at `/`, `**` does not, `/**/` also stands for `/`.
    Path,
    /// `*` stands for any letters.
    Flat,
}

/// A pattern that was read; equal texts are equal patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Literal(String),
    /// One letter, not `/` in paths.
    One {
        slash: bool,
    },
    /// Any letters, without `/` in paths.
    Run {
        slash: bool,
    },
    /// No folders or some, each with its `/`.
    Folders,
}

impl Glob {
    /// Reads a pattern, or says why it is none.
    pub(super) fn parse(text: &str, kind: Kind) -> Result<Glob, String> {
        if text.is_empty() {
            return Err("the text is empty".to_owned());
        }
        if text.len() > MAX_PATTERN {
            return Err(format!("longer than {MAX_PATTERN} bytes"));
        }
        if text.chars().any(char::is_control) {
            return Err("it has a letter that cannot be seen".to_owned());
        }
        let mut glob = Glob {
            text: text.to_owned(),
            tokens: Vec::new(),
        };
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '*' => {
                    let stars = rest.len() - rest.trim_start_matches('*').len();
                    let wide = kind == Kind::Flat || stars > 1;
                    let behind = &rest[stars..];
                    let at_folder = glob.literal_end().is_none_or(|end| end == '/');
                    if kind == Kind::Path && wide && at_folder && behind.starts_with('/') {
                        glob.tokens.push(Token::Folders);
                        stars + 1
                    } else {
                        glob.tokens.push(Token::Run { slash: wide });
                        stars
                    }
                }
                '?' => {
                    let slash = kind == Kind::Flat;
                    glob.tokens.push(Token::One { slash });
                    1
                }
                _ => {
                    let end = rest.find(['*', '?']).unwrap_or(rest.len());
                    glob.tokens.push(Token::Literal(rest[..end].to_owned()));
                    end
                }
            };
            rest = &rest[length..];
        }
        let wild = |token: &&Token| !matches!(token, Token::Literal(_));
        if glob.tokens.iter().filter(wild).count() > MAX_WILD {
            return Err(format!("more than {MAX_WILD} times * or ?"));
        }
        Ok(glob)
    }

    /// The last letter so far, if it is known; none also at the beginning.
    fn literal_end(&self) -> Option<char> {
        match self.tokens.last() {
            Some(Token::Literal(text)) => text.chars().last(),
            Some(Token::Folders) => Some('/'),
            Some(Token::One { .. } | Token::Run { .. }) => Some('*'),
            None => None,
        }
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The text that it stands for when it stands for one only.
    pub(super) fn literal(&self) -> Option<&str> {
        match self.tokens.as_slice() {
            [Token::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// What every text that matches begins with.
    pub(super) fn prefix(&self) -> &str {
        match self.tokens.first() {
            Some(Token::Literal(text)) => text,
            _ => "",
        }
    }

    /// What every text that matches ends with.
    pub(super) fn suffix(&self) -> &str {
        match self.tokens.last() {
            Some(Token::Literal(text)) => text,
            _ => "",
        }
    }

    /// Whether the whole text is what the pattern stands for.
    pub(super) fn matches(&self, text: &str) -> bool {
        if let Some(literal) = self.literal() {
            return literal == text;
        }
        if !text.starts_with(self.prefix()) || !text.ends_with(self.suffix()) {
            return false;
        }
        // For each place in the text whether the tokens so far can end there.
        let mut small = [[false; SMALL]; 2];
        if text.len() < SMALL {
            let [one, other] = &mut small;
            return self.run(text, &mut one[..=text.len()], &mut other[..=text.len()]);
        }
        let (mut one, mut other) = (vec![false; text.len() + 1], vec![false; text.len() + 1]);
        self.run(text, &mut one, &mut other)
    }

    fn run<'a>(&self, text: &str, mut from: &'a mut [bool], mut to: &'a mut [bool]) -> bool {
        let bytes = text.as_bytes();
        from[0] = true;
        for token in &self.tokens {
            to.fill(false);
            match token {
                Token::Literal(literal) => {
                    for at in 0..from.len() {
                        if from[at] && bytes[at..].starts_with(literal.as_bytes()) {
                            to[at + literal.len()] = true;
                        }
                    }
                }
                Token::One { slash } => {
                    for (at, letter) in text.char_indices() {
                        if from[at] && (*slash || letter != '/') {
                            to[at + letter.len_utf8()] = true;
                        }
                    }
                }
                Token::Run { slash } => {
                    for at in 0..from.len() {
                        let before = at > 0 && to[at - 1] && (*slash || bytes[at - 1] != b'/');
                        to[at] = from[at] || before;
                    }
                }
                Token::Folders => {
                    let mut seen = false;
                    for at in 0..from.len() {
                        to[at] = from[at] || (seen && bytes[at - 1] == b'/');
                        seen |= from[at];
                    }
                }
            }
            std::mem::swap(&mut from, &mut to);
        }
        from[text.len()]
    }
}

const SMALL: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_star_stays_in_its_folder_and_two_do_not() {
        let cases = [
            ("/usr/bin/*", "/usr/bin/curl", true),
            ("/usr/bin/*", "/usr/bin/x/curl", false),
            ("/opt/**", "/opt/a/b/c", true),
            ("/opt/**", "/opt", false),
            ("/usr/**/firefox", "/usr/lib/x/firefox", true),
            ("/usr/**/firefox", "/usr/firefox", true),
            ("/usr/**/firefox", "/usr/xfirefox", false),
            ("**/firefox", "/a/b/firefox", true),
            ("**/firefox", "/a/b/xfirefox", false),
            ("/a?c", "/abc", true),
            ("/a?c", "/a/c", false),
            ("/h\u{e9}*/?", "/h\u{e9}llo/\u{e9}", true),
            ("/home/*/bin/**", "/home/anna/bin/x/y", true),
        ];
        for (pattern, text, expected) in cases {
            let glob = Glob::parse(pattern, Kind::Path).unwrap();
            assert_eq!(glob.matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn in_names_a_star_stands_for_dots_too() {
        let glob = Glob::parse("ads*.example.*", Kind::Flat).unwrap();

        assert!(glob.matches("ads1.x.example.org"));
        assert!(!glob.matches("bads.example.org"));
    }

    #[test]
    fn patterns_that_would_cost_are_refused() {
        for wrong in ["", "a\nb", &"*a".repeat(17), &"a".repeat(513)] {
            assert!(Glob::parse(wrong, Kind::Flat).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_matches_without_a_panic(
            pattern in "[a-c/*?\u{e9}]{1,20}", text in "[a-c/\u{e9}]{0,200}"
        ) {
            for kind in [Kind::Path, Kind::Flat] {
                let Ok(glob) = Glob::parse(&pattern, kind) else { continue };
                let _ = glob.matches(&text);
            }
        }

        #[test]
        fn a_star_for_a_piece_still_matches(text in "[a-c/]{1,20}", from: prop::sample::Index, to: prop::sample::Index) {
            let (from, to) = (from.index(text.len()), to.index(text.len()));
            let (from, to) = (from.min(to), from.max(to));
            let pattern = format!("{}**{}", &text[..from], &text[to..]);
            let flat = Glob::parse(&pattern, Kind::Flat).unwrap();
            prop_assert!(flat.matches(&text));
        }
    }
}
