//! Toasts of Windows.
//!
//! Windows shows them for programs that it knows by name, so ours is written to the registry of the person before the first one.
//! A session without a desktop, and a Windows without what shows them, refuse; then nothing is shown.

use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};

use tauri_winrt_notification::{Duration, Sound, Toast};

use super::Message;
use crate::agent::registry::{self, Hive, Value};

/// What Windows calls the program.
const MODEL_ID: &str = "Chunkstore.Agent";
/// Where Windows looks for what people call it.
const MODELS: &str = r"Software\Classes\AppUserModelId";
/// Most that wait for Windows; what comes then is left to the log.
const WAITING_MAX: usize = 8;

/// A desktop that takes toasts. Each is asked of another process, so one thread does that, in order.
#[derive(Default)]
pub struct Desktop {
    queue: OnceLock<Option<SyncSender<Message>>>,
}

impl Desktop {
    /// Shows it soon, if Windows does.
    pub fn show(&self, message: Message) {
        if let Some(queue) = self.queue.get_or_init(start) {
            let _ = queue.try_send(message);
        }
    }
}

/// Starts the thread, which ends with the desktop.
fn start() -> Option<SyncSender<Message>> {
    let (queue, waiting) = sync_channel::<Message>(WAITING_MAX);
    let show_all = move || {
        let _ = registry::set(Hive::Person, &format!(r"{MODELS}\{MODEL_ID}"), "DisplayName", Value::Text("chunkstore"));
        waiting.iter().for_each(|message| drop(toast(&message).show()));
    };
    std::thread::Builder::new().name("notify".to_owned()).spawn(show_all).ok().map(|_| queue)
}

fn toast(message: &Message) -> Toast {
    let (sound, duration) = match message.is_urgent {
        true => (Some(Sound::Default), Duration::Long),
        false => (None, Duration::Short),
    };
    Toast::new(MODEL_ID).title(message.title).text1(&message.body).sound(sound).duration(duration)
}
