//! The calls in hand of one connection, counted from head to the end of their answers.

use super::stream::Shared;
use crate::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Counts a request from its head to the end of its answer, so that idle time is told from work.
pub(super) struct InFlight {
    pub(super) shared: Arc<Shared>,
    answered: bool,
}

impl InFlight {
    pub(super) fn begin(shared: &Arc<Shared>) -> Self {
        shared.begin();
        Self { shared: shared.clone(), answered: false }
    }

    /// The answer is there; its body goes on counting.
    pub(super) fn answer(mut self, body: Body) -> Tracked {
        self.answered = true;
        Tracked { body, _guard: self }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.shared.end(self.answered);
    }
}

/// An answer's body that ends the count when it is dropped.
pub(super) struct Tracked {
    body: Body,
    _guard: InFlight,
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
