//! Requests on their way to the DLL and answers on their way back, as the driver keeps them.
//! Knows the two records of the channel (`fsctl.h`); what is asked is the driver's business.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use winfsp_sys::{
    FSP_FSCTL_TRANSACT_BUF, FSP_FSCTL_TRANSACT_REQ, FSP_FSCTL_TRANSACT_RSP, FSP_FSCTL_VOLUME_PARAMS,
};

use crate::driver::File;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A record of the channel, in words: records are aligned to eight bytes.
type Record = Vec<u64>;

/// Kinds of requests, by the numbers of `fsctl.h`.
pub mod kind {
    pub const CREATE: u32 = 1;
    pub const OVERWRITE: u32 = 2;
    pub const CLEANUP: u32 = 3;
    pub const CLOSE: u32 = 4;
    pub const READ: u32 = 5;
    pub const WRITE: u32 = 6;
    pub const QUERY_INFORMATION: u32 = 7;
    pub const SET_INFORMATION: u32 = 8;
    pub const SET_EA: u32 = 10;
    pub const FLUSH_BUFFERS: u32 = 11;
    pub const QUERY_VOLUME_INFORMATION: u32 = 12;
    pub const SET_VOLUME_INFORMATION: u32 = 13;
    pub const QUERY_DIRECTORY: u32 = 14;
    pub const FILE_SYSTEM_CONTROL: u32 = 15;
    pub const DEVICE_CONTROL: u32 = 16;
    pub const QUERY_SECURITY: u32 = 19;
    pub const SET_SECURITY: u32 = 20;
    pub const QUERY_STREAM_INFORMATION: u32 = 21;
}

/// A volume that the DLL made.
pub struct Volume {
    /// What it was made with, as it arrived.
    pub params: FSP_FSCTL_VOLUME_PARAMS,
    /// Process and handle of the token that requests are made in the name of.
    pub(crate) token: u64,
    pub(crate) nodes: Mutex<HashMap<Vec<u16>, u64>>,
    /// Bytes that were written to the cache, by the number of their file and their place in it.
    pub(crate) pages: Mutex<HashMap<(u64, u64), u8>>,
    /// Files that nobody has a handle of and the cache manager holds on to, the oldest first.
    pub(crate) kept: Mutex<VecDeque<File>>,
    queue: Mutex<Queue>,
    wake: Condvar,
    hint: AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Record>,
    asked: HashMap<u64, Arc<Pending>>,
    is_stopped: bool,
}

#[derive(Default)]
struct Pending {
    answer: Mutex<Option<Record>>,
    arrived: Condvar,
}

/// All volumes, by the handles that the DLL has of them.
static VOLUMES: Mutex<Vec<(usize, Arc<Volume>)>> = Mutex::new(Vec::new());

/// The volume that was made last.
pub fn newest_volume() -> Arc<Volume> {
    try_newest_volume().expect("no volume was made")
}

/// The volume that was made last, if there is one yet.
pub fn try_newest_volume() -> Option<Arc<Volume>> {
    VOLUMES.lock().unwrap().last().map(|(_, volume)| volume.clone())
}

pub(crate) fn volume(handle: usize) -> Option<Arc<Volume>> {
    let volumes = VOLUMES.lock().unwrap();
    volumes.iter().find(|(own, _)| *own == handle).map(|(_, volume)| volume.clone())
}

/// Keeps a volume under its handle; one that had the same handle before is gone.
pub(crate) fn register(handle: usize, volume: Option<Volume>) {
    let mut volumes = VOLUMES.lock().unwrap();
    volumes.retain(|(own, _)| *own != handle);
    volumes.extend(volume.map(|volume| (handle, Arc::new(volume))));
}

impl Volume {
    pub(crate) fn new(params: FSP_FSCTL_VOLUME_PARAMS, token: u64) -> Self {
        Self {
            params,
            token,
            nodes: Mutex::default(),
            pages: Mutex::default(),
            kept: Mutex::default(),
            queue: Mutex::default(),
            wake: Condvar::new(),
            hint: AtomicU64::new(1),
        }
    }

    pub(crate) fn stop(&self) {
        self.queue.lock().unwrap().is_stopped = true;
        self.wake.notify_all();
    }

    /// Waits for a request, for the DLL; nothing once the volume is stopped.
    pub(crate) fn next(&self) -> Option<Record> {
        let mut queue = self.queue.lock().unwrap();
        loop {
            if queue.is_stopped {
                return None;
            }
            if let Some(request) = queue.waiting.pop_front() {
                return Some(request);
            }
            queue = self.wake.wait(queue).unwrap();
        }
    }

    /// Takes an answer of the DLL.
    pub(crate) fn take(&self, answer: Record) {
        let hint = unsafe { (*answer.as_ptr().cast::<FSP_FSCTL_TRANSACT_RSP>()).Hint };
        let asked = self.queue.lock().unwrap().asked.remove(&hint);
        let asked = asked.expect("an answer to nothing");
        *asked.answer.lock().unwrap() = Some(answer);
        asked.arrived.notify_all();
    }

    /// Sends a request with `payload` behind it and waits for the answer.
    pub fn ask(
        &self,
        kind: u32,
        payload: &[u8],
        fill: impl FnOnce(&mut FSP_FSCTL_TRANSACT_REQ),
    ) -> Answer {
        let head = size_of::<FSP_FSCTL_TRANSACT_REQ>();
        let mut record: Record = vec![0; (head + payload.len()).div_ceil(8)];
        let hint = self.hint.fetch_add(1, Ordering::Relaxed);
        unsafe {
            let bytes = record.as_mut_ptr().cast::<u8>();
            bytes.add(head).copy_from_nonoverlapping(payload.as_ptr(), payload.len());
            let request = &mut *record.as_mut_ptr().cast::<FSP_FSCTL_TRANSACT_REQ>();
            request.Size = (head + payload.len()) as u16;
            request.Kind = kind;
            request.Hint = hint;
            fill(request);
        }
        let pending = Arc::new(Pending::default());
        {
            let mut queue = self.queue.lock().unwrap();
            assert!(!queue.is_stopped, "the volume is stopped");
            queue.asked.insert(hint, pending.clone());
            queue.waiting.push_back(record);
        }
        self.wake.notify_one();
        let answer = pending.answer.lock().unwrap();
        let wait = pending.arrived.wait_timeout_while(answer, PATIENCE, |a| a.is_none());
        let (mut answer, waited) = wait.unwrap();
        assert!(!waited.timed_out(), "no answer to a request of kind {kind}");
        let answer = Answer(answer.take().unwrap());
        assert_eq!((answer.head().Kind, answer.head().Hint), (kind, hint));
        answer
    }
}

/// An answer of the DLL.
pub struct Answer(Record);

impl Answer {
    /// The record without what is behind it.
    pub fn head(&self) -> &FSP_FSCTL_TRANSACT_RSP {
        unsafe { &*self.0.as_ptr().cast() }
    }

    /// How it went.
    pub fn status(&self) -> u32 {
        self.head().IoStatus.Status
    }

    /// The answer, or its status if that is an error.
    pub fn ok(self) -> Result<Self, u32> {
        if (self.status() as i32) < 0 { Err(self.status()) } else { Ok(self) }
    }

    /// Bytes behind the record.
    pub fn behind(&self, buffer: FSP_FSCTL_TRANSACT_BUF) -> &[u8] {
        let start = size_of::<FSP_FSCTL_TRANSACT_RSP>() + usize::from(buffer.Offset);
        let end = start + usize::from(buffer.Size);
        assert!(end <= usize::from(self.head().Size), "bytes outside of the answer");
        let bytes = self.0.as_ptr().cast::<u8>();
        unsafe { std::slice::from_raw_parts(bytes.add(start), end - start) }
    }
}
