//! Wallets: made, taken, refused and replaced.

use super::*;

const PHRASE: &str = "test test test test test test test test test test test junk";
const FIRST: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
const FIRST_KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const SECOND: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

fn words(phrase: &str) -> Value {
    phrase.split(' ').collect()
}

/// A request with the password and the fields.
fn with(fields: Value) -> Value {
    let mut asked = json!({ "dbPassword": "first" });
    let Value::Object(fields) = fields else {
        panic!("fields");
    };
    asked.as_object_mut().unwrap().extend(fields);
    asked
}

fn addresses(fixture: &mut Fixture) -> (String, String) {
    let told = fixture.ask("walletAddresses", with(json!({}))).unwrap();
    let text = |name: &str| told[name].as_str().unwrap().to_owned();
    (text("consumingWalletAddress"), text("earningWalletAddress"))
}

#[test]
fn new_wallets_come_from_the_phrase_that_is_shown() {
    for (spec, count) in [
        (Value::Null, 24),
        (json!({}), 24),
        (json!({ "mnemonicPhraseSizeOpt": 12 }), 12),
        (
            json!({ "mnemonicPhraseSizeOpt": 15, "mnemonicPhraseLanguageOpt": "Japanese" }),
            15,
        ),
        (json!({ "mnemonicPassphraseOpt": "extra" }), 24),
    ] {
        let mut fixture = Fixture::locked();
        let made = fixture
            .ask("generateWallets", with(json!({ "seedSpecOpt": spec })))
            .unwrap();
        let phrase = &made["mnemonicPhraseOpt"];
        assert_eq!(phrase.as_array().unwrap().len(), count);
        let key = made["consumingWalletPrivateKey"].as_str().unwrap();
        assert!(key.len() == 64 && key == key.to_uppercase());
        let (consuming, earning) = addresses(&mut fixture);
        assert_eq!(made["consumingWalletAddress"], consuming);
        assert_eq!(made["earningWalletAddress"], earning);
        assert_ne!(consuming, earning);

        let mut other = Fixture::locked();
        let spec = json!({
            "mnemonicPhrase": phrase,
            "mnemonicPhraseLanguageOpt": spec["mnemonicPhraseLanguageOpt"],
            "mnemonicPassphraseOpt": spec["mnemonicPassphraseOpt"],
        });
        other
            .ask("recoverWallets", with(json!({ "seedSpecOpt": spec })))
            .unwrap();
        assert_eq!(addresses(&mut other), (consuming, earning));
    }
}

#[test]
fn a_known_phrase_gives_its_wallets() {
    let mut fixture = Fixture::locked();
    let seed = json!({ "mnemonicPhrase": words(PHRASE) });
    let asked = with(json!({ "seedSpecOpt": seed }));
    assert_eq!(fixture.ask("recoverWallets", asked.clone()), Ok(json!({})));
    assert_eq!(
        addresses(&mut fixture),
        (FIRST.to_owned(), SECOND.to_owned())
    );
    fixture.ask("recoverWallets", asked).unwrap();

    let mut fixture = Fixture::locked();
    let asked = with(json!({
        "seedSpecOpt": seed,
        "consumingDerivationPathOpt": "m/44'/60'/0'/0/1",
        "earningDerivationPathOpt": "m/44'/60'/0'/0/0",
    }));
    fixture.ask("recoverWallets", asked).unwrap();
    assert_eq!(
        addresses(&mut fixture),
        (SECOND.to_owned(), FIRST.to_owned())
    );
}

#[test]
fn a_key_and_an_address_are_taken_as_they_are() {
    let mut fixture = Fixture::locked();
    for earning in [SECOND.to_owned(), SECOND.to_lowercase()] {
        let asked = json!({ "consumingPrivateKeyOpt": FIRST_KEY, "earningAddressOpt": earning });
        fixture.ask("recoverWallets", with(asked)).unwrap();
        assert_eq!(
            addresses(&mut fixture),
            (FIRST.to_owned(), SECOND.to_owned())
        );
    }
}

#[test]
fn another_wallet_is_refused_unless_it_is_confirmed() {
    let mut fixture = Fixture::locked();
    let known = json!({ "consumingPrivateKeyOpt": FIRST_KEY, "earningAddressOpt": SECOND });
    fixture.ask("recoverWallets", with(known)).unwrap();
    let before = addresses(&mut fixture);
    let other_earning = json!({ "consumingPrivateKeyOpt": FIRST_KEY, "earningAddressOpt": FIRST });
    let other_consuming = json!({
        "consumingPrivateKeyOpt": "1".repeat(64), "earningAddressOpt": SECOND,
    });
    for (opcode, mut asked) in [
        ("recoverWallets", with(other_earning)),
        ("recoverWallets", with(other_consuming)),
        ("generateWallets", with(json!({}))),
    ] {
        let (code, message) = fixture.refused(opcode, asked.clone());
        assert_eq!(code, Code::CONFIGURATOR_WRITE);
        assert!(message.contains("replaceWallets: true"), "{message}");
        assert_eq!(addresses(&mut fixture), before);

        asked["replaceWallets"] = json!(true);
        let mut sure = Fixture::locked();
        let known = json!({ "consumingPrivateKeyOpt": FIRST_KEY, "earningAddressOpt": SECOND });
        sure.ask("recoverWallets", with(known)).unwrap();
        sure.ask(opcode, asked).unwrap();
        assert_ne!(addresses(&mut sure), before);
    }
}

#[test]
fn a_wallet_that_is_missing_is_named() {
    let mut fixture = Fixture::locked();
    let (code, message) = fixture.refused("walletAddresses", with(json!({})));
    assert_eq!(code, Code::MISSING_DATA);
    assert!(message.contains("neither"), "{message}");
    let earning = [(crate::database::Setting::EarningWalletAddress, Some(SECOND))];
    fixture.store.save_settings(&earning).unwrap();
    let (code, message) = fixture.refused("walletAddresses", with(json!({})));
    assert_eq!(code, Code::MISSING_DATA);
    assert!(
        message.contains(SECOND) && message.contains("no consuming"),
        "{message}"
    );
}

#[test]
fn each_mistake_has_its_code() {
    let seed = |phrase: &str| json!({ "seedSpecOpt": { "mnemonicPhrase": words(phrase) } });
    let french = json!({ "seedSpecOpt": {
        "mnemonicPhrase": words(PHRASE), "mnemonicPhraseLanguageOpt": "French" } });
    let klingon = json!({ "seedSpecOpt": {
        "mnemonicPhrase": words(PHRASE), "mnemonicPhraseLanguageOpt": "Klingon" } });
    let pathless = json!({ "seedSpecOpt": { "mnemonicPhrase": words(PHRASE) },
        "earningDerivationPathOpt": "nowhere" });
    let long_word = json!({ "seedSpecOpt": {
        "mnemonicPhrase": words(PHRASE), "mnemonicPassphraseOpt": "p".repeat(2_000) } });
    let wrong_checksum = SECOND.replace("79C8", "79c8");
    for (opcode, fields, code) in [
        (
            "generateWallets",
            json!({ "dbPassword": "wrong" }),
            Code::BAD_PASSWORD,
        ),
        (
            "recoverWallets",
            json!({ "dbPassword": "wrong" }),
            Code::BAD_PASSWORD,
        ),
        (
            "walletAddresses",
            json!({ "dbPassword": "wrong" }),
            Code::BAD_PASSWORD,
        ),
        (
            "generateWallets",
            json!({ "consumingDerivationPathOpt": "m" }),
            Code::MISSING_DATA,
        ),
        (
            "generateWallets",
            json!({ "seedSpecOpt": { "mnemonicPhraseSizeOpt": 13 } }),
            Code::ILLEGAL_MNEMONIC_WORD_COUNT,
        ),
        (
            "generateWallets",
            json!({ "seedSpecOpt": { "mnemonicPhraseLanguageOpt": "english" } }),
            Code::UNRECOGNIZED_MNEMONIC_LANGUAGE,
        ),
        (
            "generateWallets",
            json!({ "seedSpecOpt": {}, "consumingDerivationPathOpt": "44'" }),
            Code::DERIVATION_PATH,
        ),
        ("recoverWallets", json!({}), Code::MISSING_DATA),
        (
            "recoverWallets",
            json!({ "consumingPrivateKeyOpt": FIRST_KEY }),
            Code::MISSING_DATA,
        ),
        (
            "recoverWallets",
            json!({ "earningAddressOpt": FIRST }),
            Code::MISSING_DATA,
        ),
        (
            "recoverWallets",
            json!({ "consumingPrivateKeyOpt": "12" }),
            Code::KEY_PAIR_CONSTRUCTION,
        ),
        (
            "recoverWallets",
            json!({ "consumingPrivateKeyOpt": FIRST_KEY, "earningAddressOpt": wrong_checksum }),
            Code::NON_PARSABLE_VALUE,
        ),
        ("recoverWallets", seed("test junk"), Code::MNEMONIC_PHRASE),
        (
            "recoverWallets",
            seed(&PHRASE.replace("junk", "test")),
            Code::MNEMONIC_PHRASE,
        ),
        ("recoverWallets", french, Code::MNEMONIC_PHRASE),
        (
            "recoverWallets",
            klingon,
            Code::UNRECOGNIZED_MNEMONIC_LANGUAGE,
        ),
        ("recoverWallets", pathless, Code::DERIVATION_PATH),
        ("recoverWallets", long_word, Code::MNEMONIC_PHRASE),
    ] {
        let mut fixture = Fixture::locked();
        let (found, message) = fixture.refused(opcode, with(fields));
        assert_eq!(found, code, "{opcode}: {message}");
        assert!(
            !message.contains(FIRST_KEY) && !message.contains("junk"),
            "{message}"
        );
        assert_eq!(
            fixture.refused("walletAddresses", with(json!({}))).0,
            Code::MISSING_DATA
        );
    }
    let mut fixture = Fixture::new();
    let (code, message) = fixture.refused("generateWallets", with(json!({})));
    assert_eq!(code, Code::BAD_PASSWORD);
    assert!(message.contains("no password has been set"), "{message}");
}
