//! A source that tells what a test says: the twin of the real ones.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Seen, Tell, Volumes, Watching};
use crate::error::Result;

/// Tells what it is told to, once it was started; what came before is kept until then.
#[derive(Clone, Default)]
pub struct Scripted(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    kept: Vec<Seen>,
    tell: Option<Tell>,
}

impl Scripted {
    /// Lets the agent hear something.
    pub fn say(&self, seen: Seen) {
        let mut script = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &script.tell {
            Some(tell) => tell(seen),
            None => script.kept.push(seen),
        }
    }
}

struct Started(Arc<Mutex<Script>>);

impl Watching for Started {}

impl Drop for Started {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).tell = None;
    }
}

impl Volumes for Scripted {
    fn name(&self) -> &'static str {
        "a script"
    }

    fn start(self: Box<Self>, tell: Tell) -> Result<Box<dyn Watching>> {
        let mut script = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        script.kept.drain(..).for_each(|seen| tell(seen));
        script.tell = Some(tell);
        drop(script);
        Ok(Box::new(Started(self.0)))
    }
}
