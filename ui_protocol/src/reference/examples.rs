//! One example of every message, with every field that may be there.

use super::Example;
use crate::message::*;

const REQUEST: &str = "Request:";
const ANSWER: &str = "Answer:";
const CONTENT: &str = "Content:";

fn text(text: &str) -> String {
    text.to_owned()
}

pub(crate) fn all() -> Vec<Example> {
    let mut examples = lifecycle();
    examples.extend(configuration());
    examples.extend(mesh());
    examples.extend(super::insight::all());
    examples.extend(super::capture::all());
    examples.extend(super::rules::all());
    examples.extend(accounts());
    examples.extend(money());
    examples
}

fn lifecycle() -> Vec<Example> {
    vec![
        Example::of(REQUEST, StartRequest {}),
        Example::of(
            ANSWER,
            StartResponse {
                new_process_id: 1234,
                redirect_ui_port: 32_768,
            },
        ),
        Example::of("Request, and the answer:", Shutdown {}),
        Example::of(
            CONTENT,
            Redirect {
                port: 32_768,
                opcode: text("descriptor"),
                context_id: Some(7),
                payload: text("{}"),
            },
        ),
        Example::of(
            CONTENT,
            Undelivered {
                opcode: text("crash"),
            },
        ),
        Example::of(
            CONTENT,
            Crashed {
                process_id: 1234,
                crash_reason: CrashReason::Unrecognized(text("the last lines it wrote")),
            },
        ),
        Example::of(
            CONTENT,
            UnmarshalError {
                message: text("opcode is missing"),
                bad_data: text("{}"),
            },
        ),
        Example::of(
            CONTENT,
            Crash {
                actor: text("NEIGHBORHOOD"),
                panic_message: text("a test"),
            },
        ),
        Example::of(
            CONTENT,
            LogBroadcast {
                msg: text("The Node has a neighbor"),
                log_level: LogLevel::Info,
            },
        ),
    ]
}

fn configuration() -> Vec<Example> {
    vec![
        Example::of(
            REQUEST,
            SetupRequest {
                values: vec![
                    SetupRequestValue {
                        name: text("chain"),
                        value: Some(text("base-mainnet")),
                    },
                    SetupRequestValue {
                        name: text("ip"),
                        value: None,
                    },
                ],
            },
        ),
        Example::of(
            "Answer, and broadcast to the other UIs when something changed:",
            SetupResponse {
                running: false,
                values: vec![SetupResponseValue {
                    name: text("chain"),
                    value: text("base-mainnet"),
                    status: SetupStatus::Set,
                }],
                errors: vec![(text("ip"), text("127.0.0.1 cannot be reached by others"))],
            },
        ),
        Example::of(
            REQUEST,
            ConfigurationRequest {
                db_password_opt: Some(text("secret")),
            },
        ),
        Example::of(
            ANSWER,
            ConfigurationResponse {
                blockchain_service_url_opt: Some(text("https://chain.example")),
                chain_name: text("base-mainnet"),
                clandestine_port: 4747,
                current_schema_version: text("1"),
                earning_wallet_address_opt: Some(text(
                    "0x0000000000000000000000000000000000000001",
                )),
                gas_price: 1,
                max_block_count: None,
                neighborhood_mode: text("standard"),
                port_mapping_protocol: None,
                start_block: None,
                consuming_wallet_private_key_opt: None,
                consuming_wallet_address_opt: Some(text(
                    "0x0000000000000000000000000000000000000002",
                )),
                past_neighbors: vec![],
                payment_thresholds: PaymentThresholds {
                    debt_threshold_gwei: 1_000_000_000,
                    maturity_threshold_sec: 1_200,
                    payment_grace_period_sec: 1_200,
                    permanent_debt_allowed_gwei: 500_000_000,
                    threshold_interval_sec: 21_600,
                    unban_below_gwei: 500_000_000,
                },
                rate_pack: RatePack {
                    routing_byte_rate: 53_844,
                    routing_service_rate: 53_844,
                    exit_byte_rate: 107_688,
                    exit_service_rate: 107_688,
                },
                scan_intervals: ScanIntervals {
                    pending_payable_sec: 600,
                    payable_sec: 600,
                    receivable_sec: 600,
                },
            },
        ),
        Example::of(
            REQUEST,
            SetConfigurationRequest {
                name: text("min-hops"),
                value: text("3"),
            },
        ),
        Example::of(ANSWER, SetConfigurationResponse {}),
    ]
}

fn mesh() -> Vec<Example> {
    let group = || CountryGroup {
        country_codes: vec![text("CZ"), text("PL")],
        priority: 1,
    };
    vec![
        Example::of(REQUEST, ConnectionStatusRequest {}),
        Example::of(
            ANSWER,
            ConnectionStatusResponse {
                stage: ConnectionStage::RouteFound,
            },
        ),
        Example::of(
            CONTENT,
            ConnectionChange {
                stage: ConnectionStage::ConnectedToNeighbor,
            },
        ),
        Example::of(REQUEST, DescriptorRequest {}),
        Example::of(
            ANSWER,
            DescriptorResponse {
                node_descriptor_opt: Some(text("masq://base-mainnet:KEY@203.0.113.7:4747")),
            },
        ),
        Example::of(REQUEST, NeighborhoodGraphRequest {}),
        Example::of(
            ANSWER,
            NeighborhoodGraphResponse {
                graph: text("digraph db { }"),
            },
        ),
        Example::of(
            REQUEST,
            ExitLocationRequest {
                fallback_routing: false,
                exit_locations: vec![group()],
                show_countries: false,
            },
        ),
        Example::of(
            ANSWER,
            ExitLocationResponse {
                fallback_routing: false,
                exit_country_selection: vec![group()],
                exit_countries: None,
                missing_countries: vec![text("SK")],
            },
        ),
    ]
}

fn accounts() -> Vec<Example> {
    vec![
        Example::of(
            REQUEST,
            ChangePasswordRequest {
                old_password_opt: None,
                new_password: text("secret"),
            },
        ),
        Example::of(ANSWER, ChangePasswordResponse {}),
        Example::of(CONTENT, NewPassword {}),
        Example::of(
            REQUEST,
            CheckPasswordRequest {
                db_password_opt: Some(text("secret")),
            },
        ),
        Example::of(ANSWER, CheckPasswordResponse { matches: true }),
        Example::of(
            REQUEST,
            GenerateWalletsRequest {
                db_password: text("secret"),
                seed_spec_opt: Some(GenerateSeedSpec {
                    mnemonic_phrase_size_opt: Some(24),
                    mnemonic_phrase_language_opt: Some(text("English")),
                    mnemonic_passphrase_opt: None,
                }),
                consuming_derivation_path_opt: Some(text("m/44'/60'/0'/0/0")),
                earning_derivation_path_opt: Some(text("m/44'/60'/0'/0/1")),
                replace_wallets: true,
            },
        ),
        Example::of(
            ANSWER,
            GenerateWalletsResponse {
                mnemonic_phrase_opt: Some(vec![text("word"), text("word")]),
                consuming_wallet_address: text("0x0000000000000000000000000000000000000002"),
                consuming_wallet_private_key: text("64 hexadecimal digits"),
                earning_wallet_address: text("0x0000000000000000000000000000000000000001"),
                earning_wallet_private_key: text("64 hexadecimal digits"),
            },
        ),
        Example::of(
            REQUEST,
            RecoverWalletsRequest {
                db_password: text("secret"),
                seed_spec_opt: Some(RecoverSeedSpec {
                    mnemonic_phrase: vec![text("word"), text("word")],
                    mnemonic_phrase_language_opt: Some(text("English")),
                    mnemonic_passphrase_opt: None,
                }),
                consuming_derivation_path_opt: Some(text("m/44'/60'/0'/0/0")),
                consuming_private_key_opt: None,
                earning_derivation_path_opt: None,
                earning_address_opt: Some(text("0x0000000000000000000000000000000000000001")),
                replace_wallets: true,
            },
        ),
        Example::of(ANSWER, RecoverWalletsResponse {}),
        Example::of(
            REQUEST,
            WalletAddressesRequest {
                db_password: text("secret"),
            },
        ),
        Example::of(
            ANSWER,
            WalletAddressesResponse {
                consuming_wallet_address: text("0x0000000000000000000000000000000000000002"),
                earning_wallet_address: text("0x0000000000000000000000000000000000000001"),
            },
        ),
    ]
}

fn money() -> Vec<Example> {
    vec![
        Example::of(
            REQUEST,
            FinancialsRequest {
                stats_required: true,
                top_records_opt: Some(TopRecords {
                    count: 10,
                    ordered_by: Order::Balance,
                }),
                custom_queries_opt: Some(CustomQueries {
                    payable_opt: Some(Range {
                        min_age_s: 0,
                        max_age_s: 86_400,
                        min_amount_gwei: 1,
                        max_amount_gwei: 1_000_000_000,
                    }),
                    receivable_opt: None,
                }),
            },
        ),
        Example::of(
            ANSWER,
            FinancialsResponse {
                stats_opt: Some(FinancialTotals {
                    total_unpaid_and_pending_payable_gwei: 1,
                    total_paid_payable_gwei: 2,
                    total_unpaid_receivable_gwei: -3,
                    total_paid_receivable_gwei: 4,
                }),
                query_results_opt: Some(QueryResults {
                    payable_opt: Some(vec![Payable {
                        wallet: text("0x0000000000000000000000000000000000000003"),
                        age_s: 60,
                        balance_gwei: 5,
                        pending_payable_hash_opt: None,
                    }]),
                    receivable_opt: Some(vec![Receivable {
                        wallet: text("0x0000000000000000000000000000000000000004"),
                        age_s: 60,
                        balance_gwei: -6,
                    }]),
                }),
            },
        ),
        Example::of(
            REQUEST,
            ScanRequest {
                scan_type: ScanType::PendingPayables,
            },
        ),
        Example::of(ANSWER, ScanResponse {}),
    ]
}
