//! Phrases of BIP-39: words that stand for a seed.

use crate::random::CryptoRng;
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// The longest phrase that is read, in bytes; 24 words in Korean have about 500.
const LONGEST_PHRASE: usize = 2_000;

/// The language of the words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    English,
    /// Written in the simplified way.
    Chinese,
    TraditionalChinese,
    French,
    Italian,
    Japanese,
    Korean,
    Spanish,
}

/// No phrases are in this language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a phrase is in English, Chinese, Traditional Chinese, French, Italian, Japanese, Korean or \
     Spanish"
)]
pub struct LanguageError;

/// How many words a phrase has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WordCount(usize);

/// No phrase has so many words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a phrase has 12, 15, 18, 21 or 24 words, not {0}")]
pub struct WordCountError(pub usize);

/// Why words are no phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhraseError {
    /// Too few, too many, or none of the numbers in between.
    #[error(transparent)]
    Count(#[from] WordCountError),
    /// A word is not of the language's list; which one, counted from 1.
    #[error("word {0} is not one of the language's words")]
    Word(usize),
    /// All are words, but not these together in this order.
    #[error("the checksum is wrong: a word is another one, or the order is")]
    Checksum,
}

/// The words.
#[derive(Clone, PartialEq, Eq)]
pub struct Phrase(bip39::Mnemonic);

/// What keys are derived from.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed(Zeroizing<[u8; 64]>);

impl Language {
    /// Every language.
    pub const ALL: [Language; 8] = [
        Language::English,
        Language::Chinese,
        Language::TraditionalChinese,
        Language::French,
        Language::Italian,
        Language::Japanese,
        Language::Korean,
        Language::Spanish,
    ];

    /// The name by which it is chosen.
    pub const fn name(self) -> &'static str {
        match self {
            Language::English => "English",
            Language::Chinese => "Chinese",
            Language::TraditionalChinese => "Traditional Chinese",
            Language::French => "French",
            Language::Italian => "Italian",
            Language::Japanese => "Japanese",
            Language::Korean => "Korean",
            Language::Spanish => "Spanish",
        }
    }

    const fn list(self) -> bip39::Language {
        match self {
            Language::English => bip39::Language::English,
            Language::Chinese => bip39::Language::SimplifiedChinese,
            Language::TraditionalChinese => bip39::Language::TraditionalChinese,
            Language::French => bip39::Language::French,
            Language::Italian => bip39::Language::Italian,
            Language::Japanese => bip39::Language::Japanese,
            Language::Korean => bip39::Language::Korean,
            Language::Spanish => bip39::Language::Spanish,
        }
    }
}

impl FromStr for Language {
    type Err = LanguageError;

    fn from_str(text: &str) -> Result<Self, LanguageError> {
        Language::ALL
            .into_iter()
            .find(|language| language.name() == text)
            .ok_or(LanguageError)
    }
}

impl WordCount {
    /// A number of words that a phrase can have.
    pub const fn new(count: usize) -> Result<Self, WordCountError> {
        match count {
            12 | 15 | 18 | 21 | 24 => Ok(WordCount(count)),
            _ => Err(WordCountError(count)),
        }
    }
}

impl Phrase {
    /// A new phrase.
    pub fn generate(language: Language, count: WordCount, rng: &mut impl CryptoRng) -> Self {
        let mut entropy = Zeroizing::new([0; 32]);
        let entropy = &mut entropy[..count.0 / 3 * 4];
        rng.fill_bytes(entropy);
        let phrase = bip39::Mnemonic::from_entropy_in(language.list(), entropy)
            .expect("16 to 32 bytes, a multiple of 4");
        Phrase(phrase)
    }

    /// The phrase of these words, separated by any white space.
    pub fn parse(language: Language, text: &str) -> Result<Self, PhraseError> {
        let count = text.split_whitespace().count();
        WordCount::new(count)?;
        if text.len() > LONGEST_PHRASE {
            let longest = text.split_whitespace().enumerate();
            let index = longest.max_by_key(|(_, word)| word.len());
            return Err(PhraseError::Word(index.map_or(0, |(index, _)| index) + 1));
        }
        bip39::Mnemonic::parse_in(language.list(), text)
            .map(Phrase)
            .map_err(|error| match error {
                bip39::Error::UnknownWord(index) => PhraseError::Word(index + 1),
                bip39::Error::BadWordCount(count) => WordCountError(count).into(),
                bip39::Error::InvalidChecksum
                | bip39::Error::BadEntropyBitCount(_)
                | bip39::Error::AmbiguousLanguages(_) => PhraseError::Checksum,
            })
    }

    /// The words in their order.
    pub fn words(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.words()
    }

    /// The seed that the words and the extra word, empty for none, stand for.
    pub fn seed(&self, passphrase: &str) -> Seed {
        Seed(Zeroizing::new(self.0.to_seed(passphrase)))
    }
}

impl Seed {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Phrase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Phrase({} words)", self.0.word_count())
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Seed(..)")
    }
}
