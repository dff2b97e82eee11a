//! Ctrl-C and the system's wish to end: the first asks the run to stop at the next safe point, the second ends it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
#[cfg(windows)]
use std::sync::atomic::Ordering;

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::{Error, ErrorKind, Result};

/// The exit code of a run that was told to stop.
const INTERRUPTED: i32 = 130;

/// Makes `stop` true on the first signal; the second one ends the process at once.
///
/// # Errors
/// [`ErrorKind::Other`] when the system refuses.
pub fn watch(stop: &Arc<AtomicBool>) -> Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // Registered first, so that the first signal finds the flag still down.
        signal_hook::flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(stop)))
            .map_err(|error| Error::with_source(ErrorKind::Other, "cannot listen for signals", error))?;
    }
    Ok(())
}

/// Calls `stop` on each wish to end, and `reload` on each hang-up, from a thread that sleeps between them. The second wish to end
/// ends the process.
///
/// # Errors
/// [`ErrorKind::Other`] when the system refuses.
#[cfg(unix)]
pub fn each(stop: impl Fn() + Send + 'static, reload: impl Fn() + Send + 'static) -> Result<()> {
    use signal_hook::consts::SIGHUP;
    let refused = |error| Error::with_source(ErrorKind::Other, "cannot listen for signals", error);
    watch(&Arc::default())?;
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(refused)?;
    let listen = move || signals.forever().for_each(|signal| if signal == SIGHUP { reload() } else { stop() });
    let spawned = std::thread::Builder::new().name("signals".to_owned()).stack_size(256 * 1024).spawn(listen);
    spawned.map(drop).map_err(refused)
}

/// Calls `stop` on Ctrl-C, Ctrl-Break and when the console closes; the second time it ends the process. Nobody can ask for a
/// reload here.
///
/// # Errors
/// [`ErrorKind::Other`] when the system refuses.
#[cfg(windows)]
pub fn each(stop: impl Fn() + Send + 'static, _: impl Fn() + Send + 'static) -> Result<()> {
    let was_asked = AtomicBool::new(false);
    let hear = move || {
        if was_asked.swap(true, Ordering::Relaxed) {
            end_now();
        }
        stop();
    };
    let refused = |error| Error::with_source(ErrorKind::Other, "cannot listen for signals", error);
    ctrlc::set_handler(hear).map_err(refused)
}

#[cfg(windows)]
#[expect(clippy::disallowed_methods, reason = "the second Ctrl-C ends the process at once")]
fn end_now() {
    std::process::exit(INTERRUPTED);
}
