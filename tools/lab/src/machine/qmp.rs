//! [`Qmp`]: the machine protocol of QEMU, one JSON object a line (docs/interop/qmp-spec.rst of QEMU).

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use serde_json::{Value, json};

use crate::error::{LabError, Result};

/// Longest line that is read.
const LINE_MAX_BYTES: u64 = 1 << 20;
/// How long one command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(20);

/// What QEMU said.
#[derive(Debug, PartialEq)]
enum Message {
    /// The command's result.
    Return(Value),
    /// The command failed; why.
    Failed(String),
    /// Something happened: the event's name and data.
    Event(String, Value),
    /// The greeting.
    Greeting,
}

impl Message {
    fn parse(line: &str) -> Result<Self> {
        let mut value: Value = serde_json::from_str(line)
            .map_err(|error| LabError::because(format!("QEMU said what is no JSON ({line:.80})"), error))?;
        if let Some(name) = value["event"].as_str() {
            let name = name.to_owned();
            return Ok(Self::Event(name, value["data"].take()));
        }
        if let Some(error) = value.get("error") {
            return Ok(Self::Failed(error["desc"].as_str().unwrap_or("no reason given").to_owned()));
        }
        let is_greeting = value.get("QMP").is_some();
        match value.get_mut("return") {
            Some(result) => Ok(Self::Return(result.take())),
            None if is_greeting => Ok(Self::Greeting),
            None => Err(LabError::new(format!("QEMU said what is neither result, error nor event ({line:.80})"))),
        }
    }
}

/// A session with a running QEMU.
pub struct Qmp {
    stream: UnixStream,
    messages: Receiver<Result<Message>>,
    events: Vec<(String, Value)>,
}

impl Qmp {
    /// Takes the greeting and enters command mode.
    ///
    /// # Errors
    /// When the other side is no QEMU or ends.
    pub fn start(stream: UnixStream) -> Result<Self> {
        let reader = stream.try_clone().map_err(|error| LabError::because("cannot read from QEMU", error))?;
        let (sender, messages) = unbounded();
        std::thread::spawn(move || read_messages(reader, &sender));
        let mut session = Self { stream, messages, events: Vec::new() };
        match session.next(Instant::now() + COMMAND_TIMEOUT)? {
            Message::Greeting => {}
            other => return Err(LabError::new(format!("QEMU greeted with {other:?}"))),
        }
        session.execute("qmp_capabilities", &json!({}))?;
        Ok(session)
    }

    /// Runs one command and returns its result.
    ///
    /// # Errors
    /// When QEMU refuses, says nothing in time or has ended.
    pub fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let line = format!("{}\n", json!({ "execute": command, "arguments": arguments }));
        let failed = |error| LabError::because(format!("cannot ask QEMU for {command}"), error);
        self.stream.write_all(line.as_bytes()).map_err(failed)?;
        let deadline = Instant::now() + COMMAND_TIMEOUT;
        loop {
            match self.next(deadline).map_err(|error| LabError::because(format!("{command} got no answer"), error))? {
                Message::Return(value) => return Ok(value),
                Message::Failed(why) => return Err(LabError::new(format!("QEMU refused {command}: {why}"))),
                Message::Event(name, data) => self.events.push((name, data)),
                Message::Greeting => {}
            }
        }
    }

    /// Waits for an event that fits, also one that came before.
    ///
    /// # Errors
    /// When it does not come in time.
    pub fn wait_event(&mut self, name: &str, fits: impl Fn(&Value) -> bool, at_most: Duration) -> Result<Value> {
        let deadline = Instant::now() + at_most;
        loop {
            if let Some(at) = self.events.iter().position(|(event, data)| event == name && fits(data)) {
                return Ok(self.events.swap_remove(at).1);
            }
            let message =
                self.next(deadline).map_err(|error| LabError::because(format!("the event {name} did not come"), error));
            if let Message::Event(event, data) = message? {
                self.events.push((event, data));
            }
        }
    }

    fn next(&mut self, deadline: Instant) -> Result<Message> {
        match self.messages.recv_deadline(deadline) {
            Ok(message) => message,
            Err(error) if error.is_timeout() => Err(LabError::new("QEMU said nothing in time")),
            Err(_) => Err(LabError::new("QEMU has ended")),
        }
    }
}

fn read_messages(stream: UnixStream, sender: &Sender<Result<Message>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        match (&mut reader).take(LINE_MAX_BYTES).read_line(&mut line) {
            Ok(count) if count > 0 && line.ends_with('\n') => {}
            // The end of the stream, or a line beyond the bound: nobody is told more once the channel closes.
            _ => return,
        }
        if sender.send(Message::parse(&line)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_message_is_told_apart() {
        let event = Message::parse(r#"{"timestamp":{"seconds":1},"event":"DEVICE_DELETED","data":{"device":"key"}}"#);
        assert_eq!(event.unwrap(), Message::Event("DEVICE_DELETED".to_owned(), json!({"device": "key"})));
        let refused = Message::parse(r#"{"error":{"class":"GenericError","desc":"no such node"}}"#);
        assert_eq!(refused.unwrap(), Message::Failed("no such node".to_owned()));
        assert_eq!(Message::parse(r#"{"return":{}}"#).unwrap(), Message::Return(json!({})));
        assert_eq!(Message::parse(r#"{"QMP":{"version":{}}}"#).unwrap(), Message::Greeting);
        for bad in ["", "{", "[]", "7", r#"{"status":"running"}"#] {
            assert!(Message::parse(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn events_between_a_command_and_its_result_are_kept() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let answers = concat!(
            "{\"QMP\":{}}\n{\"return\":{}}\n",
            "{\"event\":\"DEVICE_DELETED\",\"data\":{\"device\":\"a\"}}\n{\"return\":7}\n"
        );
        (&theirs).write_all(answers.as_bytes()).unwrap();
        let mut session = Qmp::start(ours).unwrap();
        assert_eq!(session.execute("device_del", &json!({"id": "a"})).unwrap(), json!(7));
        let short = Duration::from_millis(20);
        assert!(session.wait_event("DEVICE_DELETED", |data| data["device"] == "b", short).is_err());
        assert!(session.wait_event("DEVICE_DELETED", |data| data["device"] == "a", short).is_ok());
        drop(theirs);
        assert!(session.execute("stop", &json!({})).is_err());
    }
}
