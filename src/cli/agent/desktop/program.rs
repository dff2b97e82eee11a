//! `notify-send`, which every desktop of freedesktop.org has or can have.

use std::process::{Command, Stdio};

use super::Message;

/// A desktop that a program tells.
#[derive(Default)]
pub struct Desktop {}

impl Desktop {
    /// Shows it, or does nothing where there is no such program.
    #[expect(clippy::needless_pass_by_value, reason = "as on Windows, where another thread shows it")]
    pub fn show(&self, message: Message) {
        let urgency = if message.is_urgent { "critical" } else { "normal" };
        let mut command = Command::new("notify-send");
        command.args(["--app-name=chunkstore", "--urgency", urgency, "--", message.title, &message.body]);
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        if let Ok(mut child) = quiet {
            let reap = move || drop(child.wait());
            let _ = std::thread::Builder::new().name("notify".to_owned()).stack_size(64 * 1024).spawn(reap);
        }
    }
}
