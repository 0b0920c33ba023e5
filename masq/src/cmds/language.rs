//! The languages of phrases, spelled as the Node wants them.

use clap::builder::PossibleValuesParser;

const LANGUAGES: [&str; 8] = [
    "English",
    "Chinese",
    "Traditional Chinese",
    "French",
    "Italian",
    "Japanese",
    "Korean",
    "Spanish",
];

pub(super) fn parser() -> PossibleValuesParser {
    PossibleValuesParser::new(LANGUAGES)
}
