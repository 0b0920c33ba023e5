//! Zero hops: this Node's own sockets are the way out.
//!
//! The app's SYN is answered once the destination has accepted, so what the
//! app sees of a connection attempt is what happened to it.

use super::record::Flow;
use super::{Entry, ending};
use crate::app::{AppGone, AppTcp};
use crate::link::Link;
use crate::outside::{self, Outside, OutsideTcp};
use masq_core::destination::Destination;
use masq_core::exit_policy::Protocol;
use masq_core::failure::{Code, Failure};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncWrite, ReadBuf};

pub(super) async fn tcp<L: Link, O: Outside>(
    entry: &Entry<L, O>,
    app: &AppTcp,
    flow: &Flow,
    destination: &Destination,
) -> Result<(), Failure> {
    let outside = &*entry.services.outside;
    let reach = async {
        let policy = &entry.direct_policy;
        let found = outside::addresses(outside, policy, destination, Protocol::Tcp).await?;
        outside::connect(outside, &found).await
    };
    let reached = tokio::select! {
        reached = reach => reached,
        _ = app.gone() => return Err(Code::Aborted.into()),
    };
    let stream = match reached {
        Ok(stream) => stream,
        Err(failure) => {
            ending::before_accept(app, destination, &failure).await;
            return Err(failure);
        }
    };
    app.accept();
    let stream = RefCell::new(stream);
    let up = async {
        while poll_fn(|cx| poll_up(app, &stream, flow, cx)).await? {}
        poll_fn(|cx| Pin::new(&mut *stream.borrow_mut()).poll_shutdown(cx))
            .await
            .map_err(Broken::Remote)
    };
    let down = async {
        while poll_fn(|cx| poll_down(app, &stream, flow, cx)).await? {}
        app.finish();
        Ok(())
    };
    let ended = tokio::select! {
        biased;
        ended = async { tokio::try_join!(up, down) } => ended,
        gone = app.gone() => Err(gone.into()),
    };
    match ended {
        Ok(((), ())) => {
            app.release();
            Ok(())
        }
        Err(Broken::App) => {
            stream.borrow().abort();
            Err(Code::Aborted.into())
        }
        Err(Broken::Remote(error)) => {
            app.abort();
            Err(Failure::new(Code::RemoteReset, error.to_string()))
        }
    }
}

enum Broken {
    App,
    Remote(io::Error),
}

impl From<AppGone> for Broken {
    fn from(_: AppGone) -> Self {
        Broken::App
    }
}

/// From the stack's buffer straight into the socket; false at the end.
fn poll_up<T: OutsideTcp>(
    app: &AppTcp,
    stream: &RefCell<T>,
    flow: &Flow,
    cx: &mut Context<'_>,
) -> Poll<Result<bool, Broken>> {
    let waker = cx.waker().clone();
    let polled = app.poll_recv(cx, |data| {
        let mut cx = Context::from_waker(&waker);
        match Pin::new(&mut *stream.borrow_mut()).poll_write(&mut cx, data) {
            Poll::Ready(Ok(written)) => {
                flow.said(&data[..written]);
                (written, Poll::Ready(Ok(())))
            }
            Poll::Ready(Err(error)) => (0, Poll::Ready(Err(error))),
            Poll::Pending => (0, Poll::Pending),
        }
    });
    match ready!(polled)? {
        None => Poll::Ready(Ok(false)),
        Some(written) => Poll::Ready(ready!(written).map(|()| true).map_err(Broken::Remote)),
    }
}

/// From the socket straight into the stack's buffer; false at the end.
fn poll_down<T: OutsideTcp>(
    app: &AppTcp,
    stream: &RefCell<T>,
    flow: &Flow,
    cx: &mut Context<'_>,
) -> Poll<Result<bool, Broken>> {
    ready!(stream.borrow().poll_readable(cx)).map_err(Broken::Remote)?;
    let waker = cx.waker().clone();
    let polled = app.poll_send_with(cx, |room| {
        let mut cx = Context::from_waker(&waker);
        let mut room = ReadBuf::new(room);
        match Pin::new(&mut *stream.borrow_mut()).poll_read(&mut cx, &mut room) {
            Poll::Ready(Ok(())) => {
                let read = room.filled().len();
                (read, Poll::Ready(Ok(read)))
            }
            Poll::Ready(Err(error)) => (0, Poll::Ready(Err(error))),
            Poll::Pending => (0, Poll::Pending),
        }
    });
    let read = ready!(ready!(polled)?).map_err(Broken::Remote)?;
    if read > 0 {
        flow.received(read);
    }
    Poll::Ready(Ok(read > 0))
}
