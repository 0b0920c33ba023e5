//! What UIs are told of live flows, and how they end one.

use super::app::Reset;
use super::world::{SimEntry, World, address, clock};
use super::{SITE, mesh, simulate};
use masq_node::insight::Insight;
use masq_node::insight::health::Vitals;
use masq_ui_protocol::message::{
    CloseConnectionRequest, CloseConnectionResponse, Connection, ConnectionsRequest,
    ConnectionsResponse, FlowProtocol, HealthRequest, HealthResponse, WhyRequest, WhyResponse,
    WhyTopic,
};
use masq_ui_protocol::{Code, Frame, Message, UiError};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::sleep;

const NOW: u64 = 1_790_000_000;

struct Ui {
    insight: Insight<masq_node::link::memory::MemoryLink, super::internet::View>,
    entry: Rc<SimEntry>,
}

impl Ui {
    fn of(entry: &Rc<SimEntry>) -> Ui {
        Ui {
            insight: Insight::new(Some(entry.clone()), Box::new(Vitals::default)),
            entry: entry.clone(),
        }
    }

    fn ask<M: Message, A: Message>(&mut self, asked: &M) -> Result<A, UiError> {
        let frame = Frame::of(asked, Some(7));
        let answer = self.insight.handle(frame, NOW).unwrap();
        assert_eq!(answer.context_id, Some(7));
        // What goes over the wire.
        match Frame::parse(&answer.to_text()) {
            Ok(frame) => frame.message(),
            Err(error) => panic!("an answer is a frame: {error}"),
        }
    }

    fn connections(&mut self) -> Vec<Connection> {
        let answer: ConnectionsResponse = self.ask(&ConnectionsRequest {}).unwrap();
        assert_eq!(answer.total, answer.connections.len() as u64);
        answer.connections
    }

    fn close(&mut self, id: u64) -> bool {
        let answer: CloseConnectionResponse = self.ask(&CloseConnectionRequest { id }).unwrap();
        answer.closed
    }

    fn why(&mut self, asked: WhyRequest) -> Result<WhyResponse, UiError> {
        self.ask(&asked)
    }
}

fn about(host: &str) -> WhyRequest {
    WhyRequest {
        id_opt: None,
        destination_opt: Some(host.to_owned()),
        port_opt: None,
        protocol_opt: None,
        app_opt: None,
    }
}

fn topics(answer: &WhyResponse) -> Vec<WhyTopic> {
    answer.steps.iter().map(|step| step.topic).collect()
}

/// The exits forget a flow soon after its app has gone.
async fn assert_nothing_is_left(world: &World) {
    sleep(Duration::from_secs(3)).await;
    assert_eq!(world.internet.held.get(), 0, "an exit holds its connection");
}

#[test]
fn a_flow_is_listed_explained_and_closed() {
    simulate(async || {
        let world = mesh(Duration::from_millis(5));
        let (machine, entry) = world.machine_and_entry(0, 3);
        let mut ui = Ui::of(&entry);
        assert!(ui.connections().is_empty());
        let first = machine.connect(address(SITE));
        first.send(b"hello").await.unwrap();
        assert_eq!(first.recv().await.unwrap(), b"hello");
        let second = machine.connect(address(SITE));
        second.send(b"more words").await.unwrap();
        assert_eq!(second.recv().await.unwrap(), b"more words");

        let [newest, oldest] = &ui.connections()[..] else {
            panic!("two flows");
        };
        assert!(newest.id > oldest.id, "the newest come first");
        assert_eq!((oldest.sent, oldest.received), (5, 5));
        assert_eq!((newest.sent, newest.received), (10, 10));
        assert_eq!(newest.protocol, FlowProtocol::Tcp);
        assert_eq!(newest.destination, SITE);
        assert_eq!((newest.rule.as_str(), newest.hops.len()), ("mesh", 3));
        assert_eq!(newest.exit_country_opt.as_deref(), Some("ZZ"));
        assert!(newest.received_rate > 0 && newest.age_ms > 0, "{newest:?}");

        let of_flow = WhyRequest {
            id_opt: Some(newest.id),
            destination_opt: None,
            ..about("")
        };
        let why = ui.why(of_flow).unwrap();
        assert!(why.carried);
        let circuit = why
            .steps
            .iter()
            .find(|step| step.topic == WhyTopic::Circuit);
        let circuit = &circuit.unwrap().text;
        assert!(
            newest.hops.iter().all(|hop| circuit.contains(hop)),
            "{circuit}"
        );

        assert!(ui.close(newest.id));
        assert_eq!(second.recv().await, Err(Reset));
        assert!(!ui.close(newest.id), "it is closed once");
        // The other flow does not notice.
        first.send(b"still here").await.unwrap();
        assert_eq!(first.recv().await.unwrap(), b"still here");
        assert_eq!(ui.connections().len(), 1);
        assert!(ui.close(oldest.id));
        assert_eq!(first.recv().await, Err(Reset));
        assert!(ui.connections().is_empty());
        assert_nothing_is_left(&world).await;
    });
}

#[test]
fn a_flow_closes_while_it_still_connects() {
    simulate(async || {
        for hops in [0, 3] {
            let world = mesh(Duration::from_secs(2));
            let (machine, entry) = world.machine_and_entry(0, hops);
            let mut ui = Ui::of(&entry);
            let connection = machine.connect(address(SITE));
            sleep(Duration::from_millis(100)).await;
            let id = ui.connections()[0].id;
            let before = clock();
            assert!(ui.close(id));
            assert_eq!(connection.recv().await, Err(Reset), "{hops} hops");
            assert!(clock() - before < Duration::from_millis(100));
            sleep(Duration::from_millis(100)).await;
            assert!(ui.connections().is_empty(), "{hops} hops");
        }
    });
}

#[test]
fn an_exchange_of_datagrams_is_listed_and_closed() {
    simulate(async || {
        for hops in [0, 3] {
            let world = mesh(Duration::from_millis(5));
            let (machine, entry) = world.machine_and_entry(0, hops);
            let mut ui = Ui::of(&entry);
            let exchange = machine.udp(address("203.0.113.10:9999"));
            exchange.send(b"datagram");
            assert_eq!(exchange.recv().await, b"datagram");
            let flow = ui.connections().remove(0);
            assert_eq!(flow.protocol, FlowProtocol::Udp);
            assert_eq!((flow.sent, flow.received), (8, 8));
            assert!(ui.close(flow.id));
            sleep(Duration::from_secs(1)).await;
            assert!(ui.connections().is_empty(), "{hops} hops");
            // The app may begin anew.
            exchange.send(b"again");
            assert_eq!(exchange.recv().await, b"again");
            assert_eq!(ui.connections().len(), 1);
        }
    });
}

#[test]
fn what_would_happen_follows_the_mesh_as_it_is() {
    simulate(async || {
        let world = mesh(Duration::from_millis(5));
        let (_machine, entry) = world.machine_and_entry(0, 3);
        let mut ui = Ui::of(&entry);
        sleep(Duration::from_millis(10)).await;
        let why = ui.why(about("www.example.org")).unwrap();
        assert!(why.carried);
        use WhyTopic::{Circuit, Dns, Exit, Owner, Rule, Way};
        assert_eq!(topics(&why), [Owner, Dns, Rule, Way, Circuit, Exit]);
        // Asking gives no name an address.
        assert!(ui.entry.with_fake_ips(|names| names.is_empty()));
        world.nodes[1].kill();
        world.nodes[2].kill();
        sleep(Duration::from_millis(100)).await;
        let why = ui.why(about("www.example.org")).unwrap();
        assert!(!why.carried);
        assert_eq!(why.steps.last().unwrap().topic, Circuit);

        let (_machine, entry) = world.machine_and_entry(0, 0);
        let why = Ui::of(&entry).why(about("203.0.113.10")).unwrap();
        assert!(why.carried);
        assert_eq!(topics(&why), [Owner, Dns, Rule, Way]);
    });
}

#[test]
fn questions_that_make_no_sense_are_refused_and_others_left_alone() {
    simulate(async || {
        let world = mesh(Duration::from_millis(5));
        let (_machine, entry) = world.machine_and_entry(0, 3);
        let mut ui = Ui::of(&entry);
        let both = WhyRequest {
            id_opt: Some(1),
            ..about("www.example.org")
        };
        let neither = WhyRequest {
            destination_opt: None,
            ..about("")
        };
        let gone = WhyRequest {
            id_opt: Some(99),
            destination_opt: None,
            ..about("")
        };
        for asked in [both, neither, gone, about("no name"), about("198.18.0.200")] {
            let error = ui.why(asked.clone()).unwrap_err();
            assert_eq!(error.code, Code::NON_PARSABLE_VALUE, "{asked:?}");
        }
        assert!(!ui.close(99));
        let health: HealthResponse = ui.ask(&HealthRequest {}).unwrap();
        // A Node that knows nothing of itself does not even know the time.
        assert!(
            health
                .findings
                .iter()
                .any(|finding| finding.code == "clock-off")
        );
        let text = r#"{"opcode":"closeConnection","contextId":1,"payload":{"id":"x"}}"#;
        let answer = ui.insight.handle(Frame::parse(text).unwrap(), NOW).unwrap();
        assert_eq!(answer.body.unwrap_err().code, Code::UNMARSHAL);
        let text = r#"{"opcode":"descriptor","contextId":1,"payload":{}}"#;
        assert!(
            ui.insight
                .handle(Frame::parse(text).unwrap(), NOW)
                .is_none()
        );
    });
}
