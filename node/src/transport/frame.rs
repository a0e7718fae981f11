//! One message on a link: version, kind, urgency, request id, then the engine's bytes.

use bytes::{BufMut, Bytes, BytesMut};
use orrery_engine::host::Urgency;

/// Version of the peers' protocol: the handshake, the frames and what the engine says in them. Both ends must have the same.
pub(super) const PEER_VERSION: u8 = 2;

/// Largest frame. The engine cuts snapshots into chunks of 64 KiB; a batch of entries stays well below this.
pub(super) const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

const HEADER_BYTES: usize = 11;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request; its answer carries the same id.
    Request,
    Reply,
    /// The request was not looked at (the node is starting): surely not done.
    NotServed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub kind: Kind,
    pub urgency: Urgency,
    pub id: u64,
    pub payload: Bytes,
}

/// Why bytes are not a frame.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    /// The other end speaks another version.
    #[error("frame version {0}, not {PEER_VERSION}")]
    Version(u8),
    /// Shorter than a header, or a value that does not exist.
    #[error("malformed frame")]
    Malformed,
}

impl Frame {
    /// The frame as the payload of one WebSocket message.
    pub fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(HEADER_BYTES + self.payload.len());
        bytes.put_u8(PEER_VERSION);
        bytes.put_u8(match self.kind {
            Kind::Request => 0,
            Kind::Reply => 1,
            Kind::NotServed => 2,
        });
        bytes.put_u8(match self.urgency {
            Urgency::Election => 0,
            Urgency::Normal => 1,
            Urgency::Bulk => 2,
        });
        bytes.put_u64_le(self.id);
        bytes.put_slice(&self.payload);
        bytes.freeze()
    }

    /// The reverse. The payload shares the message's memory.
    pub fn decode(bytes: &Bytes) -> Result<Frame, FrameError> {
        let (&version, rest) = bytes.split_first().ok_or(FrameError::Malformed)?;
        if version != PEER_VERSION {
            return Err(FrameError::Version(version));
        }
        let (&[kind, urgency], rest) = rest.split_first_chunk().ok_or(FrameError::Malformed)?;
        let (id, _) = rest.split_first_chunk().ok_or(FrameError::Malformed)?;
        Ok(Frame {
            kind: match kind {
                0 => Kind::Request,
                1 => Kind::Reply,
                2 => Kind::NotServed,
                _ => return Err(FrameError::Malformed),
            },
            urgency: match urgency {
                0 => Urgency::Election,
                1 => Urgency::Normal,
                2 => Urgency::Bulk,
                _ => return Err(FrameError::Malformed),
            },
            id: u64::from_le_bytes(*id),
            payload: bytes.slice(HEADER_BYTES..),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes_of_version_2() {
        let frame = Frame {
            kind: Kind::Reply,
            urgency: Urgency::Bulk,
            id: 0x0102_0304_0506_0708,
            payload: Bytes::from_static(b"hi"),
        };
        let golden = Bytes::from_static(&[2, 1, 2, 8, 7, 6, 5, 4, 3, 2, 1, b'h', b'i']);
        assert_eq!(frame.encode(), golden);
        assert_eq!(Frame::decode(&golden), Ok(frame));
    }

    #[test]
    fn what_is_not_a_frame_is_refused() {
        assert_eq!(Frame::decode(&Bytes::from_static(&[1, 0, 0])), Err(FrameError::Version(1)));
        for bytes in [&[][..], &[2], &[2, 0, 0, 1, 2], &[2, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(Frame::decode(&Bytes::copy_from_slice(bytes)), Err(FrameError::Malformed));
        }
    }
}
