//! The password of the database and the wallets in it. Secrets are not printed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Set the password, or change it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangePasswordRequest {
    /// The one that holds; absent when there is none.
    pub old_password_opt: Option<String>,
    /// The one that shall hold.
    pub new_password: String,
}

/// It is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangePasswordResponse {}

/// Another UI changed the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPassword {}

/// Is this the password?
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckPasswordRequest {
    /// The password; absent asks whether there is none.
    pub db_password_opt: Option<String>,
}

/// It is or it is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckPasswordResponse {
    /// It is.
    pub matches: bool,
}

/// Make wallets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GenerateWalletsRequest {
    /// Of the database.
    pub db_password: String,
    /// What the phrase shall be like.
    pub seed_spec_opt: Option<GenerateSeedSpec>,
    /// Of BIP-32.
    pub consuming_derivation_path_opt: Option<String>,
    /// Of BIP-32.
    pub earning_derivation_path_opt: Option<String>,
    /// Whether wallets that are there already may go for ever; without it they stay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replace_wallets: bool,
}

/// What a new phrase shall be like.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GenerateSeedSpec {
    /// 12, 15, 18, 21 or 24 words.
    pub mnemonic_phrase_size_opt: Option<usize>,
    /// Of BIP-39.
    pub mnemonic_phrase_language_opt: Option<String>,
    /// The extra word of BIP-39.
    pub mnemonic_passphrase_opt: Option<String>,
}

/// The wallets. The phrase is shown this once and not kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GenerateWalletsResponse {
    /// The words.
    pub mnemonic_phrase_opt: Option<Vec<String>>,
    /// Who pays.
    pub consuming_wallet_address: String,
    /// Its key.
    pub consuming_wallet_private_key: String,
    /// Who earns.
    pub earning_wallet_address: String,
    /// Its key.
    pub earning_wallet_private_key: String,
}

/// Take wallets that exist.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoverWalletsRequest {
    /// Of the database.
    pub db_password: String,
    /// The phrase; absent when both wallets are given as they are.
    pub seed_spec_opt: Option<RecoverSeedSpec>,
    /// Of BIP-32; not together with a key.
    pub consuming_derivation_path_opt: Option<String>,
    /// The key itself.
    pub consuming_private_key_opt: Option<String>,
    /// Of BIP-32; not together with an address.
    pub earning_derivation_path_opt: Option<String>,
    /// The address itself.
    pub earning_address_opt: Option<String>,
    /// Whether wallets that are there already may go for ever; without it they stay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replace_wallets: bool,
}

/// A phrase that exists.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoverSeedSpec {
    /// The words.
    pub mnemonic_phrase: Vec<String>,
    /// Of BIP-39.
    pub mnemonic_phrase_language_opt: Option<String>,
    /// The extra word of BIP-39.
    pub mnemonic_passphrase_opt: Option<String>,
}

/// They are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoverWalletsResponse {}

/// Which wallets are there?
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WalletAddressesRequest {
    /// Of the database.
    pub db_password: String,
}

/// These.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WalletAddressesResponse {
    /// Who pays.
    pub consuming_wallet_address: String,
    /// Who earns.
    pub earning_wallet_address: String,
}

super::messages! {
    ChangePasswordRequest: "changePassword", Conversation, Node;
    ChangePasswordResponse: "changePassword", Conversation, Node;
    NewPassword: "newPassword", Broadcast, Node;
    CheckPasswordRequest: "checkPassword", Conversation, Node;
    CheckPasswordResponse: "checkPassword", Conversation, Node;
    GenerateWalletsRequest: "generateWallets", Conversation, Node;
    GenerateWalletsResponse: "generateWallets", Conversation, Node;
    RecoverWalletsRequest: "recoverWallets", Conversation, Node;
    RecoverWalletsResponse: "recoverWallets", Conversation, Node;
    WalletAddressesRequest: "walletAddresses", Conversation, Node;
    WalletAddressesResponse: "walletAddresses", Conversation, Node;
}

macro_rules! unprinted {
    ($($name:ident)*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        })*
    };
}

unprinted! {
    ChangePasswordRequest CheckPasswordRequest GenerateWalletsRequest GenerateSeedSpec
    GenerateWalletsResponse RecoverWalletsRequest RecoverSeedSpec WalletAddressesRequest
}
