//! Frames of a WebSocket as the server writes them (RFC 6455): whole and unmasked.

/// What a frame is: its opcode, and of a compressed one the bit that says so.
#[derive(Clone, Copy)]
pub(super) enum Frame {
    Text = 0x1,
    /// The payload is compressed (RFC 7692).
    DeflatedText = 0x41,
    Close = 0x8,
    Ping = 0x9,
}

/// Encodes a whole, unmasked server frame; returns the offset at which it begins.
pub(super) fn framed(kind: Frame, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) -> usize {
    const HEAD_MAX: usize = 10;
    out.clear();
    out.resize(HEAD_MAX, 0);
    fill(out);
    let len = out.len() - HEAD_MAX;
    let mut head = [0x80 | kind as u8; HEAD_MAX]; // the whole message is in this frame
    let head: &[u8] = match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len), _) if len < 126 => {
            head[1] = len;
            &head[..2]
        }
        (_, Ok(len)) => {
            head[1] = 126;
            head[2..4].copy_from_slice(&len.to_be_bytes());
            &head[..4]
        }
        _ => {
            head[1] = 127;
            head[2..].copy_from_slice(&(len as u64).to_be_bytes());
            &head
        }
    };
    let begin = HEAD_MAX - head.len();
    out[begin..HEAD_MAX].copy_from_slice(head);
    begin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_heads_of_three_lengths() {
        for (len, head) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xff, 0xff]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut frame = Vec::new();
            let begin = framed(Frame::Text, &mut frame, |out| out.resize(out.len() + len, b'x'));
            let frame = &frame[begin..];
            assert_eq!((&frame[..head.len()], frame.len()), (head, head.len() + len));
            assert!(frame[head.len()..].iter().all(|byte| *byte == b'x'));
        }
    }
}
