//! The published vectors of BIP-39, BIP-32 and EIP-55, and what well-known phrases give.

use super::*;
use crate::random::seeded::Seeded;
use proptest::prelude::*;

const ABANDON: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                       abandon abandon about";
const JUNK: &str = "test test test test test test test test test test test junk";

fn english(text: &str) -> Phrase {
    Phrase::parse(Language::English, text).unwrap()
}

fn address(phrase: &str, path: &str) -> String {
    let seed = english(phrase).seed("");
    PrivateKey::derive(&seed, &path.parse().unwrap())
        .unwrap()
        .address()
        .to_string()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    push_hex(&mut text, bytes);
    text
}

/// From the vectors of BIP-39: words, and the seed with the extra word TREZOR.
#[test]
fn phrases_give_the_published_seeds() {
    for (phrase, seed) in [
        (
            ABANDON,
            "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04",
        ),
        (
            "legal winner thank year wave sausage worth useful legal winner thank yellow",
            "2e8905819b8723fe2c1d161860e5ee1830318dbf49a83bd451cfb8440c28bd6fa457fe1296106559a3c80937a1c1069be3a3a5bd381ee6260e8d9739fce1f607",
        ),
        (
            "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong",
            "ac27495480225222079d7be181583751e86f571027b0497b5b5d11218e0a8a13332572917f0f8e5a589620c6f15b11c61dee327651a14c34e18231052e48c069",
        ),
    ] {
        assert_eq!(hex(english(phrase).seed("TREZOR").as_bytes()), seed);
    }
}

/// From the Japanese vectors: neither phrase nor extra word is normalized as given.
#[test]
fn words_and_passphrase_are_normalized() {
    let phrase = "あいこくしん　あいこくしん　あいこくしん　あいこくしん　あいこくしん　\
                  あいこくしん　あいこくしん　あいこくしん　あいこくしん　あいこくしん　\
                  あいこくしん　あおぞら";
    let phrase = Phrase::parse(Language::Japanese, phrase).unwrap();
    assert_eq!(
        hex(phrase.seed("㍍ガバヴァぱばぐゞちぢ十人十色").as_bytes()),
        "a262d6fb6122ecf45be09c50492b31f92e9beb7d9a845987a02cefda57a15f9c467a17872029a9e92299b5cbdf306e3a0ee620245cbd508959b6cb7ca637bd55"
    );
    let composed = "\u{e9}";
    let decomposed = "e\u{301}";
    assert_eq!(phrase.seed(composed), phrase.seed(decomposed));
}

/// Vector 1 of BIP-32, its private keys read off the published extended keys.
#[test]
fn keys_are_derived_as_published() {
    let seed: [u8; 16] = from_hex("000102030405060708090a0b0c0d0e0f").unwrap();
    for (path, extended) in [
        (
            "m",
            "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
        ),
        (
            "m/0'/1/2'/2/1000000000",
            "xprvA41z7zogVVwxVSgdKUHDy1SKmdb533PjDz7J6N6mV6uS3ze1ai8FHa8kmHScGpWmj4WggLyQjgPie1rFSruoUihUZREPSL39UNdE3BBDu76",
        ),
    ] {
        let path: bip32::DerivationPath = path.parse().unwrap();
        let key = bip32::XPrv::derive_from_path(&seed, &path).unwrap();
        assert_eq!(*key.to_string(bip32::Prefix::XPRV), *extended);
    }
}

#[test]
fn well_known_phrases_give_their_addresses() {
    assert_eq!(
        address(ABANDON, CONSUMING_PATH),
        "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"
    );
    assert_eq!(
        address(JUNK, CONSUMING_PATH),
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    );
    assert_eq!(
        address(JUNK, EARNING_PATH),
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    );
}

#[test]
fn a_key_is_read_and_written() {
    let digits = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    let key: PrivateKey = digits.parse().unwrap();
    assert_eq!(*key.to_hex(), digits);
    assert_eq!(
        key.address().to_string(),
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    );
    for same in [digits.to_uppercase(), format!("0x{digits}")] {
        assert_eq!(same.parse(), Ok(key.clone()));
    }
    let order = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141";
    for none in ["0".repeat(64).as_str(), order] {
        assert_eq!(none.parse::<PrivateKey>(), Err(KeyError::Range));
    }
    for none in [
        "",
        "12",
        &digits[1..],
        &format!("{digits}0"),
        &"g".repeat(64),
    ] {
        assert_eq!(none.parse::<PrivateKey>(), Err(KeyError::Form));
    }
}

/// The examples of EIP-55.
#[test]
fn addresses_have_the_published_checksums() {
    for text in [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ] {
        let address: Address = text.parse().unwrap();
        assert_eq!(address.to_string(), text);
        for same in [
            text.to_lowercase(),
            format!("0x{}", text[2..].to_uppercase()),
        ] {
            assert_eq!(same.parse(), Ok(address));
        }
    }
}

#[test]
fn a_wrong_checksum_is_refused_and_what_is_no_address_too() {
    let right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    for wrong in [
        "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed",
    ] {
        let error = wrong.parse::<Address>().unwrap_err();
        assert!(error.to_string().contains(right), "{error}");
    }
    let one_digit_else = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAee";
    assert!(matches!(
        one_digit_else.parse::<Address>(),
        Err(AddressError::Checksum(_))
    ));
    for none in ["", "0x", &right[2..], &right[..41], &format!("{right}0")] {
        assert_eq!(none.parse::<Address>(), Err(AddressError::Form), "{none}");
    }
}

#[test]
fn phrases_in_every_language_and_length_read_back() {
    let mut rng = Seeded::new(1);
    for language in Language::ALL {
        assert_eq!(language.name().parse(), Ok(language));
        for count in [12, 15, 18, 21, 24] {
            let phrase = Phrase::generate(language, WordCount::new(count).unwrap(), &mut rng);
            let words: Vec<_> = phrase.words().collect();
            assert_eq!(words.len(), count);
            let read = Phrase::parse(language, &words.join(" ")).unwrap();
            assert_eq!(read.seed(""), phrase.seed(""));
            assert!(read.seed("x") != phrase.seed(""));
        }
    }
    assert_eq!("english".parse::<Language>(), Err(LanguageError));
    assert_eq!("Simplified Chinese".parse::<Language>(), Err(LanguageError));
}

#[test]
fn wrong_phrases_are_refused_with_the_reason() {
    let parse = |text: &str| Phrase::parse(Language::English, text).unwrap_err();
    let count = |count| PhraseError::Count(WordCountError(count));
    assert_eq!(parse(""), count(0));
    assert_eq!(parse("abandon"), count(1));
    assert_eq!(parse(&ABANDON.replace("about", "")), count(11));
    assert_eq!(parse(&"abandon ".repeat(25)), count(25));
    assert_eq!(
        parse(&ABANDON.replace("about", "abuot")),
        PhraseError::Word(12)
    );
    assert_eq!(parse(&"abandon ".repeat(12)), PhraseError::Checksum);
    let long = ABANDON.replace("about", &"a".repeat(1 << 20));
    assert_eq!(parse(&long), PhraseError::Word(12));
    assert!(Phrase::parse(Language::French, ABANDON).is_err());
    for count in [0, 11, 13, 16, 25, usize::MAX] {
        assert_eq!(WordCount::new(count), Err(WordCountError(count)));
    }
}

#[test]
fn wrong_paths_are_refused() {
    for none in [
        "",
        "44'/60'",
        "m/",
        "m//0",
        "m/x",
        "m/2147483648",
        "m/-1",
        &format!("m{}", "/0".repeat(1_000)),
    ] {
        assert_eq!(none.parse::<DerivationPath>(), Err(PathError), "{none}");
    }
    for path in ["m", "m/0", CONSUMING_PATH, "m/2147483647'"] {
        assert_eq!(path.parse::<DerivationPath>().unwrap().to_string(), path);
    }
}

#[test]
fn secrets_are_not_printed() {
    let phrase = english(JUNK);
    let seed = phrase.seed("");
    let key = PrivateKey::derive(&seed, &CONSUMING_PATH.parse().unwrap()).unwrap();
    let printed = format!("{phrase:?} {seed:?} {key:?}");
    assert!(!printed.contains("test") && !printed.contains(key.to_hex().as_str()));
    assert!(!printed.contains(&hex(&seed.as_bytes()[..4])), "{printed}");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,80}") {
        let _ = text.parse::<PrivateKey>();
        let _ = text.parse::<DerivationPath>();
        let _ = text.parse::<Language>();
        for language in Language::ALL {
            let _ = Phrase::parse(language, &text);
        }
        if let Ok(address) = text.parse::<Address>() {
            prop_assert_eq!(address.to_string().parse(), Ok(address));
        }
    }

    #[test]
    fn every_address_reads_back(bytes in any::<[u8; 20]>()) {
        let address = Address::new(bytes);
        prop_assert_eq!(address.to_string().parse(), Ok(address));
    }
}
