//! The two messages of `grpc.health.v1.Health/Check`, and the frame around a message.
//!
//! Written by hand: a request is one string, an answer one enumeration. A gRPC library would bring its own client, server,
//! code generation and runtime for some fifty lines.
//!
//! Sources: `grpc/doc/PROTOCOL-HTTP2.md` ("Length-Prefixed-Message"), `grpc/proto/grpc/health/v1/health.proto`, and the
//! encoding of protocol buffers (protobuf.dev/programming-guides/encoding).

use bytes::{BufMut, Bytes, BytesMut};

/// `HealthCheckResponse.ServingStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum ServingStatus {
    Unknown,
    Serving,
    NotServing,
    ServiceUnknown,
    /// Of a version to come.
    Other(u64),
}

/// Field 1 as a length and its bytes.
const SERVICE: u8 = (1 << 3) | 2;

/// Field 1, the status of an answer.
const STATUS: u64 = 1;

/// A flag and a length come before each message.
const PREFIX: usize = 5;

/// A `HealthCheckRequest`, in its frame.
pub(in super::super) fn request(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    // A field that has its default is left out.
    if !service.is_empty() {
        message.put_u8(SERVICE);
        put_varint(&mut message, service.len() as u64);
        message.put_slice(service.as_bytes());
    }
    let mut frame = BytesMut::with_capacity(PREFIX + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(&message);
    frame.freeze()
}

/// The status in an answer.
///
/// # Errors
///
/// When it is not one whole uncompressed `HealthCheckResponse`.
pub(in super::super) fn response(frame: &[u8]) -> Result<ServingStatus, &'static str> {
    let Some((prefix, message)) = frame.split_at_checked(PREFIX) else {
        return Err("the answer has no message");
    };
    if prefix[0] != 0 {
        return Err("the answer is compressed, which was not asked for");
    }
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
    if usize::try_from(length) != Ok(message.len()) {
        return Err("the answer is not one whole message");
    }
    status(message).ok_or("the answer is no HealthCheckResponse")
}

fn status(mut message: &[u8]) -> Option<ServingStatus> {
    let mut status = 0;
    while !message.is_empty() {
        let key = varint(&mut message)?;
        match (key >> 3, key & 7) {
            (STATUS, 0) => status = varint(&mut message)?,
            // Fields that came later are passed over.
            (_, 0) => drop(varint(&mut message)?),
            (_, 1) => message = message.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            (_, 5) => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(match status {
        0 => ServingStatus::Unknown,
        1 => ServingStatus::Serving,
        2 => ServingStatus::NotServing,
        3 => ServingStatus::ServiceUnknown,
        other => ServingStatus::Other(other),
    })
}

fn put_varint(buffer: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        buffer.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    buffer.put_u8(value as u8);
}

/// Seven bits a byte, the lowest first; ten bytes at most.
fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
