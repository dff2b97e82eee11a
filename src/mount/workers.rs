//! Threads that answer what may have to read from a medium.

use std::thread;

use crossbeam_channel::{Sender, unbounded};

/// How many things are read at a time.
const THREADS: usize = 4;

/// One answer.
type Task = Box<dyn FnOnce() + Send>;

/// The threads; each ends when what it does is done and the workers are dropped.
pub struct Workers(Option<Sender<Task>>);

impl Workers {
    /// Starts them.
    pub fn start() -> Self {
        // No more wait than the kernel has asked and not been answered, which it bounds.
        let (sender, receiver) = unbounded::<Task>();
        let start = || {
            let receiver = receiver.clone();
            let work = move || receiver.iter().for_each(|task| task());
            thread::Builder::new().name("mount".to_owned()).spawn(work).is_ok()
        };
        let started = (0..THREADS).filter(|_| start()).count();
        Self((started > 0).then_some(sender))
    }

    /// Has one of them do something; where the system gave no thread, it is done here.
    pub fn take(&self, task: Task) {
        match &self.0 {
            Some(sender) => sender.send(task).unwrap_or_else(|unsent| unsent.into_inner()()),
            None => task(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn what_waits_holds_up_nothing_else() {
        let workers = Workers::start();
        let (done, dones) = mpsc::channel();
        let (go, gone) = mpsc::channel::<()>();
        let slow = done.clone();
        workers.take(Box::new(move || {
            gone.recv().unwrap();
            slow.send("slow").unwrap();
        }));
        (0..10).for_each(|_| {
            let done = done.clone();
            workers.take(Box::new(move || done.send("quick").unwrap()));
        });
        assert!((0..10).all(|_| dones.recv() == Ok("quick")));
        go.send(()).unwrap();
        assert_eq!(dones.recv(), Ok("slow"));
        drop((workers, done));
        assert!(dones.recv().is_err(), "they end");
    }

    #[test]
    fn without_a_thread_it_is_done_at_once() {
        let (done, dones) = mpsc::channel();
        Workers(None).take(Box::new(move || done.send(1).unwrap()));
        assert_eq!(dones.try_recv(), Ok(1));
    }
}
