//! Streams of events from the supervisor and every node, reconnecting.
//!
//! Each stream is a task that connects, hands frames to a [`Sink`], and connects again after a bounded
//! pause, resuming by its cursor. Everything that is decided is decided in [`address`] and in the sink.

pub mod address;
mod stream;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use address::Place;
use orrery_base::ids::{BootEpoch, NodeName, Sequence};
use orrery_base::sorted::SortedMap;
use orrery_event::stream::{Frame, MemberAddress};
use orrery_projection::view::SUPERVISOR;

/// Most streams that are open at once.
pub const STREAMS_MAX: usize = 64;

/// What takes the frames.
pub trait Sink {
    /// A frame came from a source (a node's name, or [`SUPERVISOR`]).
    fn frame(&self, source: &NodeName, frame: Frame);
    /// The connection to a source closed.
    fn closed(&self, source: &NodeName);
    /// Where to resume a source's stream.
    fn cursor(&self, source: &NodeName) -> Option<(BootEpoch, Sequence)>;
    /// Whether a try makes sense: a source that is known not to be there is not asked.
    fn there(&self, source: &NodeName) -> bool;
    /// The source left the cluster: nobody has to ask for it any more.
    fn left(&self, source: &NodeName) -> bool;
    /// Something of the source's stream is missing or false: it has to begin again, with a snapshot.
    fn wants_snapshot(&self, source: &NodeName) -> bool;
    /// Whether anybody looks: a page that was hidden for long reads nothing.
    fn wanted(&self) -> bool;
}

/// All streams of the page. Cheap to clone.
#[derive(Clone)]
pub struct Streams {
    inner: Rc<Inner>,
}

struct Inner {
    sink: Rc<dyn Sink>,
    place: Place,
    /// Address of each source whose task runs.
    sources: RefCell<SortedMap<NodeName, Rc<RefCell<String>>>>,
    closed: Cell<bool>,
}

impl Streams {
    pub fn new(place: Place, sink: Rc<dyn Sink>) -> Streams {
        Streams {
            inner: Rc::new(Inner { sink, place, sources: RefCell::default(), closed: Cell::new(false) }),
        }
    }

    /// Opens the stream of the place that the page was loaded from: the supervisor's, which names the
    /// nodes, or a node's, whose name its hello tells.
    pub fn open_origin(&self, is_supervisor: bool) {
        let address = self.inner.place.host.clone();
        if is_supervisor {
            self.open(SUPERVISOR.into(), address);
        } else {
            stream::spawn(self.clone(), None, Rc::new(RefCell::new(address)));
        }
    }

    /// Opens what is not open yet, and follows a member that moved.
    pub fn open_members(&self, members: &[MemberAddress]) {
        let all = || members.iter().map(|member| member.address.as_str());
        for member in members {
            self.open(member.node.clone(), self.inner.place.address_of(&member.address, all()));
        }
    }

    /// The source's task ends; if it comes back, its members' hellos say so.
    fn release(&self, source: &NodeName) {
        self.inner.sources.borrow_mut().remove(source);
    }

    /// Ends all tasks at their next turn.
    pub fn close(&self) {
        self.inner.closed.set(true);
    }

    fn open(&self, source: NodeName, address: String) {
        if self.claim(&source, &address) {
            let address = self.inner.sources.borrow()[&source].clone();
            stream::spawn(self.clone(), Some(source), address);
        }
    }

    /// Whether a new task may serve this source; where one does already, it learns the address.
    fn claim(&self, source: &NodeName, address: &str) -> bool {
        let mut sources = self.inner.sources.borrow_mut();
        match sources.get(source) {
            Some(known) => {
                address.clone_into(&mut known.borrow_mut());
                false
            }
            None if sources.len() >= STREAMS_MAX => false,
            None => {
                sources.insert(source.clone(), Rc::new(RefCell::new(address.to_owned())));
                true
            }
        }
    }
}
