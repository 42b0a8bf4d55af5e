use proptest::prelude::*;
use tokio::io::AsyncWriteExt as _;

use super::*;

const MASK: [u8; 4] = [1, 2, 3, 4];

fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    if let Ok(short @ 0..126) = u8::try_from(payload.len()) {
        frame.push(0x80 | short);
    } else {
        frame.push(0x80 | 0x7e);
        frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

async fn all(bytes: &[u8], cut_at: usize) -> Vec<Heard> {
    let (mut client, server) = tokio::io::duplex(64);
    let (first, second) = bytes.split_at(cut_at.min(bytes.len()));
    let (first, second) = (first.to_vec(), second.to_vec());
    let sending = tokio::spawn(async move {
        for part in [first, second] {
            if client.write_all(&part).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    let mut listener = Listener::new(server);
    let mut heard = Vec::new();
    while let Ok(one) = listener.next().await {
        let is_over = one == Heard::Nonsense;
        heard.push(one);
        if is_over {
            break;
        }
    }
    drop(listener);
    sending.await.unwrap();
    heard
}

#[tokio::test]
async fn frame_without_a_mask_is_nonsense() {
    assert_eq!(all(&[0x89, 0, 0, 0, 0, 0], 0).await, [Heard::Nonsense]);
}

#[tokio::test]
async fn control_frame_that_is_too_long_is_nonsense() {
    assert_eq!(all(&masked(PING, &[b'x'; 126]), 0).await, [Heard::Nonsense]);
}

proptest! {
    #[test]
    fn frames_are_heard_wherever_they_are_cut(cut_at in 0_usize..800, length in 0_usize..600) {
        let bytes = [
            masked(PING, b"alive?"),
            masked(0x1, &vec![b'x'; length]),
            masked(0xa, b""),
            masked(CLOSE, &1000_u16.to_be_bytes()),
        ];
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let heard = runtime.block_on(all(&bytes.concat(), cut_at));
        let expected =
            [Heard::Ping(b"alive?".to_vec()), Heard::Other, Heard::Other, Heard::Close];
        prop_assert_eq!(heard, expected);
    }
}
