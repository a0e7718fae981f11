//! A connection as HTTP sees it: notes what it does, and keeps the end of what a client sends to itself for a while.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};

use super::seats::{Doing, Taken};

/// Most that a closed connection still takes from its client.
const LINGER_BYTES_MAX: usize = 16 * 1024 * 1024;

pub(super) struct Connection {
    /// None once it lingers.
    stream: Option<(TcpStream, Taken)>,
    half_closed_max: Duration,
    linger_max: Duration,
    /// The client closed its sending half, and hyper was not told yet.
    ended: bool,
    grace: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    pub fn new(
        stream: TcpStream,
        seat: Taken,
        half_closed_max: Duration,
        linger_max: Duration,
    ) -> Connection {
        Connection { stream: Some((stream, seat)), half_closed_max, linger_max, ended: false, grace: None }
    }

    /// Looks at the first byte without taking it; none where the connection ended.
    pub async fn first_byte(&self) -> io::Result<Option<u8>> {
        let Some((stream, _)) = &self.stream else { return Ok(None) };
        let mut byte = [0];
        Ok((stream.peek(&mut byte).await? > 0).then_some(byte[0]))
    }

    fn parts(&mut self) -> io::Result<(Pin<&mut TcpStream>, &Taken)> {
        let (stream, seat) = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Ok((Pin::new(stream), seat))
    }

    /// hyper takes a closed sending half for a client that went away. But a client may close it and wait for its answer,
    /// which looks the same. So hyper is told after the answer, or after a while.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some((_, seat)) = &self.stream else { return Poll::Ready(Ok(())) };
        let seat = &seat.0;
        seat.reader.register(context.waker());
        if seat.is_answering() || seat.has_unread() {
            let grace = self.grace.get_or_insert_with(|| Box::pin(sleep(self.half_closed_max)));
            ready!(grace.as_mut().poll(context));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ended {
            return self.poll_end(context);
        }
        let before = buffer.filled().len();
        let (stream, seat) = self.parts()?;
        ready!(stream.poll_read(context, buffer))?;
        if buffer.filled().len() > before || buffer.remaining() == 0 {
            seat.0.heard();
            return Poll::Ready(Ok(()));
        }
        self.ended = true;
        self.poll_end(context)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let (stream, seat) = self.parts()?;
        let written = stream.poll_write(context, bytes);
        note(seat, context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let (stream, seat) = self.parts()?;
        let written = stream.poll_write_vectored(context, slices);
        note(seat, context, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.parts()?.0.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.parts()?.0.poll_shutdown(context)
    }
}

/// Notes whether the client reads. One that does not for too long was sent away: its connection breaks.
fn note(seat: &Taken, context: &Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
    let seat = &seat.0;
    if written.is_pending() {
        seat.writer.register(context.waker());
        if seat.is_evicted() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
    }
    seat.reads(written.is_ready());
    written
}

impl Drop for Connection {
    /// A connection that is closed while its client still sends is reset, and with it goes an answer that the client has
    /// not read yet. So the sending half is closed first, and what comes is thrown away for a while.
    fn drop(&mut self) {
        let Some((mut stream, seat)) = self.stream.take() else { return };
        let is_stream = matches!(seat.0.doing(), Doing::Streaming | Doing::Peer);
        if self.ended || is_stream || seat.0.is_evicted() || self.linger_max.is_zero() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        seat.0.ends();
        let linger_max = self.linger_max;
        runtime.spawn(async move {
            let linger = async {
                stream.shutdown().await?;
                let (mut bytes, mut scratch) = (0, vec![0; 16 * 1024]);
                while bytes < LINGER_BYTES_MAX {
                    match stream.read(&mut scratch).await? {
                        0 => break,
                        read => bytes += read,
                    }
                }
                io::Result::Ok(())
            };
            tokio::select! {
                // It went away by itself, or it takes too long: closed either way.
                _ = timeout(linger_max, linger) => {}
                () = seat.0.evicted.notified() => {}
            }
        });
    }
}
