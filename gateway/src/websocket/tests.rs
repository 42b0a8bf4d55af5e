use proptest::prelude::*;

use super::*;

fn frame(masked: bool, payload: usize) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut frame = vec![0x82];
    match payload {
        0..=125 => frame.push(mask | u8::try_from(payload).unwrap()),
        126..=0xffff => {
            frame.push(mask | 0x7e);
            frame.extend(u16::try_from(payload).unwrap().to_be_bytes());
        }
        _ => {
            frame.push(mask | 0x7f);
            frame.extend((payload as u64).to_be_bytes());
        }
    }
    frame.extend(vec![0xff; if masked { 4 } else { 0 } + payload]);
    frame
}

proptest! {
    #[test]
    fn boundaries_are_found_however_the_bytes_are_cut(
        frames in prop::collection::vec((any::<bool>(), 0_usize..70_000), 1..4),
        cut in 1_usize..5_000,
    ) {
        let mut stream = Vec::new();
        let mut ends = Vec::new();
        for (masked, payload) in frames {
            stream.extend(frame(masked, payload));
            ends.push(stream.len());
        }
        let mut tracker = Frames::default();
        let mut seen = 0;
        for piece in stream.chunks(cut) {
            let expected = ends.iter().rev().find(|end| (seen + 1..=seen + piece.len()).contains(*end));
            prop_assert_eq!(tracker.advance(piece), expected.map(|end| end - seen));
            seen += piece.len();
            prop_assert_eq!(tracker.is_between_frames(), ends.contains(&seen));
        }
    }

    #[test]
    fn no_bytes_make_the_tracker_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut tracker = Frames::default();
        let end = tracker.advance(&bytes);
        prop_assert!(end.is_none_or(|end| end <= bytes.len()));
    }
}
