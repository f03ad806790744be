//! The gates of endpoints: each reason, whether it holds or not.

use std::fmt::{self, Write};

use super::writer::{Kind, Number, Writer};
use crate::{
    endpoint::{GateHistory, Reason},
    metrics::gathered::Gathered,
};

struct Family {
    name: &'static str,
    unit: Option<&'static str>,
    help: &'static str,
    kind: Kind,
    number: fn(&GateHistory) -> Number,
}

static FAMILIES: [Family; 3] = [
    Family {
        name: "closed",
        unit: None,
        help: "1 while the endpoint's gate is closed for the reason.",
        kind: Kind::Gauge,
        number: |gate| Number::Whole(gate.closed.into()),
    },
    Family {
        name: "closings",
        unit: None,
        help: "How often the endpoint's gate was closed for the reason.",
        kind: Kind::Counter,
        number: |gate| Number::Whole(gate.closings),
    },
    Family {
        name: "closed",
        unit: Some("seconds"),
        help: "For how long the endpoint's gate was closed for the reason.",
        kind: Kind::Counter,
        number: |gate| Number::Seconds(gate.time),
    },
];

pub(super) fn write<W: Write>(gathered: &Gathered, writer: &mut Writer<'_, W>) -> fmt::Result {
    let endpoints = gathered.stages.iter().flat_map(|stage| &stage.endpoints);
    if endpoints.clone().next().is_none() {
        return Ok(());
    }
    let reasons = Reason::ALL.map(|reason| format!(r#"reason="{}""#, reason.name()));
    for family in &FAMILIES {
        let Family {
            name,
            unit,
            help,
            kind,
            ..
        } = *family;
        writer.family("endpoint", name, unit, help, kind)?;
        for endpoint in endpoints.clone() {
            for gate in &endpoint.gates {
                let more = &reasons[gate.reason as usize];
                writer.sample("", &endpoint.labels, more, (family.number)(gate))?;
            }
        }
    }
    let help = "The endpoint's share of the traffic in proportion to the other members' weights.";
    writer.family("endpoint", "weight", None, help, Kind::Gauge)?;
    for endpoint in endpoints {
        let weight = Number::Float(endpoint.endpoint.weight().get());
        writer.sample("", &endpoint.labels, "", weight)?;
    }
    Ok(())
}
