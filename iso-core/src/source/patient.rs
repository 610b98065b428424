//! A source on a medium that may stop answering: a network share, a stick that was pulled out.
//! Reads are made by helper threads, so that whoever asked can go on without an answer.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Cost, Source};

/// Reader threads. Each may block on an unresponsive medium, so a few suffice.
const READERS: usize = 4;

/// Reads that may wait for a thread.
const WAITING: usize = 64;

/// A source whose reads end after a time, with an error if need be.
///
/// One read waits for all of that time. While it is still without an answer the others wait for a
/// tenth of it only: a kernel that asks again and again should not wait ten times.
pub struct Patient {
    inner: Arc<dyn Source>,
    patience: Duration,
    is_silent: Arc<AtomicBool>,
    jobs: SyncSender<Job>,
}

/// One read.
struct Job {
    offset: u64,
    len: usize,
    answer: Sender<io::Result<Vec<u8>>>,
    given_up: Arc<AtomicBool>,
}

impl Patient {
    /// Reads `inner` and waits at most `patience` for each read.
    ///
    /// # Errors
    /// The helper threads cannot be started.
    pub fn new(inner: Box<dyn Source>, patience: Duration) -> io::Result<Self> {
        let inner: Arc<dyn Source> = Arc::from(inner);
        let (jobs, queue) = mpsc::sync_channel(WAITING);
        let queue = Arc::new(Mutex::new(queue));
        let is_silent = Arc::new(AtomicBool::new(false));
        for _ in 0..READERS {
            let (inner, queue, is_silent) = (inner.clone(), queue.clone(), is_silent.clone());
            std::thread::Builder::new()
                .name("medium".to_owned())
                .spawn(move || read_for(&*inner, &queue, &is_silent))?;
        }
        Ok(Self { inner, patience, is_silent, jobs })
    }
}

/// Makes one read after the other until nobody can ask any more.
fn read_for(source: &dyn Source, queue: &Mutex<Receiver<Job>>, is_silent: &AtomicBool) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        if job.given_up.load(Ordering::Relaxed) {
            continue;
        }
        let mut bytes = Vec::new();
        let answer = match bytes.try_reserve_exact(job.len) {
            Ok(()) => {
                bytes.resize(job.len, 0);
                source.read_at(&mut bytes, job.offset).map(|()| bytes)
            }
            Err(_) => Err(io::ErrorKind::OutOfMemory.into()),
        };
        is_silent.store(false, Ordering::Relaxed);
        let _ = job.answer.send(answer);
    }
}

impl Source for Patient {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let silent = || io::Error::new(io::ErrorKind::TimedOut, "the medium does not answer");
        let (answer, answered) = mpsc::channel();
        let given_up = Arc::new(AtomicBool::new(false));
        let job = Job { offset, len: buf.len(), answer, given_up: given_up.clone() };
        self.jobs.try_send(job).map_err(|_| silent())?;
        let is_silent = self.is_silent.load(Ordering::Relaxed);
        let patience = if is_silent { self.patience.div_f32(10.0) } else { self.patience };
        let bytes = answered.recv_timeout(patience).map_err(|_| {
            self.is_silent.store(true, Ordering::Relaxed);
            given_up.store(true, Ordering::Relaxed);
            silent()
        })??;
        buf.copy_from_slice(&bytes);
        Ok(())
    }

    fn cost(&self) -> Cost {
        Cost::Expensive
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// A medium that hangs on demand.
    struct Hanging(Arc<AtomicBool>);

    impl Source for Hanging {
        fn len(&self) -> u64 {
            1000
        }
        fn read_at(&self, buf: &mut [u8], _: u64) -> io::Result<()> {
            while self.0.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            buf.fill(7);
            Ok(())
        }
    }

    #[test]
    fn a_silent_medium_is_an_error_in_time_and_reading_goes_on_when_it_is_back() {
        let hangs = Arc::new(AtomicBool::new(true));
        let patience = Duration::from_millis(30);
        let source = Patient::new(Box::new(Hanging(hangs.clone())), patience).unwrap();
        let mut buf = [0; 10];
        for _ in 0..READERS.saturating_add(2) {
            let before = Instant::now();
            let error = source.read_at(&mut buf, 0).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(before.elapsed() < Duration::from_secs(5));
        }
        hangs.store(false, Ordering::Relaxed);
        while source.read_at(&mut buf, 0).is_err() {}
        assert_eq!(buf, [7; 10]);
    }
}
