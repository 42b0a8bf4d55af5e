//! WebSocket frames (RFC 6455), as few as the tests need.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{Connection, Raw};

/// A text frame's opcode.
pub const TEXT: u8 = 0x1;
/// A close frame's opcode.
pub const CLOSE: u8 = 0x8;
/// A ping frame's opcode.
pub const PING: u8 = 0x9;
/// A pong frame's opcode.
pub const PONG: u8 = 0xa;

/// A request that asks for a WebSocket.
pub fn handshake(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: edge\r\nconnection: keep-alive, Upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A whole frame as a client sends it: masked.
pub fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];
    let mut frame = head(opcode, payload.len(), 0x80);
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A whole frame as a server sends it.
pub fn unmasked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(opcode, payload.len(), 0);
    frame.extend(payload);
    frame
}

fn head(opcode: u8, length: usize, mask: u8) -> Vec<u8> {
    let mut head = vec![0x80 | opcode];
    match u16::try_from(length) {
        Ok(short @ 0..126) => head.push(mask | u8::try_from(short).unwrap()),
        Ok(medium) => {
            head.push(mask | 0x7e);
            head.extend(medium.to_be_bytes());
        }
        Err(_) => {
            head.push(mask | 0x7f);
            head.extend((length as u64).to_be_bytes());
        }
    }
    head
}

/// Reads an unmasked frame.
pub async fn read_frame(raw: &mut Raw) -> (u8, Vec<u8>) {
    let head = raw.bytes(2).await;
    let length = match head[1] & 0x7f {
        126 => {
            let long = raw.bytes(2).await;
            usize::from(u16::from_be_bytes([long[0], long[1]]))
        }
        127 => {
            let long: [u8; 8] = raw.bytes(8).await.try_into().unwrap();
            usize::try_from(u64::from_be_bytes(long)).unwrap()
        }
        short => usize::from(short),
    };
    (head[0] & 0xf, raw.bytes(length).await)
}

/// What a server says to a client's key (RFC 6455, 4.2.2).
fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

/// Accepts a WebSocket and plays an echo server: text comes back, a ping is answered by a pong, a
/// close by a close.
pub async fn echo(mut connection: Connection) {
    let Some(request) = connection.head().await else { return };
    assert_eq!(request.header("upgrade"), Some("websocket"), "{}", request.head);
    let accept = accept(request.header("sec-websocket-key").unwrap());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    );
    connection.write(head).await;
    while let Some(head) = connection.take(2).await {
        let length = match head[1] & 0x7f {
            126 => {
                let Some(long) = connection.take(2).await else { return };
                usize::from(u16::from_be_bytes([long[0], long[1]]))
            }
            127 => {
                let Some(long) = connection.take(8).await else { return };
                usize::try_from(u64::from_be_bytes(long.try_into().unwrap())).unwrap()
            }
            short => usize::from(short),
        };
        let (Some(mask), Some(payload)) = (connection.take(4).await, connection.take(length).await)
        else {
            return;
        };
        let payload: Vec<u8> =
            payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        match head[0] & 0xf {
            PING => drop(connection.write(unmasked(PONG, &payload)).await),
            CLOSE => {
                connection.write(unmasked(CLOSE, &payload)).await;
                return;
            }
            opcode => drop(connection.write(unmasked(opcode, &payload)).await),
        }
    }
}
